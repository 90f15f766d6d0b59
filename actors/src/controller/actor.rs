//! The effects of a ClusterController: becoming active, writing what was decided, answering.
//!
//! ```text
//! role: ready in term t  -> Activating: an empty entry of ours, applied = we know everything
//!                        -> Active: a shell around the newest image; first the activation records
//! Decide                 -> draft on the proposed image, stage, cast(Flush)
//! Flush                  -> everything staged becomes one change, in order behind those before it
//! Written(index)         -> replies go out; an error ends the activation
//! role: anything else    -> Standby: replies that wait are told "perhaps"
//! ```

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use odeon_kernel::sim::{Bug, is_planted};
use odeon_kernel::{Rng, SharedClock, TaskGuard, Watch, spawn};
use odeon_mesh::Mesh;
use odeon_metadata::{MetadataImage, entry};
use odeon_model::ErrorCode;
use odeon_model::config::BrokerConfig;
use odeon_quorum::{ProposeError, Proposed, Proposer, Quorum, QuorumRole};
use ractor::{Actor, ActorProcessingErr, ActorRef};

use super::deaths;
use super::dispatch::{Answer, decide, later, not_controller, overloaded, perhaps, refuse};
use super::handle::ControllerHandle;
use super::message::Refusal;
use super::state::{ControllerSettings, Decisions, Draft};
use super::vocabulary::{Command, ControllerMsg, Message, Now, Reply};
use crate::shell::{Shell, Ticket};

/// How often silent brokers are looked for.
const TICK: Duration = Duration::from_millis(100);
/// A look that comes later than this was kept from coming.
const STALL: Duration = Duration::from_millis(150);
/// How long after a failed activation the next is tried.
const RETRY: Duration = Duration::from_millis(100);
/// The most commands that wait for an activation, and the most answers that wait for a commit.
const MAX_WAITING: usize = 10_000;

/// The actor. See [`super`].
#[derive(Debug)]
pub struct ClusterController;

/// What a controller is started with; the same for each restart.
#[derive(Debug, Clone)]
pub struct ControllerArguments {
    /// The log that it writes.
    pub quorum: Quorum,
    /// The way to the other nodes.
    pub mesh: Arc<dyn Mesh>,
    /// Whoever is the active controller.
    pub controller: ControllerHandle,
    /// What is committed, from [`ImageStateMachine::new`](super::ImageStateMachine::new).
    pub image: Watch<MetadataImage>,
    /// The node's settings.
    pub config: Arc<BrokerConfig>,
    /// Time.
    pub clock: SharedClock,
    /// Chooses topic ids and where placement begins.
    pub rng: Arc<Rng>,
}

/// A running controller.
#[derive(Debug)]
pub struct ControllerState {
    arguments: ControllerArguments,
    settings: ControllerSettings,
    role: QuorumRole,
    phase: Phase,
    /// When silent brokers were last looked for.
    last_tick: Duration,
    /// Counts activations, so that late news of an older one is recognised.
    session: u64,
    _watching: TaskGuard<()>,
    _ticking: TaskGuard<()>,
    _mourning: TaskGuard<()>,
}

#[derive(Debug)]
enum Phase {
    Standby,
    Activating {
        proposer: Proposer,
        waiting: VecDeque<(Command, Reply)>,
    },
    Active(Box<Active>),
}

#[derive(Debug)]
struct Active {
    proposer: Proposer,
    decisions: Decisions,
    shell: Shell<MetadataImage, Answer>,
    flush_queued: bool,
}

#[ractor::async_trait]
impl Actor for ClusterController {
    type Msg = ControllerMsg;
    type State = ControllerState;
    type Arguments = ControllerArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<ControllerMsg>,
        arguments: ControllerArguments,
    ) -> Result<ControllerState, ActorProcessingErr> {
        let mut role = arguments.quorum.role();
        let to = myself.clone();
        let watching = TaskGuard::spawn(async move {
            loop {
                let now = *role.borrow_and_update();
                if to.cast(ControllerMsg(Message::RoleChanged(now))).is_err()
                    || role.changed().await.is_err()
                {
                    return;
                }
            }
        });
        let mourning = deaths::tell(&arguments);
        let clock = arguments.clock.clone();
        let last_tick = clock.monotonic();
        let ticking = TaskGuard::spawn(async move {
            loop {
                clock.sleep(TICK).await;
                if myself.cast(ControllerMsg(Message::Tick)).is_err() {
                    return;
                }
            }
        });
        Ok(ControllerState {
            settings: ControllerSettings::new(arguments.config.properties.clone())
                .with_own_features(),
            arguments,
            role: QuorumRole::default(),
            phase: Phase::Standby,
            last_tick,
            session: 0,
            _watching: watching,
            _ticking: ticking,
            _mourning: mourning,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<ControllerMsg>,
        ControllerMsg(message): ControllerMsg,
        state: &mut ControllerState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Decide(command, reply) => state.take(&myself, command, reply),
            Message::RoleChanged(role) => state.follow_role(&myself, role),
            Message::CaughtUp { session, outcome } if session == state.session => {
                state.activate(&myself, outcome);
            }
            Message::Flush => state.flush(&myself),
            Message::Written {
                session,
                ticket,
                outcome,
            } if session == state.session => {
                state.written(&myself, ticket, outcome);
            }
            Message::Tick => state.tick(&myself),
            Message::Reactivate => state.follow_role(&myself, state.role),
            // News of an activation that is over: its callers were told.
            Message::CaughtUp { .. } | Message::Written { .. } => {}
        }
        Ok(())
    }
}

