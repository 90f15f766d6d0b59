//! The way to the active controller, wherever in the cluster it is.
//!
//! ```text
//! command -> who leads the quorum? -> this node: its controller's mailbox
//!                                  -> another:   the mesh, service "controller", to its mailbox
//!         <- decided, and where in the metadata log: wait until this node has applied that
//!         <- nobody leads, or not that one: certainly not done, so look again
//!         <- no answer: perhaps done; only what may be done twice is sent again
//! ```

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use odeon_kernel::clock::timeout;
use odeon_kernel::{Rng, SharedClock, Slot, SlotError, Watch, watch};
use odeon_mesh::{CodecError, MAX_MESSAGE_BYTES, Mesh, MeshError, decode, encode, handler};
use odeon_metadata::MetadataImage;
use odeon_model::{ErrorCode, NodeId};
use odeon_quorum::QuorumRole;
use tokio::sync::Semaphore;

use super::dispatch::{not_controller, overloaded, perhaps};
use super::message::Refusal;
use super::vocabulary::{Command, ControllerMsg, Decided, Message, Outcome};

/// The service's name in the mesh.
const SERVICE: &str = "controller";
/// The largest command that travels in one piece; answers may be several times as large.
const MAX_COMMAND_BYTES: usize = 64 << 10;
/// The most elements that travel in one piece.
const MAX_ELEMENTS: usize = 1_000;
/// Commands of other nodes that are worked on at once, those that keep nodes alive aside.
const MAX_IN_FLIGHT: usize = 1_024;
/// How long an answer is waited for.
const DEADLINE: Duration = Duration::from_secs(30);
/// How long the answer to what may be repeated is waited for before it is.
const ATTEMPT: Duration = Duration::from_secs(2);
/// How long a heartbeat's answer is waited for: the next one shall not be late.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// How long a controller is looked for, unless told otherwise.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long this node may take to apply what was decided elsewhere.
const APPLY_LIMIT: Duration = Duration::from_secs(5);
/// How often a controller is looked for when nothing is heard of a new one.
const PAUSE: Duration = Duration::from_millis(25);

/// What it takes to find the active controller.
#[derive(Debug, Clone)]
pub struct ControllerLink {
    /// The way to other nodes.
    pub mesh: Arc<dyn Mesh>,
    /// Who leads the quorum.
    pub role: watch::Receiver<QuorumRole>,
    /// What this node has applied.
    pub image: Watch<MetadataImage>,
    /// Time.
    pub clock: SharedClock,
    /// For the ids of new topics.
    pub rng: Arc<Rng>,
}

/// What became of one attempt.
enum Attempt {
    /// It is decided and committed.
    Decided(Decided),
    /// It is refused, for good.
    Refused(Refusal),
    /// It was certainly not done, and may be somewhere else.
    NotDone,
    /// Nobody knows.
    Perhaps,
    /// It does not travel in one piece.
    TooLarge,
}

/// A link in use: with the controller of this node, if it has one.
#[derive(Debug, Clone)]
pub(super) struct Courier {
    pub(super) link: ControllerLink,
    pub(super) slot: Slot<ControllerMsg>,
    pub(super) patience: Duration,
}

impl Courier {
    pub(super) fn new(slot: Slot<ControllerMsg>, link: ControllerLink) -> Self {
        let patience = PATIENCE;
        Self {
            link,
            slot,
            patience,
        }
    }

    /// Has a command decided by whoever is the active controller.
    pub(super) async fn deliver(&self, command: Command) -> Result<Outcome, Refusal> {
        let started = self.link.clock.monotonic();
        let heartbeat = matches!(command, Command::BrokerHeartbeat(_));
        let patience = match heartbeat {
            true => self.patience.min(HEARTBEAT),
            false => self.patience,
        };
        let (mut unsure, mut role) = (false, self.link.role.clone());
        loop {
            let leader = role.borrow_and_update().leader;
            match self.attempt(leader, &command).await {
                Attempt::Decided(decided) => {
                    if !heartbeat {
                        self.until_applied(decided.index).await;
                    }
                    return Ok(decided.outcome);
                }
                Attempt::Refused(refusal) => return Err(refusal),
                Attempt::TooLarge => return Box::pin(self.deliver_halves(command)).await,
                Attempt::Perhaps if !command.is_repeatable() => return Err(perhaps()),
                Attempt::Perhaps => unsure = true,
                Attempt::NotDone => {}
            }
            if self.link.clock.monotonic().saturating_sub(started) >= patience {
                return Err(if unsure { perhaps() } else { not_controller() });
            }
            tokio::select! {
                biased;
                changed = role.changed() => if changed.is_err() { return Err(not_controller()) },
                () = self.link.clock.sleep(PAUSE) => {}
            }
        }
    }

    /// As two commands, one after the other.
    async fn deliver_halves(&self, mut first: Command) -> Result<Outcome, Refusal> {
        let Some(second) = first.split() else {
            let message = format!("A command takes at most {MAX_COMMAND_BYTES} bytes");
            return Err(Refusal::new(ErrorCode::InvalidRequest, message));
        };
        let mut outcome = self.deliver(first).await?;
        // The first half is done: that the second certainly is not says nothing of the whole.
        let rest = self.deliver(second).await.map_err(|_| perhaps())?;
        outcome.join(rest);
        Ok(outcome)
    }

