//! What nodes of a foreign server say of themselves, wherever they say it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use regex::Regex;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, SeekFrom};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::http::{Call, Connection};
use super::json;
use super::meaning::{Reply, holds};
use super::program::Programs;
use super::resp;
use crate::description::{
    Condition, Description, HttpStatus, LogStatus, Pattern, RunStatus, StatusSource, Text,
};
use crate::node::{NodeSetup, Place};
use crate::template::{Escape, List, Scope};
use crate::{NodeStatus, Pending, Probe};

/// More of a log than this is read in several looks.
const LOG_BYTES_PER_LOOK: u64 = 4 << 20;

/// Asks nodes as a description says.
pub(super) struct ForeignProbe {
    description: Arc<Description>,
    lists: Arc<BTreeMap<String, List>>,
    programs: Programs,
    nodes: BTreeMap<u32, Node>,
}

struct Node {
    places: Arc<BTreeMap<u32, Place>>,
    dir: String,
    log: PathBuf,
    way: Mutex<Way>,
}

/// What is kept from one look to the next.
enum Way {
    Http(Connection),
    Resp(resp::Connection),
    Log(LogSeen),
    Command,
}

/// What a node says, in its own words.
#[derive(Debug, Default)]
struct Told {
    term: Option<String>,
    leads: Option<bool>,
    leader: Option<String>,
    vote: Option<String>,
    commit: Option<String>,
}

impl ForeignProbe {
    /// Of these nodes; `None`: the description names no source.
    pub(super) fn of(
        description: &Arc<Description>,
        lists: &Arc<BTreeMap<String, List>>,
        programs: &Programs,
        nodes: &BTreeMap<u32, NodeSetup>,
    ) -> Option<Self> {
        let (_, source) = description.status.sources().next()?;
        let node = |(number, setup): (&u32, &NodeSetup)| {
            let port = match source {
                StatusSource::Http(http) => http.port.as_ref(),
                StatusSource::Resp(run) => run.port.as_ref(),
                _ => None,
            };
            let place = setup.place();
            let mut address = place.clients();
            if let Some(port) = port.and_then(|port| place.port(port.get_ref())) {
                address.set_port(port);
            }
            let way = match source {
                StatusSource::Http(_) => Way::Http(Connection::to(address)),
                StatusSource::Resp(_) => Way::Resp(resp::Connection::to(address)),
                StatusSource::Log(_) => Way::Log(LogSeen::default()),
                StatusSource::Command(_) => Way::Command,
            };
            let node = Node {
                places: setup.places.clone(),
                dir: setup.data_dir.display().to_string(),
                log: setup.log.clone(),
                way: Mutex::new(way),
            };
            (*number, node)
        };
        let nodes = nodes.iter().map(node).collect();
        let (description, lists) = (description.clone(), lists.clone());
        Some(Self { description, lists, programs: programs.clone(), nodes })
    }

    async fn look(&self, number: u32, time: Duration) -> Result<NodeStatus, String> {
        let node = self.nodes.get(&number).ok_or("no such node")?;
        let here = self.programs.here.display().to_string();
        let words = [("dir", node.dir.as_str()), ("here", here.as_str())];
        let scope = Scope { places: &node.places, node: number, lists: &self.lists, words: &words };
        let mut way = node.way.lock().await;
        let source = self.description.status.sources().next().map(|(_, source)| source);
        let told = match (source, &mut *way) {
            (Some(StatusSource::Http(http)), Way::Http(connection)) => {
                by_http(connection, http, &scope, time).await?
            }
            (Some(StatusSource::Resp(run)), Way::Resp(connection)) => {
                let said = connection.exchange(&run.run.fill(&scope), time).await;
                by_patterns(&said.map_err(|lost| lost.reason)?.reply(), run, &scope)?
            }
            (Some(StatusSource::Command(run)), _) => {
                let reply = self.programs.run(&run.run.fill(&scope), time).await;
                by_patterns(&reply.map_err(|failed| failed.reason)?, run, &scope)?
            }
            (Some(StatusSource::Log(log)), Way::Log(seen)) => {
                seen.look(node, number, log, &scope, time).await?
            }
            _ => return Err("no source".into()),
        };
        told.status(number, &node.places)
    }
}

impl Probe for ForeignProbe {
    fn status(&self, node: u32, deadline: Duration) -> Pending<'_, Result<NodeStatus, String>> {
        Box::pin(async move {
            // Waiting for an earlier look counts as well.
            let looked = timeout(deadline, self.look(node, deadline)).await;
            looked.unwrap_or_else(|_| Err(format!("no answer within {} ms", deadline.as_millis())))
        })
    }
}

