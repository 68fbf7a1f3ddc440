//! A client of a foreign server: requests in a description's words, by whichever protocol it names.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tonic::transport::{Channel, Endpoint};
use whitewater_client::EtcdMember;

use super::connected::CONNECT_TIMEOUT;
use super::http;
use super::meaning::{Asked, At, Meanings, Reply, absent_text, holds, refused, says_absent};
use super::program::Programs;
use super::resp::{self, Said};
use super::shim::Shim;
use crate::description::{
    Client, Condition, Description, EtcdReads, Means, Offer, Pattern, RunClient, RunRequest, To,
};
use crate::node::Place;
use crate::template::{List, Scope};
use crate::{Answer, Answered, LeaderSeen, Next, Pending, Request, Setback};

/// One client.
pub(super) struct ForeignClient {
    description: Arc<Description>,
    meanings: Meanings,
    programs: Programs,
    places: BTreeMap<u32, Place>,
    lists: BTreeMap<String, List>,
    leader: LeaderSeen,
    shim: Option<Shim>,
    http: BTreeMap<u32, http::Connection>,
    resp: BTreeMap<u32, resp::Connection>,
    etcd: BTreeMap<u32, EtcdMember<Channel>>,
}

impl ForeignClient {
    /// That reaches each node's first port there.
    pub(super) fn new(
        description: Arc<Description>,
        programs: Programs,
        addresses: &BTreeMap<u32, SocketAddr>,
        leader: LeaderSeen,
    ) -> Self {
        let port = description.ports.first().map(|port| port.get_ref().clone()).unwrap_or_default();
        let place = |(node, address): (&u32, &SocketAddr)| {
            (*node, Place { host: address.ip(), ports: vec![(port.clone(), address.port())] })
        };
        let places: BTreeMap<u32, Place> = addresses.iter().map(place).collect();
        let here = programs.here.display().to_string();
        let shim = match &description.client {
            Some(Client::Shim(shim)) => {
                let words = [("here", here.as_str())];
                let node = places.keys().next().copied().unwrap_or(1);
                let scope = Scope { places: &places, node, lists: &BTreeMap::new(), words: &words };
                Some(Shim::new(programs.clone(), shim.command.fill(&scope)))
            }
            _ => None,
        };
        Self {
            meanings: Meanings::of(&description.errors),
            description,
            programs,
            places,
            lists: BTreeMap::new(),
            leader,
            shim,
            http: BTreeMap::new(),
            resp: BTreeMap::new(),
            etcd: BTreeMap::new(),
        }
    }

    async fn asked(
        &mut self,
        node: u32,
        request: Request,
        time: Duration,
    ) -> Result<Answer, Setback> {
        if request == Request::OpenSession {
            // Session 0 is none.
            return Ok(Answer { result: Answered::Opened(0), node, term: None });
        }
        let Some(place) = self.places.get(&node) else {
            return Err(refused(Next::Later, format!("n{node} is not part of this cluster")));
        };
        let description = self.description.clone();
        let Some(client) = &description.client else {
            return Err(refused(Next::GiveUp, "the description names no client"));
        };
        if let Client::Etcd(etcd) = client {
            let serializable = etcd.reads == EtcdReads::Serializable;
            let address = place.clients();
            let member = self.etcd.entry(node).or_insert_with(|| EtcdMember::new(lazy(address)));
            let result = member.ask(request, serializable, Some(time)).await;
            if let Err(Setback { next: Next::Elsewhere, .. }) = &result {
                // What stalls a connection may last longer than the fault.
                self.etcd.remove(&node);
            }
            return result.map(|answer| Answer { node, ..answer });
        }
        let to = match client {
            Client::Http(http) => http.to,
            Client::Resp(run) | Client::Command(run) => run.to,
            Client::Shim(shim) => shim.to,
            Client::Etcd(_) => To::Any,
        };
        if to == To::Leader {
            match self.leader.node() {
                Some(leader) if leader == node => {}
                Some(leader) => {
                    let next = Next::Leader { node: leader, address: String::new() };
                    return Err(refused(
                        next,
                        format!("only the leader is asked, which was n{leader}"),
                    ));
                }
                None => {
                    return Err(refused(
                        Next::Later,
                        "only the leader is asked, and none was seen yet",
                    ));
                }
            }
        }
        self.exchanged(client, node, &Asked::of(&request)?, time).await
    }

