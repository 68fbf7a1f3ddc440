//! HTTP/1.1 to one node: requests that a description writes, over one connection that is kept.
//!
//! A connection that was closed while nobody looked (a node that was paused does that when it wakes) is opened again
//! before anything is concluded: only a request that may have been read by the node counts as sent.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, timeout_at};

use super::connected::connected;
use super::json;
use super::meaning::{Asked, At, Meanings, Reply, absent_text, holds, refused, says_absent};
use crate::description::{Condition, HttpClient, HttpRequest, Means, Offer, Reading, Text};
use crate::template::{Escape, Scope};
use crate::{Answer, Answered, Next, Setback};

/// Largest answer: values of a workload are small, and lists of all that was appended stay below this.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// A request that is ready to be sent.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// The method.
    pub(super) method: &'static str,
    /// Path and query.
    pub(super) path: String,
    /// Headers.
    pub(super) headers: Vec<(String, String)>,
    /// The body.
    pub(super) body: String,
}

impl Call {
    /// Written by a description, its places filled in.
    pub(super) fn of(
        (method, path): (&'static str, &Text),
        body: Option<&Text>,
        headers: [&BTreeMap<String, Text>; 2],
        scope: &Scope<'_>,
    ) -> Self {
        let filled = |(name, value): (&String, &Text)| {
            (name.to_lowercase(), value.fill(scope, Escape::Plain))
        };
        Self {
            method,
            path: path.fill(scope, Escape::Url),
            headers: headers.into_iter().flatten().map(filled).collect(),
            body: body.map(|body| body.fill(scope, Escape::Plain)).unwrap_or_default(),
        }
    }

    fn request(&self, address: SocketAddr) -> Result<Request<Full<Bytes>>, String> {
        let method: Method = self.method.parse().map_err(|_| "no such method".to_owned())?;
        let mut request = Request::builder().method(method).uri(&self.path);
        let is_said = |name: &str| self.headers.iter().any(|(own, _)| own == name);
        if !is_said("host") {
            request = request.header(header::HOST, address.to_string());
        }
        if !is_said("content-type") && self.body.starts_with(['{', '[']) {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(Bytes::from(self.body.clone())));
        request.map_err(|error| format!("this request cannot be written: {error}"))
    }

    /// `PUT /kv/k`
    pub(super) fn words(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// Why nothing came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lost {
    /// Whether the node may have read the request.
    pub(super) is_sent: bool,
    /// In words.
    pub(super) reason: String,
}

/// One connection to one node, made when it is first used.
#[derive(Debug)]
pub(super) struct Connection {
    address: SocketAddr,
    open: Option<SendRequest<Full<Bytes>>>,
}

impl Connection {
    /// To this address.
    pub(super) fn to(address: SocketAddr) -> Self {
        Self { address, open: None }
    }

    /// Whether its kept connection is seen to be closed.
    #[cfg(test)]
    pub(super) fn is_closed(&self) -> bool {
        self.open.as_ref().is_some_and(SendRequest::is_closed)
    }

    /// Sends a request and waits for its answer.
    pub(super) async fn exchange(&mut self, call: &Call, time: Duration) -> Result<Reply, Lost> {
        let mut is_sent = false;
        let until = Instant::now() + time;
        let result = timeout_at(until, self.attempt(call, &mut is_sent, until)).await;
        result.unwrap_or_else(|_| {
            let reason = format!("{}: no answer within {} ms", call.words(), time.as_millis());
            Err(Lost { is_sent, reason })
        })
    }

    async fn attempt(
        &mut self,
        call: &Call,
        is_sent: &mut bool,
        until: Instant,
    ) -> Result<Reply, Lost> {
        // It is put back when the answer was read to its end: what is cut short leaves no connection behind.
        let kept = self.open.take();
        let unsent =
            |reason: String| Lost { is_sent: false, reason: format!("{}: {reason}", call.words()) };
        let mut request = call.request(self.address).map_err(unsent)?;
        if let Some(mut sender) = kept
            && sender.ready().await.is_ok()
        {
            *is_sent = true;
            match sender.try_send_request(request).await {
                Ok(response) => return self.read(sender, response, call).await,
                Err(mut error) => match error.take_message() {
                    Some(unread) => request = unread,
                    None if call.method == "GET" => {
                        request = call.request(self.address).map_err(unsent)?
                    }
                    None => {
                        let reason = format!("{}: {}", call.words(), error.into_error());
                        return Err(Lost { is_sent: true, reason });
                    }
                },
            }
            *is_sent = false;
        }
        let mut sender = self.connect(until).await.map_err(unsent)?;
        *is_sent = true;
        match sender.try_send_request(request).await {
            Ok(response) => self.read(sender, response, call).await,
            Err(mut error) => {
                let is_sent = error.take_message().is_none();
                Err(Lost { is_sent, reason: format!("{}: {}", call.words(), error.into_error()) })
            }
        }
    }

    async fn connect(&self, until: Instant) -> Result<SendRequest<Full<Bytes>>, String> {
        let stream = connected(self.address, until).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| format!("connect to {}: {error}", self.address))?;
        // Its errors reach the request that waits.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }

    async fn read(
        &mut self,
        sender: SendRequest<Full<Bytes>>,
        response: Response<Incoming>,
        call: &Call,
    ) -> Result<Reply, Lost> {
        let status = i64::from(response.status().as_u16());
        let location = response.headers().get(header::LOCATION);
        let location = location.and_then(|it| it.to_str().ok()).unwrap_or_default().to_owned();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| Lost {
            is_sent: true,
            reason: format!("{}: {status}, and then {error}", call.words()),
        })?;
        self.open = Some(sender);
        let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        Ok(Reply::new(status, if text.is_empty() { location } else { text }))
    }
}

/// What an HTTP status means where the description says nothing else; `None`: it was done.
fn meaning_of(status: i64) -> Option<Means> {
    match status {
        200..=299 => None,
        300..=399 | 421 => Some(Means::NotLeader),
        // The node gave up waiting for something: perhaps for its peers.
        408 | 499 => Some(Means::Unknown),
        400..=498 => Some(Means::Refused),
        _ => Some(Means::Unknown),
    }
}

/// Asks a node by a description's request.
pub(super) async fn ask(
    connection: &mut Connection,
    client: &HttpClient,
    meanings: &Meanings,
    asked: &Asked,
    at: At<'_>,
    scope: &Scope<'_>,
    time: Duration,
) -> Result<Answer, Setback> {
    let request = match asked.offer {
        Offer::Read => Some(&client.read),
        Offer::Stale => client.stale.as_ref(),
        Offer::Write => Some(&client.write),
        Offer::Cas => client.cas.as_ref(),
        Offer::Append => client.append.as_ref(),
        Offer::Delete => client.delete.as_ref(),
    };
    let target = request.and_then(|request| Some((request, request.targets().next()?)));
    let Some((request, target)) = target else {
        let says = format!("[client.http] has no `{}`", asked.offer.name());
        return Err(refused(Next::GiveUp, says));
    };
    let call = Call::of(target, request.body.as_ref(), [&client.headers, &request.headers], scope);
    let reply = connection
        .exchange(&call, time)
        .await
        .map_err(|lost| Setback::unreachable(lost.is_sent && asked.is_change(), lost.reason))?;
    understood(&reply, request, &call, meanings, asked, at, scope)
}

/// What a reply says of a request.
fn understood(
    reply: &Reply,
    request: &HttpRequest,
    call: &Call,
    meanings: &Meanings,
    asked: &Asked,
    at: At<'_>,
    scope: &Scope<'_>,
) -> Result<Answer, Setback> {
    let answered = || format!("{} was answered {} {}", call.words(), reply.status, reply.shown());
    let unclear =
        |says: String| Setback::unreachable(asked.is_change(), format!("{}: {says}", answered()));
    if !asked.is_change() && says_absent(request.absent.as_ref(), reply, scope).map_err(unclear)? {
        return Ok(at.value(None));
    }
    let means = meanings.find(reply);
    // Rules for statuses may be all that tells of success.
    let by_status = match (&request.ok, &request.swapped) {
        (Some(Condition::Rule(rule)), _) | (None, Some(Condition::Rule(rule)))
            if rule.status.is_some() =>
        {
            None
        }
        _ => meaning_of(reply.status),
    };
    if let Some(means) = means.or(by_status) {
        return match at.conclude(means, asked, answered()) {
            Err(Setback { next: Next::Later, is_indefinite, reason })
                if is_hopeless(reply.status) =>
            {
                Err(Setback { next: Next::GiveUp, is_indefinite, reason })
            }
            other => other,
        };
    }
    if let Some(Condition::Rule(ok)) = &request.ok
        && !holds(ok, reply, scope).map_err(unclear)?
    {
        return Err(unclear("this is not what `ok` says".into()));
    }
    match asked.offer {
        Offer::Read | Offer::Stale => {
            let value = value(request, reply, scope).map_err(unclear)?;
            let absent = absent_text(request.absent.as_ref(), scope);
            Ok(at.value(value.filter(|value| Some(value) != absent.as_ref())))
        }
        Offer::Cas => match swapped(request, reply, scope).map_err(unclear)? {
            true => Ok(at.answer(Answered::Written)),
            false => {
                at.mismatch(request.value.as_ref().and_then(|_| value(request, reply, scope).ok()?))
            }
        },
        Offer::Write | Offer::Append | Offer::Delete => Ok(at.answer(Answered::Written)),
    }
}

/// Statuses that another try will have again.
fn is_hopeless(status: i64) -> bool {
    matches!(status, 400 | 401 | 403 | 404 | 405 | 406 | 411 | 413 | 414 | 415 | 422 | 426 | 501)
}

fn swapped(request: &HttpRequest, reply: &Reply, scope: &Scope<'_>) -> Result<bool, String> {
    match &request.swapped {
        // The description tells a miss by `[[errors]]`.
        None => Ok(true),
        Some(Condition::Rule(rule)) => holds(rule, reply, scope),
        Some(Condition::Word(pointer)) => {
            let pointer = pointer.fill(scope, Escape::Pointer);
            let found = json::find(reply.json()?, &pointer)?;
            found.map(json::is_true).ok_or_else(|| format!("nothing stands at {pointer}"))
        }
    }
}

/// The value of an answer; `None`: absent.
fn value(
    request: &HttpRequest,
    reply: &Reply,
    scope: &Scope<'_>,
) -> Result<Option<String>, String> {
    let whole =
        |text: &str| match text.is_empty() && !matches!(request.absent, Some(Condition::Word(_))) {
            true => {
                Err("nothing is in it: write absent = \"\" if that means that the key is absent"
                    .to_owned())
            }
            false => Ok(Some(text.to_owned())),
        };
    let Some(Reading { pointer, is_base64, .. }) = &request.value else {
        return whole(reply.trimmed());
    };
    let found = match pointer {
        None => whole(reply.trimmed())?,
        Some(pointer) => {
            let pointer = pointer.fill(scope, Escape::Pointer);
            match json::find(reply.json()?, &pointer)? {
                Some(found) => json::text(found),
                None if request.absent.is_none() => None,
                None => return Err(format!("nothing stands at {pointer}")),
            }
        }
    };
    let Some(text) = found else { return Ok(None) };
    if !is_base64 {
        return Ok(Some(text));
    }
    let bytes = STANDARD.decode(text.trim()).map_err(|_| "the value is not base64".to_owned())?;
    String::from_utf8(bytes).map(Some).map_err(|_| "the value is not text".to_owned())
}
