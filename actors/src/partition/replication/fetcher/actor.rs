//! The effects of a ReplicaFetcher: calls, timers, handing out.

use std::sync::Arc;
use std::time::Duration;

use odeon_kernel::{Rng, SharedClock, Watch, spawn};
use odeon_mesh::{Mesh, encode};
use odeon_metadata::MetadataImage;
use odeon_model::{LeaderEpoch, NodeId};
use ractor::{Actor, ActorProcessingErr, ActorRef};

use super::FetcherHandle;
use super::state::{FetcherState, Send};
use crate::partition::RoutingTable;
use crate::partition::follower::FollowerHandle;
use crate::partition::replication::Key;
use crate::partition::replication::wire::{
    Answer, FETCH, Fetch, MAX_HEAD_BYTES, Outcome, PROGRESS, Part, Position, Progress,
};
use crate::quota::BrokerQuota;

/// How long a fetch waits at the leaders' node.
const MAX_WAIT_MS: u32 = 500;
/// How long an answer may take beyond that.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the next fetch waits for the positions of followers that were handed records.
const APPEND_PATIENCE: Duration = Duration::from_millis(5);
/// Between two attempts that fail, at first and at most.
const RETRY_MIN: Duration = Duration::from_millis(10);
const RETRY_MAX: Duration = Duration::from_millis(500);
/// How long a partition waits that its leader does not serve yet.
const AGAIN: Duration = Duration::from_millis(20);

/// The actor. See [`super`].
#[derive(Debug)]
pub(super) struct ReplicaFetcher;

/// What a fetcher is started with.
#[derive(Debug, Clone)]
pub struct FetcherArguments {
    /// This node.
    pub node_id: NodeId,
    /// The node of the leaders.
    pub source: NodeId,
    /// The way there.
    pub mesh: Arc<dyn Mesh>,
    /// Where the followers are found after a restart.
    pub routing: Arc<RoutingTable>,
    /// Where the epoch of this node's registration is found.
    pub image: Watch<MetadataImage>,
    /// What throttled followers take.
    pub quota: Arc<BrokerQuota>,
    /// Its own handle, once there is one.
    pub handle: Option<FetcherHandle>,
    /// Time.
    pub clock: SharedClock,
    /// Names the sessions.
    pub rng: Arc<Rng>,
}

/// The vocabulary. All but the first three are the actor's own.
#[derive(Debug)]
pub(super) enum FetcherMsg {
    /// Fetch for a follower.
    Follow {
        key: Key,
        follower: FollowerHandle,
        at: Position,
    },
    /// A follower is somewhere else.
    Moved { key: Key, at: Position },
    /// Fetch no more.
    Unfollow { key: Key, leader_epoch: LeaderEpoch },
    /// A fetch ended; `None` if it failed.
    Fetched {
        session: u64,
        answer: Option<Answer>,
    },
    /// Positions were taken, or not.
    Reported { session: u64, taken: bool },
    /// Followers had time enough.
    Overdue { session: u64 },
    /// Partitions that were not served may be now.
    Again(Vec<Key>),
    /// Begin a new session.
    Begin { failed: u64 },
}

impl ractor::Message for FetcherMsg {}

/// A running fetcher.
#[derive(Debug)]
pub(super) struct Fetching {
    arguments: FetcherArguments,
    state: FetcherState<FollowerHandle>,
    retry: Duration,
}

