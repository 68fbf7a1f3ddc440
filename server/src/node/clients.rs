//! Those who wait for a node: commands in the log, reads without an index, and what they are told.

use whitewater_raft::{Index, MembershipChange, NodeId, Position, ReadOutcome, Refused};

use super::{Effects, Node, Pending, PendingRead};
use crate::answer::{Answer, Failure, FailureKind, Outcome};
use crate::command::Command;
use crate::kv::{Effect, VALUE_BYTES_MAX};
use crate::machine::Reply;

impl<E: Effects> Node<E> {
    /// How many commands and reads wait.
    pub fn waiting(&self) -> usize {
        self.pending.len() + self.reads.len()
    }

    /// A client's command arrived.
    pub fn write(&mut self, command: Command, client: E::Client) {
        if self.pending.len() >= self.waiting_max {
            return self.fail(client, overloaded());
        }
        let command = match self.intake.admit(command, &self.machine) {
            Ok(command) => command,
            Err(reply) => return self.reply(client, Outcome::Reply(reply), 0),
        };
        let payload = command.encode();
        let (bytes, raft) = (payload.len() as u64, &self.raft);
        let leads = raft.leader() == Some(self.id);
        if leads && !self.uncommitted.admits(bytes, |index| raft.term_at(index)) {
            return self.fail(client, uncommitted());
        }
        let position = match self.raft.propose(payload) {
            Ok(position) => position,
            Err(refused) => return self.refuse(client, refused),
        };
        self.uncommitted.proposed(position, bytes);
        if self.raft.acknowledges(position.index) {
            // Only a success is acknowledged early. Any other answer depends on what is applied before
            // it, and would turn one mutant into several.
            let preview = self.machine.preview(&command, position.index);
            if matches!(preview, Reply::Effect(Effect::Written { .. })) {
                return self.reply(client, Outcome::Reply(preview), position.index);
            }
        }
        self.wait(position, client);
    }

    /// A client's read arrived.
    pub fn read(&mut self, key: String, leader_only: bool, client: E::Client) {
        if self.reads.len() >= self.waiting_max {
            return self.fail(client, overloaded());
        }
        let leader = self.raft.leader();
        if leader_only && leader != Some(self.id) {
            return self.refuse(client, Refused::NotLeader(leader));
        }
        self.next_read += 1;
        self.reads.insert(self.next_read, PendingRead { key, client });
        self.raft.read(self.next_read);
    }

    /// An operator wants other members. The new one's address goes through the log before it, so that
    /// every later leader knows how to reach it. That of a change that is refused does not: it could be
    /// of a member that is well, and wrong.
    pub fn change_membership(
        &mut self,
        change: MembershipChange,
        address: Option<String>,
        client: E::Client,
    ) {
        if let Err(refused) = self.raft.membership_after(change) {
            return self.refuse(client, refused);
        }
        if let (MembershipChange::AddLearner(node), Some(address)) = (change, address) {
            let command = Command::Address { node, address };
            if let Err(refused) = self.raft.propose(command.encode()) {
                return self.refuse(client, refused);
            }
        }
        match self.raft.change_membership(change) {
            Ok(position) => self.wait(position, client),
            Err(refused) => self.refuse(client, refused),
        }
    }

    /// An operator wants another leader. The answer says that the hand-over has begun.
    pub fn transfer_leadership(&mut self, target: Option<NodeId>, client: E::Client) {
        match self.raft.transfer_leadership(target) {
            Ok(_) => self.reply(client, Outcome::Changed, 0),
            Err(refused) => self.refuse(client, refused),
        }
    }

    /// Asks a peer to take over. False: there is nothing to hand over, or nobody to take it.
    pub fn hand_over(&mut self) -> bool {
        self.raft.transfer_leadership(None).is_ok()
    }