async fn by_http(
    connection: &mut Connection,
    http: &HttpStatus,
    scope: &Scope<'_>,
    time: Duration,
) -> Result<Told, String> {
    let target = match (&http.get, &http.post) {
        (Some(path), _) => ("GET", path),
        (None, Some(path)) => ("POST", path),
        (None, None) => return Err("[status.http] has no path".into()),
    };
    let none = BTreeMap::new();
    let call = Call::of(target, http.body.as_ref(), [&http.headers, &none], scope);
    let reply = connection.exchange(&call, time).await.map_err(|lost| lost.reason)?;
    if !(200..300).contains(&reply.status) {
        return Err(format!("{} was answered {} {}", call.words(), reply.status, reply.shown()));
    }
    let root = reply.json()?;
    let at = |pointer: &Option<Text>| match pointer {
        None => Ok(None),
        Some(pointer) => json::find(root, &pointer.fill(scope, Escape::Pointer))
            .map(|found| found.and_then(json::text)),
    };
    let leads = match &http.leads {
        None => None,
        Some(Condition::Word(pointer)) => {
            let found = json::find(root, &pointer.fill(scope, Escape::Pointer))?;
            Some(found.is_some_and(json::is_true))
        }
        Some(Condition::Rule(rule)) => Some(holds(rule, &reply, scope)?),
    };
    Ok(Told {
        term: named(http.term.as_ref(), at(&http.term)?)?,
        leads,
        leader: at(&http.leader)?,
        vote: at(&http.vote)?,
        commit: at(&http.commit)?,
    })
}

/// What a pattern finds: the group of that name, else the first, else all.
fn found(
    pattern: &Pattern,
    name: &str,
    text: &str,
    scope: &Scope<'_>,
) -> Result<Option<String>, String> {
    let captures = pattern.compile(scope)?.captures(text).map(|captures| {
        let group = captures.name(name).or_else(|| captures.get(1)).or_else(|| captures.get(0));
        group.map(|group| group.as_str().to_owned()).unwrap_or_default()
    });
    Ok(captures)
}

fn by_patterns(reply: &Reply, run: &RunStatus, scope: &Scope<'_>) -> Result<Told, String> {
    if reply.status != 0 {
        return Err(format!("error {}: {}", reply.status, reply.shown()));
    }
    let at = |pattern: &Option<Pattern>, name: &str| match pattern {
        None => Ok(None),
        Some(pattern) => found(pattern, name, &reply.text, scope),
    };
    let leads = match &run.leads {
        None => None,
        Some(pattern) => Some(pattern.compile(scope)?.is_match(&reply.text)),
    };
    Ok(Told {
        term: named(run.term.as_ref(), at(&run.term, "term")?)?,
        leads,
        leader: at(&run.leader, "leader")?,
        vote: at(&run.vote, "vote")?,
        commit: at(&run.commit, "commit")?,
    })
}

/// A node that has not said yet in which term it is says nothing: it is not in term 0.
fn named<T>(wanted: Option<&T>, term: Option<String>) -> Result<Option<String>, String> {
    match term.is_none() && wanted.is_some() {
        true => Err("it names no term".into()),
        false => Ok(term),
    }
}

/// How far a log was read, and what its last lines said.
#[derive(Debug, Default)]
struct LogSeen {
    offset: u64,
    rest: Vec<u8>,
    /// The highest term that was named.
    term: u64,
    /// The term in which it said to lead, where nothing has ended that since.
    leads: Option<u64>,
}

impl LogSeen {
    /// A node that does not listen says nothing, and no longer leads.
    async fn look(
        &mut self,
        node: &Node,
        number: u32,
        log: &LogStatus,
        scope: &Scope<'_>,
        time: Duration,
    ) -> Result<Told, String> {
        let address = node.places.get(&number).ok_or("no such node")?.clients();
        self.read(node, log, scope).await?;
        match timeout(time, TcpStream::connect(address)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                self.leads = None;
                return Err(format!("connect to {address}: {error}"));
            }
            Err(_) => return Err(format!("connect to {address}: no answer")),
        }
        let term = (self.term > 0).then(|| self.term.to_string());
        Ok(Told { term, leads: Some(self.leads.is_some()), ..Told::default() })
    }

    async fn read(
        &mut self,
        node: &Node,
        log: &LogStatus,
        scope: &Scope<'_>,
    ) -> Result<(), String> {
        let named = |error: std::io::Error| format!("{}: {error}", node.log.display());
        let mut file = File::open(&node.log).await.map_err(named)?;
        file.seek(SeekFrom::Start(self.offset)).await.map_err(named)?;
        let mut bytes = Vec::new();
        let length = file.take(LOG_BYTES_PER_LOOK).read_to_end(&mut bytes).await.map_err(named)?;
        self.offset += u64::try_from(length).unwrap_or(0);
        self.rest.append(&mut bytes);
        let end = self.rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let lines: Vec<u8> = self.rest.drain(..end).collect();
        let compiled = |pattern: &Option<Pattern>| {
            pattern.as_ref().map(|pattern| pattern.compile(scope)).transpose()
        };
        let (leads, follows, term) =
            (compiled(&log.leads)?, compiled(&log.follows)?, compiled(&log.term)?);
        for line in String::from_utf8_lossy(&lines).lines() {
            self.note(line, leads.as_ref(), follows.as_ref(), term.as_ref());
        }
        Ok(())
    }

    fn note(
        &mut self,
        line: &str,
        leads: Option<&Regex>,
        follows: Option<&Regex>,
        term: Option<&Regex>,
    ) {
        let number = |text: Option<&str>| text.and_then(|text| text.parse::<u64>().ok());
        let captures = term.and_then(|term| term.captures(line));
        let named = captures
            .and_then(|it| number(it.name("term").or_else(|| it.get(1)).map(|it| it.as_str())));
        if let Some(term) = named {
            // In a newer term it has to say again that it leads.
            self.leads = self.leads.filter(|led| term <= *led);
            self.term = self.term.max(term);
        }
        if follows.is_some_and(|follows| follows.is_match(line)) {
            self.leads = None;
        }
        if let Some(captures) = leads.and_then(|leads| leads.captures(line)) {
            let own = number(captures.name("term").map(|it| it.as_str()));
            self.term = self.term.max(own.unwrap_or(0));
            self.leads = Some(own.unwrap_or(self.term)).filter(|term| *term == self.term);
        }
    }
}