impl ControllerState {
    fn now(&self) -> Now {
        Now {
            monotonic: self.arguments.clock.monotonic(),
            committed_index: self.arguments.image.get().position().index,
        }
    }

    fn follow_role(&mut self, myself: &ActorRef<ControllerMsg>, role: QuorumRole) {
        self.role = role;
        let serving = match &self.phase {
            Phase::Standby => None,
            Phase::Activating { proposer, .. } => Some(proposer.term()),
            Phase::Active(active) => Some(active.proposer.term()),
        };
        let wanted = role.ready.then_some(role.term);
        if serving == wanted {
            return;
        }
        if serving.is_some() {
            self.stand_by(perhaps());
        }
        if wanted.is_some() {
            self.begin_activation(myself);
        }
    }

    fn begin_activation(&mut self, myself: &ActorRef<ControllerMsg>) {
        self.session += 1;
        let (session, to) = (self.session, myself.clone());
        let proposer = self.arguments.quorum.proposer(self.role.term);
        self.phase = Phase::Activating {
            proposer: proposer.clone(),
            waiting: VecDeque::new(),
        };
        if is_planted(Bug::EagerLeader) {
            return self.activate(myself, Ok(0));
        }
        // An entry of an earlier activation may still be on its way; ours lands behind it.
        proposer.propose(Bytes::new(), move |outcome| {
            let _ = to.cast(ControllerMsg(Message::CaughtUp { session, outcome }));
        });
    }

    fn activate(&mut self, myself: &ActorRef<ControllerMsg>, outcome: Proposed) {
        if let Err(error) = outcome {
            return self.fail(myself, &error);
        }
        let Phase::Activating { proposer, waiting } =
            std::mem::replace(&mut self.phase, Phase::Standby)
        else {
            return;
        };
        let image = MetadataImage::clone(&self.arguments.image.get());
        let version = image.metadata_version();
        let (oldest, newest) = (
            odeon_metadata::MIN_METADATA_VERSION,
            odeon_metadata::LATEST_METADATA_VERSION,
        );
        if version != 0 && !(oldest..=newest).contains(&version) {
            // The state machine would have stopped at a record it does not know; a version in
            // between is refused here, before anything is written that others cannot read.
            tracing::error!(
                version,
                oldest,
                newest,
                "this metadata.version is not supported"
            );
            return;
        }
        let records = Decisions::activate(&self.settings, &image);
        let rng = Rng::from_seed(self.arguments.rng.next_u64());
        let mut decisions = Decisions::new(self.settings.clone(), &image, rng, self.now());
        if let Some((predecessor, heard)) = self.arguments.quorum.leader_last_heard() {
            decisions.succeeds(predecessor, heard, self.now());
        }
        let shell = Shell::new(image);
        let active = Active {
            proposer,
            decisions,
            shell,
            flush_queued: false,
        };
        tracing::info!(term = self.role.term, "this node is the active controller");
        self.phase = Phase::Active(Box::new(active));
        self.stage(myself, records, Box::new(|_| {}));
        for (command, reply) in waiting {
            self.take(myself, command, reply);
        }
    }

    /// Forgets everything proposed; callers that wait are refused.
    fn stand_by(&mut self, refusal: Refusal) {
        match std::mem::replace(&mut self.phase, Phase::Standby) {
            Phase::Standby => {}
            Phase::Activating { waiting, .. } => {
                waiting
                    .into_iter()
                    .for_each(|(_, reply)| refuse(reply, not_controller()));
            }
            Phase::Active(active) => {
                tracing::info!("this node is no longer the active controller");
                for answer in active.shell.into_replies() {
                    answer(Err(refusal.clone()));
                }
            }
        }
    }