    async fn attempt(&self, leader: Option<NodeId>, command: &Command) -> Attempt {
        let deadline = match command {
            Command::BrokerHeartbeat(_) => HEARTBEAT,
            command if command.is_repeatable() => ATTEMPT,
            _ => DEADLINE,
        };
        match leader {
            None => Attempt::NotDone,
            Some(id) if id == self.link.mesh.node_id() => {
                decide_here(&self.slot, command.clone(), deadline)
                    .await
                    .into()
            }
            Some(id) => self.attempt_there(id, command, deadline).await,
        }
    }

    async fn attempt_there(&self, id: NodeId, command: &Command, deadline: Duration) -> Attempt {
        if command.len() > MAX_ELEMENTS {
            return Attempt::TooLarge;
        }
        let request = match encode(command, MAX_COMMAND_BYTES) {
            Ok(request) => request,
            Err(CodecError::TooLarge { .. }) => return Attempt::TooLarge,
            Err(error) => return Attempt::Refused(unreadable(&error)),
        };
        let answer = match self.link.mesh.call(id, SERVICE, request, deadline).await {
            Ok(answer) => answer,
            // The request was small enough, so it was the answer that was not.
            Err(MeshError::TooLarge { .. }) => return Attempt::Perhaps,
            Err(error) if error.may_have_acted() => return Attempt::Perhaps,
            Err(error) => {
                tracing::debug!(%error, controller = id, "a command was not sent");
                return Attempt::NotDone;
            }
        };
        let answer: Result<Result<Decided, Refusal>, CodecError> =
            decode(&answer, MAX_MESSAGE_BYTES);
        match answer {
            Ok(answer) => answer.into(),
            Err(error) => {
                tracing::warn!(%error, controller = id, "an answer cannot be read");
                Attempt::Perhaps
            }
        }
    }

    /// An answer comes when what it says is seen on this node, or soon will be.
    async fn until_applied(&self, index: u64) {
        let mut image = self.link.image.clone();
        let applied = image.wait_for(|image| image.position().index >= index);
        if timeout(&*self.link.clock, APPLY_LIMIT, applied)
            .await
            .is_err()
        {
            tracing::warn!(
                index,
                "this node is slow to apply what the controller decided"
            );
        }
    }
}

impl From<Result<Decided, Refusal>> for Attempt {
    fn from(answer: Result<Decided, Refusal>) -> Self {
        match answer {
            Ok(decided) => Self::Decided(decided),
            Err(refusal) => match refusal.code {
                ErrorCode::NotController => Self::NotDone,
                ErrorCode::RequestTimedOut => Self::Perhaps,
                _ => Self::Refused(refusal),
            },
        }
    }
}

/// Asks this node's controller.
async fn decide_here(
    slot: &Slot<ControllerMsg>,
    command: Command,
    deadline: Duration,
) -> Result<Decided, Refusal> {
    let message = |port| ControllerMsg(Message::Decide(command, port));
    match slot.call(message, deadline).await {
        Ok(answer) => answer,
        Err(SlotError::Unavailable) => Err(not_controller()),
        Err(SlotError::NoReply | SlotError::DeadlineExceeded) => Err(perhaps()),
    }
}

/// Lets other nodes ask the controller that the slot holds. They speak for themselves only.
pub fn serve(mesh: &dyn Mesh, slot: Slot<ControllerMsg>) {
    let permits = Arc::new(Semaphore::new(MAX_IN_FLIGHT));
    let answer = handler(move |from, request: Bytes| {
        let (slot, permits) = (slot.clone(), Arc::clone(&permits));
        async move {
            let command: Command =
                decode(&request, MAX_COMMAND_BYTES).map_err(|error| error.to_string())?;
            let answer = answer(&slot, &permits, from, command).await;
            let encoded = encode(&answer, MAX_MESSAGE_BYTES);
            // A refusal would say that nothing was done.
            encoded
                .or_else(|_| encode(&Err::<Decided, _>(perhaps()), MAX_MESSAGE_BYTES))
                .map_err(|error| error.to_string())
        }
    });
    mesh.register(SERVICE, answer);
}

async fn answer(
    slot: &Slot<ControllerMsg>,
    permits: &Semaphore,
    from: NodeId,
    command: Command,
) -> Result<Decided, Refusal> {
    if let Some(speaker) = command.speaker().filter(|speaker| *speaker != from) {
        let message = format!("Node {from} cannot speak for node {speaker}");
        return Err(Refusal::new(ErrorCode::InvalidRequest, message));
    }
    // Who is kept waiting with its heartbeat is taken for dead.
    let _permit = match command {
        Command::BrokerHeartbeat(_) | Command::RegisterBroker(_) | Command::BrokerDied { .. } => {
            None
        }
        _ => Some(permits.try_acquire().map_err(|_| overloaded())?),
    };
    let deadline = match command.is_repeatable() {
        true => ATTEMPT,
        false => DEADLINE,
    };
    decide_here(slot, command, deadline).await
}

fn unreadable(error: &CodecError) -> Refusal {
    Refusal::new(ErrorCode::UnknownServerError, error.to_string())
}