impl Told {
    /// In the words that are recorded.
    fn status(self, node: u32, places: &BTreeMap<u32, Place>) -> Result<NodeStatus, String> {
        let number = |what: &str, text: Option<String>| match text {
            None => Ok(0),
            Some(text) => {
                let number = text.trim().parse::<u64>();
                number.map_err(|_| format!("its {what} is said to be “{text}”, which is no number"))
            }
        };
        let leader = self.leader.as_deref().and_then(|text| member(text, places));
        let leads = self.leads.unwrap_or(leader == Some(node));
        let vote = self.vote.as_deref().map(|text| {
            let is_own = text.trim().eq_ignore_ascii_case("self");
            if is_own { Some(node) } else { member(text, places) }
        });
        Ok(NodeStatus {
            node,
            role: if leads { "leader" } else { "follower" }.into(),
            term: number("term", self.term)?,
            voted_for: vote.flatten().unwrap_or(0).into(),
            leader: leader.or(leads.then_some(node)),
            commit: number("commit index", self.commit)?,
            ..NodeStatus::default()
        })
    }
}

/// The node that is meant by a number, a name, or an address of it.
fn member(text: &str, places: &BTreeMap<u32, Place>) -> Option<u32> {
    let text = text.trim();
    let number = text.strip_prefix('n').unwrap_or(text).parse().ok();
    let listens = |place: &Place| {
        place.ports.iter().any(|(_, port)| text.contains(&format!("{}:{port}", place.host)))
    };
    let named = number.filter(|number| places.contains_key(number));
    named.or_else(|| places.iter().find(|(_, place)| listens(place)).map(|(node, _)| *node))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> BTreeMap<u32, Place> {
        let place = |node: u32| {
            let host = format!("127.7.7.{node}").parse().unwrap();
            Place { host, ports: vec![("http".into(), 8000), ("raft".into(), 7000)] }
        };
        (1..=3).map(|node| (node, place(node))).collect()
    }

    #[test]
    fn a_member_is_known_by_its_number_its_name_or_an_address() {
        for text in ["2", "n2", "127.7.7.2:7000", "http://127.7.7.2:8000/", " 2\n"] {
            assert_eq!(member(text, &places()), Some(2), "{text}");
        }
        for text in ["", "9", "n9", "127.7.7.2", "127.7.7.2:9", "-1"] {
            assert_eq!(member(text, &places()), None, "{text}");
        }
    }

    #[test]
    fn who_follows_itself_leads_where_nothing_else_is_said() {
        let told = Told { term: Some("7".into()), leader: Some("n2".into()), ..Told::default() };
        assert!(told.status(2, &places()).unwrap().is_leader());
        let told = Told { leads: Some(true), ..Told::default() };
        assert_eq!(told.status(3, &places()).unwrap().leader, Some(3));
        let told = Told { term: Some("seven".into()), ..Told::default() };
        assert!(told.status(3, &places()).unwrap_err().contains("“seven”"));
    }

    #[test]
    fn a_node_that_names_no_term_yet_is_not_in_term_0() {
        assert_eq!(named(Some(&()), None), Err("it names no term".into()));
        assert_eq!(named(Some(&()), Some("0".into())), Ok(Some("0".into())));
        assert_eq!(named::<()>(None, None), Ok(None));
    }

    #[test]
    fn the_last_line_of_a_log_counts_and_a_newer_term_ends_a_lead() {
        let regex = |text: &str| Regex::new(text).unwrap();
        let (leads, follows) = (regex(r"leads in (?<term>\d+)"), regex("follows"));
        let term = regex(r"term=(\d+)");
        let mut seen = LogSeen::default();
        let mut after = |line: &str| {
            seen.note(line, Some(&leads), Some(&follows), Some(&term));
            (seen.term, seen.leads)
        };
        assert_eq!(after("term=3"), (3, None));
        assert_eq!(after("leads in 4"), (4, Some(4)));
        assert_eq!(after("noise"), (4, Some(4)));
        assert_eq!(after("term=5 is seen"), (5, None));
        assert_eq!(after("leads in 4"), (5, None), "an old line that comes late");
        assert_eq!(after("leads in 6"), (6, Some(6)));
        assert_eq!(after("follows n1"), (6, None));
    }
}
