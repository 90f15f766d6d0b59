//! The shell that the controller and the coordinators share: decide on the proposed state, write
//! what one mailbox drain decided in one append, answer when it is committed.
//!
//! ```text
//! command --decide--> records + reply --stage--> proposed state          (in one message handler)
//! mailbox drained     --take_batch--> one append to the log              (replies stay here)
//! log                 --appended(ticket, offset)--> where the batch lies
//! log                 --committed(offset)--> replies go out, records to the committed state
//! ```
//!
//! - [`Ledger`] keeps what was decided and not committed: records and replies, in order.
//! - [`Shell`] adds the proposed state. A decision sees everything decided before it, committed or
//!   not, so a reply, even one without records, waits for all decisions before it.
//! - Reads from outside see committed state only: apply [`Released::records`] to a second copy, or
//!   read the image that the log's own state machine publishes.
//!
//! A failed append, or one whose outcome is not known, makes the proposed state worthless. Drop the
//! shell: the replies are dropped with it, which tells each caller "perhaps", and rebuild the state
//! from the log. Nothing here knows an actor, a clock or the log.

use std::collections::VecDeque;
use std::fmt;

/// A state that follows from its records.
pub trait ReplicatedState {
    /// One change, as it is written to the log.
    type Record;

    /// Applies a change. Total and deterministic: replicas and restarts come to the same state.
    fn apply(&mut self, record: &Self::Record);
}

/// Names a batch between [`Ledger::take_batch`] and [`Ledger::appended`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

/// What goes to the log as one append.
#[derive(Debug, PartialEq, Eq)]
pub struct Batch<R> {
    /// Names the batch.
    pub ticket: Ticket,
    /// Its records, at least one.
    pub records: Vec<R>,
}

/// What became committed.
#[derive(Debug, PartialEq, Eq)]
pub struct Released<R, P> {
    /// The records, in log order.
    pub records: Vec<R>,
    /// The replies to send, in the order of the decisions.
    pub replies: Vec<P>,
}

impl<R, P> Default for Released<R, P> {
    fn default() -> Self {
        Self {
            records: Vec::new(),
            replies: Vec::new(),
        }
    }
}

/// A batch on its way, with the replies decided with it.
struct InFlight<R, P> {
    ticket: Ticket,
    last_offset: Option<u64>,
    records: Vec<R>,
    replies: Vec<P>,
}

/// What was decided and is not committed yet. `R` is a record, `P` a reply with its port.
pub struct Ledger<R, P> {
    staged: Vec<R>,
    staged_replies: Vec<P>,
    in_flight: VecDeque<InFlight<R, P>>,
    next_ticket: u64,
}

impl<R, P> Default for Ledger<R, P> {
    fn default() -> Self {
        Self {
            staged: Vec::new(),
            staged_replies: Vec::new(),
            in_flight: VecDeque::new(),
            next_ticket: 0,
        }
    }
}

impl<R: Clone, P> Ledger<R, P> {
    /// Takes a decision's records and its reply. Gives the reply back if it need not wait: the
    /// decision wrote nothing, and all before it is committed.
    #[must_use = "a reply that comes back is to be sent now"]
    pub fn stage(&mut self, records: Vec<R>, reply: P) -> Option<P> {
        if records.is_empty() && self.is_idle() {
            return Some(reply);
        }
        self.staged.extend(records);
        match self.in_flight.back_mut() {
            // Nothing of its own to write: it waits for what was decided before it.
            Some(last) if self.staged.is_empty() => last.replies.push(reply),
            _ => self.staged_replies.push(reply),
        }
        None
    }

    /// Everything decided since the last batch, or `None` if that wrote nothing.
    pub fn take_batch(&mut self) -> Option<Batch<R>> {
        if self.staged.is_empty() {
            return None;
        }
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        let records = std::mem::take(&mut self.staged);
        let replies = std::mem::take(&mut self.staged_replies);
        let kept = records.clone();
        self.in_flight.push_back(InFlight {
            ticket,
            last_offset: None,
            records: kept,
            replies,
        });
        Some(Batch { ticket, records })
    }

