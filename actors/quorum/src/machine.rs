//! What the log is for: the state machine that its entries are applied to.

use std::any::Any;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use odeon_kernel::Blocking;
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine};
use openraft::{EntryPayload, OptionalSend};
use tokio::sync::Notify;

use crate::snapshot::SnapshotStore;
use crate::types::{Entry, LogId, MembershipAt, Outcome, SnapshotMeta, Types};

type Snapshot = openraft::type_config::alias::SnapshotOf<Types, Bytes>;

/// Encodes a frozen state; runs on the blocking pool.
pub type SnapshotJob = Box<dyn FnOnce() -> Bytes + Send>;

/// The state that the quorum replicates. It sees the same entries in the same order on every
/// replica, and has to come to the same state from them: no clock, no randomness.
///
/// Calls come from the quorum's runtime, one at a time; none may block. A panic stops the replica
/// and shows in [`Quorum::failed`](crate::Quorum::failed) with its message: the way to refuse an
/// entry of an unknown kind.
pub trait StateMachine: Send + 'static {
    /// Takes the committed entry `index`, appended in `term`. Each index is seen once, ascending by
    /// one. `entry` is empty where the quorum itself wrote (a new leader's first entry, a change of
    /// the voters, a proposal that came too late): then only the position moves.
    fn apply(&mut self, index: u64, term: u64, entry: &[u8]);

    /// The whole state after the last applied entry.
    fn snapshot(&self) -> Bytes;

    /// A job that encodes the state as it is now. Override it where freezing the state is cheap
    /// and encoding it is not; as it stands, it encodes at once by [`StateMachine::snapshot`].
    fn snapshot_job(&self) -> SnapshotJob {
        let bytes = self.snapshot();
        Box::new(move || bytes)
    }

    /// Replaces the state by what [`StateMachine::snapshot`] gave after entry `index` of `term`.
    fn restore(&mut self, index: u64, term: u64, snapshot: &[u8]);
}

/// The state machine as the Raft library drives it.
pub(crate) struct Machine {
    /// Locked by nobody else: it makes the box shareable, as the library's trait asks.
    inner: Mutex<Box<dyn StateMachine>>,
    applied: Option<LogId>,
    membership: MembershipAt,
    snapshots: SnapshotStore,
    blocking: Blocking,
    snapshot_bytes: u64,
    bytes_since_snapshot: u64,
    /// Told when enough bytes were applied for a snapshot.
    wanted: Arc<Notify>,
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine")
            .field("applied", &self.applied)
            .finish_non_exhaustive()
    }
}

/// Runs foreign code; a panic becomes an error with its message.
fn guarded<T>(what: &str, work: impl FnOnce() -> T) -> io::Result<T> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let message = panic_message(panic.as_ref());
        io::Error::other(format!("the state machine refused {what}: {message}"))
    })
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message")
}

impl Machine {
    pub(crate) fn new(
        inner: Box<dyn StateMachine>,
        snapshots: SnapshotStore,
        blocking: Blocking,
        snapshot_bytes: u64,
        wanted: Arc<Notify>,
    ) -> Self {
        Self {
            inner: Mutex::new(inner),
            applied: None,
            membership: MembershipAt::default(),
            snapshots,
            blocking,
            snapshot_bytes,
            bytes_since_snapshot: 0,
            wanted,
        }
    }

    fn apply_one(&mut self, entry: Entry) -> io::Result<Outcome> {
        let id = entry.log_id;
        let (index, term) = (id.index, id.leader_id.term);
        let mut outcome = Outcome::Applied;
        let bytes = match entry.payload {
            EntryPayload::Blank => Bytes::new(),
            EntryPayload::Normal(proposal) if proposal.expected_term == term => proposal.entry,
            EntryPayload::Normal(_) => {
                outcome = Outcome::Stale;
                Bytes::new()
            }
            EntryPayload::Membership(membership) => {
                self.membership = MembershipAt::new(Some(id), membership);
                Bytes::new()
            }
        };
        let inner = self.inner.get_mut().unwrap_or_else(PoisonError::into_inner);
        guarded(&format!("entry {index}"), || {
            inner.apply(index, term, &bytes)
        })?;
        self.applied = Some(id);
        self.bytes_since_snapshot += bytes.len() as u64;
        Ok(outcome)
    }

    fn meta(&self) -> SnapshotMeta {
        SnapshotMeta {
            last_log_id: self.applied,
            last_membership: self.membership.clone(),
        }
    }
}

impl RaftStateMachine<Types> for Machine {
    type SnapshotData = Bytes;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, MembershipAt), io::Error> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<Types>, io::Error>> + Unpin + OptionalSend,
    {
        while let Some(item) = entries.next().await {
            let (entry, responder) = item?;
            let outcome = self.apply_one(entry)?;
            if let Some(responder) = responder {
                responder.send(outcome);
            }
        }
        if self.bytes_since_snapshot >= self.snapshot_bytes {
            self.bytes_since_snapshot = 0;
            self.wanted.notify_one();
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        self.bytes_since_snapshot = 0;
        let meta = self.meta();
        let inner = self.inner.get_mut().unwrap_or_else(PoisonError::into_inner);
        Builder {
            meta,
            job: Mutex::new(Some(guarded("to be frozen", || inner.snapshot_job()))),
            snapshots: self.snapshots.clone(),
            blocking: self.blocking,
        }
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: Bytes,
    ) -> Result<(), io::Error> {
        let (snapshots, saved_meta, data) =
            (self.snapshots.clone(), meta.clone(), snapshot.clone());
        // At a start the snapshot comes from the store itself.
        if snapshots.last_log_id() != meta.last_log_id {
            self.blocking
                .run(move || snapshots.save(&saved_meta, &data))
                .await?;
        }
        let (index, term) = meta
            .last_log_id
            .map_or((0, 0), |id| (id.index, id.leader_id.term));
        let inner = self.inner.get_mut().unwrap_or_else(PoisonError::into_inner);
        guarded("a snapshot", || inner.restore(index, term, &snapshot))?;
        self.applied = meta.last_log_id;
        self.membership = meta.last_membership.clone();
        self.bytes_since_snapshot = 0;
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, io::Error> {
        let snapshots = self.snapshots.clone();
        let loaded = self.blocking.run(move || snapshots.load()).await?;
        Ok(loaded.map(|(meta, snapshot)| Snapshot { meta, snapshot }))
    }
}

/// A snapshot about to be encoded and written.
pub(crate) struct Builder {
    meta: SnapshotMeta,
    /// Taken by the first build; in a lock for the library's sake.
    job: Mutex<Option<io::Result<SnapshotJob>>>,
    snapshots: SnapshotStore,
    blocking: Blocking,
}

impl RaftSnapshotBuilder<Types> for Builder {
    type SnapshotData = Bytes;

    async fn build_snapshot(&mut self) -> Result<Snapshot, io::Error> {
        let job = self
            .job
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let job = job.ok_or_else(|| io::Error::other("a snapshot is built once"))??;
        let (snapshots, meta) = (self.snapshots.clone(), self.meta.clone());
        let work = move || -> io::Result<Snapshot> {
            let snapshot = guarded("to be encoded", job)?;
            snapshots.save(&meta, &snapshot)?;
            Ok(Snapshot { meta, snapshot })
        };
        self.blocking.run(work).await
    }
}