#[ractor::async_trait]
impl Actor for ReplicaFetcher {
    type Msg = FetcherMsg;
    type State = Fetching;
    type Arguments = FetcherArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<FetcherMsg>,
        arguments: FetcherArguments,
    ) -> Result<Fetching, ActorProcessingErr> {
        // What was said before this is asked for, what is said after it is heard.
        if let Some(handle) = &arguments.handle {
            handle.leads_to(myself);
            for follower in arguments.routing.followers_of(arguments.source) {
                follower.report(handle.clone());
            }
        }
        let session = arguments.rng.next_u64();
        Ok(Fetching {
            arguments,
            state: FetcherState::new(session),
            retry: RETRY_MIN,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<FetcherMsg>,
        message: FetcherMsg,
        fetching: &mut Fetching,
    ) -> Result<(), ActorProcessingErr> {
        let state = &mut fetching.state;
        let current = state.session();
        match message {
            FetcherMsg::Follow { key, follower, at } => state.follow(key, follower, at),
            FetcherMsg::Moved { key, at } => {
                state.moved(key, at);
                fetching.hold_back(&myself, key);
            }
            FetcherMsg::Unfollow { key, leader_epoch } => state.unfollow(key, leader_epoch),
            FetcherMsg::Fetched { session, answer } if session == current => {
                fetching.fetched(&myself, answer);
            }
            FetcherMsg::Reported { session, taken } if session == current => {
                state.reported();
                if !taken {
                    fetching.fail(&myself);
                }
            }
            FetcherMsg::Overdue { session } if session == current => state.lose_patience(),
            FetcherMsg::Again(keys) => {
                for key in keys {
                    fetching.state.again(key);
                    fetching.hold_back(&myself, key);
                }
            }
            FetcherMsg::Begin { failed } if failed == current => {
                let session = fetching.arguments.rng.next_u64();
                state.begin(session);
            }
            // News of an older session.
            _ => return Ok(()),
        }
        fetching.send(&myself);
        Ok(())
    }
}

impl Fetching {
    /// Says where a throttled follower is only when the quota allows it to get more, unless it has what
    /// readers may see: others count on that one.
    fn hold_back(&mut self, myself: &ActorRef<FetcherMsg>, key: Key) {
        if !self.is_throttled(key) || !self.state.is_behind(key) {
            return;
        }
        if let Some(wait) = self.arguments.quota.wait() {
            self.state.hold(key);
            self.later(myself, wait, FetcherMsg::Again(vec![key]));
        }
    }

    fn is_throttled(&self, key: Key) -> bool {
        let followed = self.arguments.routing.follower(key.0, key.1);
        followed.is_some_and(|followed| followed.view.throttles_follower())
    }

    fn send(&mut self, myself: &ActorRef<FetcherMsg>) {
        let image = self.arguments.image.get();
        let broker = image.broker(self.arguments.node_id);
        let epoch = broker.map_or(-1, |broker| broker.epoch);
        if self.state.is_new_epoch(epoch) {
            self.state.begin(self.arguments.rng.next_u64());
        }
        while let Some(send) = self.state.next() {
            match send {
                Send::Fetch(progress) => self.fetch(myself, progress),
                Send::Progress(progress) => self.report(myself, progress),
            }
        }
    }

    fn fetch(&self, myself: &ActorRef<FetcherMsg>, progress: Progress) {
        let session = progress.session;
        let fetch = Fetch {
            progress,
            max_wait_ms: MAX_WAIT_MS,
        };
        let deadline = Duration::from_millis(MAX_WAIT_MS.into()) + PATIENCE;
        let call = encode(&fetch, MAX_HEAD_BYTES).map(|request| {
            let (mesh, source) = (&self.arguments.mesh, self.arguments.source);
            mesh.call(source, FETCH, request, deadline)
        });
        let (myself, source) = (myself.clone(), self.arguments.source);
        spawn(async move {
            let answer = match call {
                Ok(call) => call.await.map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            let answer = answer
                .and_then(|bytes| Answer::parse(bytes).map_err(|error| error.to_string()))
                .inspect_err(|error| tracing::debug!(source, error, "a replica fetch failed"))
                .ok();
            let _ = myself.cast(FetcherMsg::Fetched { session, answer });
        });
    }

    fn report(&self, myself: &ActorRef<FetcherMsg>, progress: Progress) {
        let session = progress.session;
        let call = encode(&progress, MAX_HEAD_BYTES).map(|request| {
            let (mesh, source) = (&self.arguments.mesh, self.arguments.source);
            mesh.call(source, PROGRESS, request, PATIENCE)
        });
        let myself = myself.clone();
        spawn(async move {
            let taken = match call {
                Ok(call) => call.await.is_ok(),
                Err(_) => false,
            };
            let _ = myself.cast(FetcherMsg::Reported { session, taken });
        });
    }

    fn fetched(&mut self, myself: &ActorRef<FetcherMsg>, answer: Option<Answer>) {
        let Some(answer) = answer.filter(|answer| answer.known) else {
            return self.fail(myself);
        };
        self.retry = RETRY_MIN;
        self.state.fetched();
        let mut again = Vec::new();
        for part in answer.parts {
            let key = part.key;
            if !self.hand_out(part) {
                again.push(key);
            }
        }
        if !again.is_empty() {
            self.later(myself, AGAIN, FetcherMsg::Again(again));
        }
        if self.state.is_awaiting() {
            let session = self.state.session();
            self.later(myself, APPEND_PATIENCE, FetcherMsg::Overdue { session });
        }
    }

    /// Gives a part to its follower; false if it is to be asked for again.
    fn hand_out(&mut self, part: Part) -> bool {
        let (key, epoch) = (part.key, part.leader_epoch);
        let Some(follower) = self.state.follower(key, epoch) else {
            return true;
        };
        let is_answered = match part.outcome {
            Outcome::NotLeader | Outcome::Failed => return false,
            Outcome::Records => !part.records.is_empty(),
            Outcome::Diverging(..) | Outcome::OutOfRange(_) => true,
        };
        let (bytes, high_watermark) = (part.records.len(), part.high_watermark);
        if !follower.fetched(part) {
            return false;
        }
        self.state.saw_high_watermark(key, high_watermark);
        if bytes > 0 && self.is_throttled(key) {
            self.arguments.quota.spend(bytes);
        }
        if is_answered {
            self.state.awaits(key);
        }
        true
    }

    /// The session is over: after a while another begins.
    fn fail(&mut self, myself: &ActorRef<FetcherMsg>) {
        let failed = self.state.session();
        self.later(myself, self.retry, FetcherMsg::Begin { failed });
        self.retry = (self.retry * 2).min(RETRY_MAX);
    }

    fn later(&self, myself: &ActorRef<FetcherMsg>, wait: Duration, message: FetcherMsg) {
        let sleep = self.arguments.clock.sleep(wait);
        let myself = myself.clone();
        spawn(async move {
            sleep.await;
            let _ = myself.cast(message);
        });
    }
}