    /// Says where the last record of a batch lies in the log.
    pub fn appended(&mut self, ticket: Ticket, last_offset: u64) {
        if let Some(batch) = self
            .in_flight
            .iter_mut()
            .find(|batch| batch.ticket == ticket)
        {
            batch.last_offset = Some(last_offset);
        }
    }

    /// Releases what is committed now: `offset` is the last committed one, inclusive. A batch that
    /// was not reported by [`Ledger::appended`] holds back all behind it.
    pub fn committed(&mut self, offset: u64) -> Released<R, P> {
        let mut released = Released::default();
        let is_committed =
            |batch: &mut InFlight<R, P>| batch.last_offset.is_some_and(|last| last <= offset);
        while let Some(batch) = self.in_flight.pop_front_if(is_committed) {
            released.records.extend(batch.records);
            released.replies.extend(batch.replies);
        }
        released
    }

    /// Whether everything decided is committed.
    pub fn is_idle(&self) -> bool {
        self.staged.is_empty() && self.staged_replies.is_empty() && self.in_flight.is_empty()
    }

    /// Whether something waits for [`Ledger::take_batch`].
    pub fn has_staged(&self) -> bool {
        !self.staged.is_empty()
    }

    /// How many batches are on their way.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// How many replies wait.
    pub fn waiting(&self) -> usize {
        self.staged_replies.len()
            + self
                .in_flight
                .iter()
                .map(|b| b.replies.len())
                .sum::<usize>()
    }

    /// Ends the ledger and gives the replies back, for a caller who can say more than "perhaps".
    pub fn into_replies(self) -> Vec<P> {
        let waiting = self.in_flight.into_iter().flat_map(|batch| batch.replies);
        waiting.chain(self.staged_replies).collect()
    }
}

impl<R, P> fmt::Debug for Ledger<R, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger")
            .field("staged", &self.staged.len())
            .field("in_flight", &self.in_flight.len())
            .finish_non_exhaustive()
    }
}

/// A [`Ledger`] and the state as it will be once everything in it is committed.
pub struct Shell<S: ReplicatedState, P> {
    proposed: S,
    ledger: Ledger<S::Record, P>,
}

impl<S: ReplicatedState, P> Shell<S, P>
where
    S::Record: Clone,
{
    /// A shell around a state in which everything is committed.
    pub fn new(committed: S) -> Self {
        Self {
            proposed: committed,
            ledger: Ledger::default(),
        }
    }

    /// The state that decisions see.
    pub fn state(&self) -> &S {
        &self.proposed
    }

    /// Applies a decision's records to the proposed state and keeps its reply; see
    /// [`Ledger::stage`].
    #[must_use = "a reply that comes back is to be sent now"]
    pub fn stage(&mut self, records: Vec<S::Record>, reply: P) -> Option<P> {
        for record in &records {
            self.proposed.apply(record);
        }
        self.ledger.stage(records, reply)
    }

    /// What is decided and not committed yet.
    pub fn ledger(&self) -> &Ledger<S::Record, P> {
        &self.ledger
    }

    /// See [`Ledger::take_batch`].
    pub fn take_batch(&mut self) -> Option<Batch<S::Record>> {
        self.ledger.take_batch()
    }

    /// See [`Ledger::appended`].
    pub fn appended(&mut self, ticket: Ticket, last_offset: u64) {
        self.ledger.appended(ticket, last_offset);
    }

    /// See [`Ledger::committed`].
    pub fn committed(&mut self, offset: u64) -> Released<S::Record, P> {
        self.ledger.committed(offset)
    }

    /// See [`Ledger::into_replies`].
    pub fn into_replies(self) -> Vec<P> {
        self.ledger.into_replies()
    }
}

impl<S: ReplicatedState, P> fmt::Debug for Shell<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shell")
            .field("ledger", &self.ledger)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