    fn fail(&mut self, myself: &ActorRef<ControllerMsg>, error: &ProposeError) {
        tracing::warn!(%error, "the controller could not write");
        self.stand_by(match error {
            ProposeError::Unknown => perhaps(),
            // Nothing was written, so the client may simply try again, here or elsewhere.
            _ => not_controller(),
        });
        self.session += 1;
        let (clock, to) = (self.arguments.clock.clone(), myself.clone());
        spawn(async move {
            clock.sleep(RETRY).await;
            let _ = to.cast(ControllerMsg(Message::Reactivate));
        });
    }

    fn take(&mut self, myself: &ActorRef<ControllerMsg>, command: Command, reply: Reply) {
        let now = self.now();
        match &mut self.phase {
            Phase::Standby => refuse(reply, not_controller()),
            Phase::Activating { waiting, .. } if waiting.len() < MAX_WAITING => {
                waiting.push_back((command, reply));
            }
            Phase::Activating { .. } => refuse(reply, overloaded()),
            Phase::Active(active) if active.shell.ledger().waiting() >= MAX_WAITING => {
                refuse(reply, overloaded());
            }
            Phase::Active(active) => {
                let mut draft = Draft::new(active.shell.state());
                let decided = decide(&mut active.decisions, &mut draft, now, command);
                self.stage(myself, draft.records, later(reply, decided));
            }
        }
    }

    fn stage(
        &mut self,
        myself: &ActorRef<ControllerMsg>,
        records: Vec<odeon_metadata::MetadataRecord>,
        answer: Answer,
    ) {
        let committed_index = self.arguments.image.get().position().index;
        let Phase::Active(active) = &mut self.phase else {
            return;
        };
        if let Some(answer) = active.shell.stage(records, answer) {
            answer(Ok(committed_index));
        }
        // Flush lands behind everything that is queued now, and takes it along.
        if active.shell.ledger().has_staged() && !active.flush_queued {
            active.flush_queued = myself.cast(ControllerMsg(Message::Flush)).is_ok();
        }
    }

    fn flush(&mut self, myself: &ActorRef<ControllerMsg>) {
        let Phase::Active(active) = &mut self.phase else {
            return;
        };
        active.flush_queued = false;
        let Some(batch) = active.shell.take_batch() else {
            return;
        };
        let mut entries = match entry::encode(&batch.records) {
            Ok(entries) => entries,
            Err(error) => {
                // Every command bounds its records, so this is a bug. The proposed image holds
                // what cannot be written: begin again from what is committed.
                tracing::error!(%error, "decided records cannot be written");
                let bug = Refusal::new(ErrorCode::UnknownServerError, error.to_string());
                self.stand_by(bug);
                return self.fail(myself, &ProposeError::TermChanged);
            }
        };
        let last = entries.pop();
        for entry in entries {
            // A failure breaks the proposer, and shows in the last entry's outcome.
            active.proposer.propose(entry, |_| {});
        }
        let (session, ticket, to) = (self.session, batch.ticket, myself.clone());
        active
            .proposer
            .propose(last.unwrap_or_default(), move |outcome| {
                let _ = to.cast(ControllerMsg(Message::Written {
                    session,
                    ticket,
                    outcome,
                }));
            });
    }

    fn written(&mut self, myself: &ActorRef<ControllerMsg>, ticket: Ticket, outcome: Proposed) {
        let index = match outcome {
            Ok(index) => index,
            Err(error) => return self.fail(myself, &error),
        };
        let Phase::Active(active) = &mut self.phase else {
            return;
        };
        active.shell.appended(ticket, index);
        for answer in active.shell.committed(index).replies {
            answer(Ok(index));
        }
    }

    fn tick(&mut self, myself: &ActorRef<ControllerMsg>) {
        let now = self.now();
        let since = now.monotonic.saturating_sub(self.last_tick);
        self.last_tick = now.monotonic;
        let Phase::Active(active) = &mut self.phase else {
            return;
        };
        if since > STALL {
            active.decisions.note_stall(since - TICK, now);
        }
        let mut draft = Draft::new(active.shell.state());
        let fenced = active.decisions.fence_silent_brokers(&mut draft, now);
        if !fenced.is_empty() {
            tracing::warn!(brokers = ?fenced, "fenced: no heartbeat for a whole session");
        }
        let moved = active.decisions.balance_leaders(&mut draft, now);
        if moved > 0 {
            tracing::info!(moved, "leaders go back to preferred replicas");
        }
        if !draft.records.is_empty() {
            self.stage(myself, draft.records, Box::new(|_| {}));
        }
    }
}