    async fn exchanged(
        &mut self,
        client: &Client,
        node: u32,
        asked: &Asked,
        time: Duration,
    ) -> Result<Answer, Setback> {
        let here = self.programs.here.display().to_string();
        let own = asked.words.iter().map(|(name, value)| (*name, value.as_str()));
        let words: Vec<(&str, &str)> = own.chain([("here", here.as_str())]).collect();
        let scope = Scope { places: &self.places, node, lists: &self.lists, words: &words };
        let at = At { node, places: &self.places, leader: &self.leader };
        let address = self.places[&node].clients();
        let unreachable = |is_sent: bool, reason: String| {
            Setback::unreachable(is_sent && asked.is_change(), reason)
        };
        match client {
            Client::Http(client) => {
                let connection =
                    self.http.entry(node).or_insert_with(|| http::Connection::to(address));
                http::ask(connection, client, &self.meanings, asked, at, &scope, time).await
            }
            Client::Shim(_) => match &mut self.shim {
                Some(shim) => shim.ask(asked, at, &self.meanings, time).await,
                None => Err(refused(Next::GiveUp, "the description names no shim")),
            },
            Client::Resp(client) => {
                let request = request(client, asked.offer)?;
                let connection =
                    self.resp.entry(node).or_insert_with(|| resp::Connection::to(address));
                let said = connection.exchange(&request.run.fill(&scope), time).await;
                let said = said.map_err(|lost| unreachable(lost.is_sent, lost.reason))?;
                let usual = match &said {
                    Said::Error(error) => Some(resp::meaning_of(error)),
                    Said::Nil if !asked.is_change() => Some(Means::Absent),
                    _ => None,
                };
                understood(
                    &said.reply(),
                    usual,
                    Some(said),
                    request,
                    &self.meanings,
                    asked,
                    at,
                    &scope,
                )
            }
            Client::Command(client) => {
                let request = request(client, asked.offer)?;
                let reply = self.programs.run(&request.run.fill(&scope), time).await;
                let reply = reply.map_err(|failed| match failed.has_begun {
                    true => unreachable(true, failed.reason),
                    false => refused(Next::GiveUp, failed.reason),
                })?;
                let usual = (reply.status != 0).then_some(Means::Unknown);
                understood(&reply, usual, None, request, &self.meanings, asked, at, &scope)
            }
            Client::Etcd(_) => Err(refused(Next::GiveUp, "etcd has its own client")),
        }
    }
}

impl crate::Client for ForeignClient {
    fn ask(
        &mut self,
        node: u32,
        request: Request,
        deadline: Duration,
    ) -> Pending<'_, Result<Answer, Setback>> {
        Box::pin(self.asked(node, request, deadline))
    }
}

/// A connection that is made when it is first used.
fn lazy(address: SocketAddr) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .expect("a socket address makes a valid URI")
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true);
    endpoint.connect_lazy()
}

fn request(client: &RunClient, offer: Offer) -> Result<&RunRequest, Setback> {
    let request = match offer {
        Offer::Read => Some(&client.read),
        Offer::Stale => client.stale.as_ref(),
        Offer::Write => Some(&client.write),
        Offer::Cas => client.cas.as_ref(),
        Offer::Append => client.append.as_ref(),
        Offer::Delete => client.delete.as_ref(),
    };
    request.ok_or_else(|| refused(Next::GiveUp, format!("there is no `{}`", offer.name())))
}

/// What a text that came back says of a request. `usual`: what it means where the description says nothing.
#[expect(
    clippy::too_many_arguments,
    reason = "what was asked, whom, what came back, and three readers of that"
)]
fn understood(
    reply: &Reply,
    usual: Option<Means>,
    said: Option<Said>,
    request: &RunRequest,
    meanings: &Meanings,
    asked: &Asked,
    at: At<'_>,
    scope: &Scope<'_>,
) -> Result<Answer, Setback> {
    let answered =
        || format!("{} was answered {} {}", asked.offer.name(), reply.status, reply.shown());
    let unclear =
        |says: String| Setback::unreachable(asked.is_change(), format!("{}: {says}", answered()));
    if !asked.is_change() && says_absent(request.absent.as_ref(), reply, scope).map_err(unclear)? {
        return Ok(at.value(None));
    }
    if let Some(means) = meanings.find(reply).or(usual) {
        return at.conclude(means, asked, answered());
    }
    if let Some(Condition::Rule(ok)) = &request.ok
        && !holds(ok, reply, scope).map_err(unclear)?
    {
        return Err(unclear("this is not what `ok` says".into()));
    }
    match asked.offer {
        Offer::Read | Offer::Stale => {
            let text = match &request.value {
                None => reply.trimmed().to_owned(),
                Some(pattern) => {
                    let regex = pattern.compile(scope).map_err(unclear)?;
                    let captures = regex.captures(&reply.text);
                    let captures =
                        captures.ok_or_else(|| unclear("`value` is not found in it".into()))?;
                    let group = captures.get(1).or_else(|| captures.get(0));
                    group.map(|group| group.as_str().to_owned()).unwrap_or_default()
                }
            };
            let absent = absent_text(request.absent.as_ref(), scope);
            if text.is_empty() && absent.is_none() {
                return Err(unclear(
                    "write absent = \"\" if that means that the key is absent".into(),
                ));
            }
            Ok(at.value(Some(text).filter(|text| Some(text) != absent.as_ref())))
        }
        Offer::Cas => match swapped(request, reply, said.as_ref(), scope).map_err(unclear)? {
            Some(true) => Ok(at.answer(Answered::Written)),
            Some(false) => at.mismatch(None),
            None => {
                Err(unclear("nothing says whether it changed the value: write `swapped`".into()))
            }
        },
        Offer::Write | Offer::Append | Offer::Delete => Ok(at.answer(Answered::Written)),
    }
}

/// Whether a cas changed the value; in the Redis protocol a 1 says so, and a 0 or nothing that it did not.
fn swapped(
    request: &RunRequest,
    reply: &Reply,
    said: Option<&Said>,
    scope: &Scope<'_>,
) -> Result<Option<bool>, String> {
    match &request.swapped {
        Some(Condition::Rule(rule)) => holds(rule, reply, scope).map(Some),
        Some(Condition::Word(text)) => {
            let pattern = Pattern::of(text.clone()).compile(scope)?;
            Ok(Some(pattern.is_match(&reply.text)))
        }
        None => Ok(match said {
            Some(Said::Number(1)) => Some(true),
            Some(Said::Text(text)) if text == "OK" => Some(true),
            Some(Said::Number(0) | Said::Nil) => Some(false),
            _ => None,
        }),
    }
}

#[cfg(test)]
mod tests;