    /// The node stops: everyone who waits is told what is known.
    pub fn stop(&mut self) {
        for (_, pending) in std::mem::take(&mut self.pending) {
            let text = "the node stops: the command is in its log and may still commit";
            self.fail(pending.client, Failure::indefinite(FailureKind::Stopping, text));
        }
        for (_, read) in std::mem::take(&mut self.reads) {
            self.fail(read.client, Failure::definite(FailureKind::Stopping, "the node stops"));
        }
    }

    pub(super) fn answer_reads(&mut self, outcomes: Vec<ReadOutcome>) {
        for outcome in outcomes {
            let Some(read) = self.reads.remove(&outcome.context) else { continue };
            match outcome.index {
                Some(index) => {
                    let value = self.machine.get(&read.key).cloned();
                    self.reply(
                        read.client,
                        Outcome::Value(value),
                        index.max(self.machine.applied()),
                    );
                }
                None => self.refuse(read.client, Refused::NotLeader(self.raft.leader())),
            }
        }
    }

    fn wait(&mut self, position: Position, client: E::Client) {
        let displaced =
            self.pending.insert(position.index, Pending { term: position.term, client });
        if let Some(displaced) = displaced {
            // A leader that lost an entry here and leads again. Other nodes may still hold the old entry,
            // and one of them may win and commit it (Figure 8). Only an entry that is committed here
            // says that the old one never will be: `apply` knows that, and this does not.
            let text =
                "this command's place in the log was given to another one: it may still commit";
            self.fail(displaced.client, Failure::indefinite(FailureKind::TimedOut, text));
        }
    }

    pub(super) fn reply(&mut self, client: E::Client, outcome: Outcome, index: Index) {
        let outcome = match outcome {
            Outcome::Reply(Reply::UnknownSession) => {
                let text = "no such session here, or it has expired: open a new one";
                Outcome::Failure(Failure::definite(FailureKind::UnknownSession, text))
            }
            Outcome::Reply(Reply::StaleSequence) => {
                let text = "the session has gone past this sequence number";
                Outcome::Failure(Failure::definite(FailureKind::StaleSequence, text))
            }
            Outcome::Reply(Reply::Effect(Effect::TooLong { bytes })) => {
                let text = format!(
                    "the append would make the value {bytes} bytes long, and the longest is \
                     {VALUE_BYTES_MAX} (4 MiB): nothing was changed; put a shorter value first, or \
                     append to another key"
                );
                Outcome::Failure(Failure::definite(FailureKind::Invalid, text))
            }
            Outcome::Reply(Reply::Unreadable(text)) => {
                Outcome::Failure(Failure::definite(FailureKind::Invalid, text))
            }
            other => other,
        };
        let term = self.term;
        self.effects.answer(client, Answer { outcome, term, index });
    }

    fn refuse(&mut self, client: E::Client, refused: Refused) {
        let failure = match refused {
            Refused::NotLeader(Some(leader)) if leader == self.id => Failure::definite(
                FailureKind::NoLeader,
                "leadership is being won or lost: try again",
            ),
            Refused::NotLeader(Some(leader)) => {
                let text = format!("node {leader} leads");
                let failure = Failure::definite(FailureKind::NotLeader, text);
                Failure { leader: Some(leader), ..failure }
            }
            Refused::NotLeader(None) => {
                Failure::definite(FailureKind::NoLeader, "no leader is known: try again")
            }
            Refused::Transferring => Failure::definite(
                FailureKind::NoLeader,
                "leadership is being handed over: try again",
            ),
            Refused::Membership => Failure::definite(
                FailureKind::Invalid,
                "another membership change is under way, or this one changes nothing",
            ),
        };
        self.fail(client, failure);
    }

    pub(super) fn fail(&mut self, client: E::Client, failure: Failure) {
        self.reply(client, Outcome::Failure(failure), 0);
    }
}

fn uncommitted() -> Failure {
    let text = "too many bytes of commands wait in this leader's log for a quorum: try again later";
    Failure::definite(FailureKind::Overloaded, text)
}

fn overloaded() -> Failure {
    Failure::definite(FailureKind::Overloaded, "too many requests are waiting on this node")
}
