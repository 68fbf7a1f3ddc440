//! Requests of a trial, repeated as long as they have to be.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep};
use whitewater_server::clock::monotonic_ns;
use whitewater_target::{Answer, Answered, Change, Next, Request, Setback};

use super::taken::Came;
use super::{AGAIN, Bench, REQUEST};
use crate::nemesis::ProcessState;

/// How long a signal may take until its effect is seen.
const SIGNAL: Duration = Duration::from_secs(5);
/// Times the usual duration of an election: what takes longer does not come any more.
const ELECTIONS_MAX: u32 = 10;

impl Bench<'_> {
    pub(super) fn fresh_key(&mut self) -> String {
        self.keys += 1;
        format!("try-{}", self.keys)
    }

    pub(super) fn leader(&self) -> Option<u32> {
        self.stage.observer.view().leader(monotonic_ns()).map(|(leader, _)| leader)
    }

    pub(super) fn term(&self) -> Option<u64> {
        let view = self.stage.observer.view();
        view.fresh(monotonic_ns()).map(|(_, status)| status.term).max()
    }

    pub(super) async fn write(&mut self, node: u32, key: &str, value: &str) -> Came {
        self.change(node, key, Change::Put(Bytes::copy_from_slice(value.as_bytes()))).await
    }

    pub(super) async fn change(&mut self, node: u32, key: &str, change: Change) -> Came {
        if self.session.is_none() {
            let opened = self.client.ask(node, Request::OpenSession, REQUEST).await?;
            if let Answered::Opened(session) = opened.result {
                self.session = Some((session, 0));
            }
        }
        let Some((session, sequence)) = &mut self.session else {
            return Err(Setback::unreachable(false, "no session was opened"));
        };
        *sequence += 1;
        let command = (*session, *sequence);
        let came = self
            .client
            .ask(node, Request::Write { key: key.to_owned(), change, command }, REQUEST)
            .await;
        if came.is_err() {
            self.session = None;
        }
        came
    }

    pub(super) async fn write_anywhere(&mut self, key: &str, value: &str) -> bool {
        let change = Change::Put(Bytes::copy_from_slice(value.as_bytes()));
        self.change_anywhere(key, change).await.is_ok()
    }

    /// Asks one node after the other until one answers.
    pub(super) async fn change_anywhere(&mut self, key: &str, change: Change) -> Came {
        let end = Instant::now() + self.patience();
        loop {
            let mut last = Err(Setback::unreachable(false, "there is no node"));
            for node in self.in_turn() {
                last = self.change(node, key, change.clone()).await;
                let is_answered = match &last {
                    Ok(_) => true,
                    // Sent again, it could find its own work.
                    Err(setback) => setback.is_indefinite && matches!(change, Change::Cas { .. }),
                };
                if is_answered {
                    return last;
                }
            }
            if Instant::now() >= end {
                return last;
            }
            sleep(AGAIN).await;
        }
    }

    pub(super) async fn ask_until_answered(&mut self, request: Request) -> Came {
        let end = Instant::now() + self.patience();
        loop {
            let mut last = Err(Setback::unreachable(false, "there is no node"));
            for node in self.in_turn() {
                last = self.client.ask(node, request.clone(), REQUEST).await;
                if last.is_ok() {
                    return last;
                }
            }
            if Instant::now() >= end {
                return last;
            }
            sleep(AGAIN).await;
        }
    }

    /// Reads through a node until it shows this, or has had time enough to.
    pub(super) async fn read_until(&mut self, node: u32, key: &str, wanted: &str) -> Came {
        let end = Instant::now() + self.patience();
        loop {
            let read = Request::Get { key: key.to_owned(), leader_only: false };
            let came = self.client.ask(node, read, REQUEST).await;
            let is_it = match &came {
                Ok(Answer { result: Answered::Value(Some(value)), .. }) => {
                    value == wanted.as_bytes()
                }
                Err(Setback { next: Next::Leader { .. }, .. }) => true,
                _ => false,
            };
            if is_it || Instant::now() >= end {
                return came;
            }
            sleep(AGAIN).await;
        }
    }

    /// Waits until a write is acknowledged, and tells how long that took.
    pub(super) async fn serves_again(&mut self, when: &str) -> bool {
        let start = Instant::now();
        let key = self.fresh_key();
        let what = format!("a write {when}");
        let is_served = self.write_anywhere(&key, "1").await;
        let ms = start.elapsed().as_millis();
        match is_served {
            true => self.facts.good(what, format!("acknowledged after {ms} ms")),
            false => self.facts.wrong(
                what,
                format!("none acknowledged within {ms} ms"),
                "[times] election and restart, if the server needs longer; `join` and `prepare`, if a second start must differ from the \
                 first",
            ),
        }
        is_served
    }

    /// The leader first, where it is known.
    pub(super) fn in_turn(&self) -> Vec<u32> {
        let leader = self.leader();
        let mut nodes = self.nodes.clone();
        nodes.sort_by_key(|node| (Some(*node) != leader, *node));
        nodes
    }

    pub(super) fn patience(&self) -> Duration {
        let manner = &self.stage.profile.manner;
        (manner.election * ELECTIONS_MAX).max(manner.ready_within)
    }

    pub(super) async fn kill(&self, nodes: &[u32]) -> Result<(), String> {
        for node in nodes {
            self.stage.cluster.kill(*node)?;
        }
        for node in nodes {
            self.until(*node, |state| matches!(state, ProcessState::Down(_))).await?;
        }
        Ok(())
    }

    pub(super) async fn until(
        &self,
        node: u32,
        is_it: impl Fn(&ProcessState) -> bool,
    ) -> Result<(), String> {
        let end = Instant::now() + SIGNAL;
        while !is_it(&self.stage.cluster.process(node)) {
            if Instant::now() >= end {
                return Err(format!("n{node} did not heed a signal within {} s", SIGNAL.as_secs()));
            }
            sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }
}
