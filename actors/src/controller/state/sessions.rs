//! Who was heard of when. Not replicated: a new controller gives everybody a whole session.

use std::collections::BTreeMap;
use std::time::Duration;

use odeon_model::{BrokerEpoch, NodeId};

/// What is known of one registration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Session {
    epoch: BrokerEpoch,
    last_contact: Duration,
    /// Whether the broker itself was heard under this controller.
    heard: bool,
    /// The broker must have applied the metadata up to here to be unfenced: where the log stood
    /// when it was first heard, which is behind its own registration.
    catch_up_index: Option<u64>,
    /// What it last said it had applied.
    metadata_index: u64,
    /// All others must have applied the metadata up to here before it may stop.
    pub(super) shutdown_index: Option<u64>,
}

/// The sessions of all brokers.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    by_broker: BTreeMap<NodeId, Session>,
}

impl Sessions {
    /// Starts a session for a broker that is known but was not heard yet.
    pub(super) fn expect(&mut self, id: NodeId, epoch: BrokerEpoch, now: Duration) {
        let session = Session {
            epoch,
            last_contact: now,
            heard: false,
            catch_up_index: None,
            metadata_index: 0,
            shutdown_index: None,
        };
        self.by_broker.insert(id, session);
    }

    /// Counts a broker's silence from then on.
    pub(super) fn was_heard(&mut self, id: NodeId, since: Duration) {
        if let Some(session) = self.by_broker.get_mut(&id) {
            session.last_contact = since;
        }
    }

    /// Notes that a broker registered.
    pub(super) fn registered(&mut self, id: NodeId, epoch: BrokerEpoch, now: Duration) {
        self.expect(id, epoch, now);
        if let Some(session) = self.by_broker.get_mut(&id) {
            session.heard = true;
        }
    }

    /// Notes a heartbeat and says whether the broker has applied its own registration.
    pub(super) fn heartbeat(
        &mut self,
        id: NodeId,
        epoch: BrokerEpoch,
        metadata_index: u64,
        now: Duration,
        committed_index: u64,
    ) -> bool {
        if self
            .by_broker
            .get(&id)
            .is_none_or(|session| session.epoch != epoch)
        {
            self.expect(id, epoch, now);
        }
        let Some(session) = self.by_broker.get_mut(&id) else {
            return false;
        };
        session.heard = true;
        session.last_contact = now;
        session.metadata_index = metadata_index;
        metadata_index >= *session.catch_up_index.get_or_insert(committed_index)
    }

    /// Gives everybody this much more time: the controller itself was not there to listen.
    pub(super) fn extend(&mut self, by: Duration, now: Duration) {
        for session in self.by_broker.values_mut() {
            session.last_contact = session.last_contact.saturating_add(by).min(now);
        }
    }

    /// Whether the broker was heard, under this epoch, within its session.
    pub(super) fn is_live(
        &self,
        id: NodeId,
        epoch: BrokerEpoch,
        now: Duration,
        timeout: Duration,
    ) -> bool {
        self.by_broker.get(&id).is_some_and(|session| {
            session.heard
                && session.epoch == epoch
                && now.saturating_sub(session.last_contact) < timeout
        })
    }

    /// Whether the broker has been silent for a whole session. One without a session has not been.
    pub(super) fn is_expired(&self, id: NodeId, now: Duration, timeout: Duration) -> bool {
        self.by_broker
            .get(&id)
            .is_some_and(|session| now.saturating_sub(session.last_contact) >= timeout)
    }

    pub(super) fn get_mut(&mut self, id: NodeId) -> Option<&mut Session> {
        self.by_broker.get_mut(&id)
    }

    /// What a broker said it had applied.
    pub(super) fn metadata_index(&self, id: NodeId) -> u64 {
        self.by_broker
            .get(&id)
            .map_or(0, |session| session.metadata_index)
    }

    /// Ends a session: what is silent from now on is not missed, and a successor is welcome.
    pub(super) fn forget(&mut self, id: NodeId) {
        self.by_broker.remove(&id);
    }
}
