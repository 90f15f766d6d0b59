//! Brokers come, say that they live, and go. Kafka: `ClusterControlManager`,
//! `BrokerHeartbeatManager`.

use std::time::Duration;

use odeon_kernel::sim::{Bug, is_planted};
use odeon_metadata::{BrokerImage, MetadataImage};
use odeon_model::{BrokerEpoch, ErrorCode, NodeId, Uuid};
use odeon_schema::metadata::{BrokerRegistrationChangeRecord, UnregisterBrokerRecord};

use super::elections::{BrokerChange, Loss};
use super::{Decisions, Draft};
use crate::controller::message::{BrokerHeartbeat, BrokerRegistration, HeartbeatReply, Refusal};
use crate::controller::vocabulary::Now;

/// The most endpoints, features or directories that a registration may name.
const MAX_LIST: usize = 1_000;
/// The longest name in a registration, and the longest all names may be together: a registration
/// is one record, and a record has to fit in an entry of the log.
const MAX_NAME_BYTES: usize = 1_024;
const MAX_NAMES_BYTES: usize = 64 * 1024;
/// The most brokers that one look at the sessions fences.
const MAX_FENCED_AT_ONCE: usize = 10;

impl Decisions {
    /// A broker introduces itself. Answers its epoch. The new registration is fenced; what the
    /// older one led gets another leader or none, and a higher epoch.
    pub(in crate::controller) fn register_broker(
        &mut self,
        draft: &mut Draft,
        request: BrokerRegistration,
        now: Now,
    ) -> Result<BrokerEpoch, Refusal> {
        let image = &draft.image;
        let id = request.broker_id;
        self.check_registration(image, &request)?;
        let before = image.broker(id).cloned();
        if let Some(before) = &before {
            if before.incarnation_id == request.incarnation_id {
                // The answer to its first request was lost.
                self.sessions.registered(id, before.epoch, now.monotonic);
                return Ok(before.epoch);
            }
            let timeout = self.settings.broker_session_timeout;
            if self
                .sessions
                .is_live(id, before.epoch, now.monotonic, timeout)
            {
                return Err(Refusal::new(
                    ErrorCode::DuplicateBrokerRegistration,
                    "Another process is registered with this broker id and still sends heartbeats. \
                     If it has ended, try again once its session has run out.",
                ));
            }
        }
        let epoch = next_epoch(image, now.committed_index);
        let unclean = before
            .as_ref()
            .is_some_and(|b| b.epoch != request.previous_broker_epoch);
        let directories = request.log_dirs.clone();
        let broker = BrokerImage {
            id,
            epoch,
            incarnation_id: request.incarnation_id,
            endpoints: request.endpoints,
            features: request.features,
            rack: request.rack,
            fenced: true,
            in_controlled_shutdown: false,
            log_dirs: request.log_dirs,
            cordoned_log_dirs: None,
        };
        draft.push(broker.to_record());
        let loss = Loss {
            unsynced: unclean,
            all_but: Some(&directories),
        };
        if !is_planted(Bug::KeptEpoch) {
            self.follow_broker(draft, BrokerChange::Leaves { id, loss });
        }
        self.sessions.registered(id, epoch, now.monotonic);
        Ok(epoch)
    }

    fn check_registration(
        &self,
        image: &MetadataImage,
        request: &BrokerRegistration,
    ) -> Result<(), Refusal> {
        let invalid = |message: String| Err(Refusal::new(ErrorCode::InvalidRegistration, message));
        if request.cluster_id != **image.cluster_id() {
            let message = format!(
                "This is cluster {}, the request is for cluster {}",
                image.cluster_id(),
                request.cluster_id
            );
            return Err(Refusal::new(ErrorCode::InconsistentClusterId, message));
        }
        if request.broker_id < 0 {
            return invalid(format!("{} is not a broker id", request.broker_id));
        }
        let names = request.endpoints.iter().flat_map(|e| [&e.name, &e.host]);
        let names = names
            .chain(request.features.iter().map(|f| &f.name))
            .chain(&request.rack);
        let lists = [
            request.endpoints.len(),
            request.features.len(),
            request.log_dirs.len(),
        ];
        let lengths: Vec<usize> = names.map(String::len).collect();
        if lists.iter().any(|len| *len > MAX_LIST)
            || lengths.iter().any(|len| *len > MAX_NAME_BYTES)
            || lengths.iter().sum::<usize>() > MAX_NAMES_BYTES
        {
            return invalid("The registration is too large".to_owned());
        }
        if request.log_dirs.is_empty() {
            return invalid("The registration names no log directory".to_owned());
        }
        for other in image
            .brokers()
            .filter(|other| other.id != request.broker_id)
        {
            if let Some(shared) = request
                .log_dirs
                .iter()
                .find(|dir| other.log_dirs.contains(dir))
            {
                return invalid(format!("Directory {shared} belongs to broker {}", other.id));
            }
        }
        for (name, level) in image.features() {
            let supported = request
                .features
                .iter()
                .find(|feature| feature.name == **name);
            let (min, max) = supported.map_or((0, 0), |feature| (feature.min, feature.max));
            if !(min..=max).contains(&level) {
                let message = format!(
                    "The cluster runs with level {level} of {name}, the broker supports {min} to \
                     {max}."
                );
                return Err(Refusal::new(ErrorCode::UnsupportedVersion, message));
            }
        }
        Ok(())
    }

    /// A broker says that it lives, and what it wants.
    pub(in crate::controller) fn broker_heartbeat(
        &mut self,
        draft: &mut Draft,
        request: &BrokerHeartbeat,
        now: Now,
    ) -> Result<HeartbeatReply, Refusal> {
        let (id, epoch) = (request.broker_id, request.broker_epoch);
        self.check_broker_epoch(&draft.image, id, epoch)?;
        let is_caught_up = self.sessions.heartbeat(
            id,
            epoch,
            request.metadata_index,
            now.monotonic,
            now.committed_index,
        );
        self.note_offline_directories(draft, id, &request.offline_log_dirs);
        let broker = match draft.image.broker(id) {
            Some(broker) => broker.clone(),
            None => return Err(ErrorCode::StaleBrokerEpoch.into()),
        };
        let mut reply = HeartbeatReply {
            is_caught_up,
            is_fenced: broker.fenced,
            ..Default::default()
        };
        if request.want_shutdown {
            reply.should_shut_down = self.shut_down(draft, &broker, now);
            if reply.should_shut_down && !broker.fenced {
                self.fence(draft, id);
                reply.is_fenced = true;
            }
        } else if broker.fenced && !request.want_fence && is_caught_up {
            draft.push(registration_change(&broker, -1, 0));
            self.follow_broker(draft, BrokerChange::Joins(id));
            reply.is_fenced = false;
        } else if !broker.fenced && request.want_fence {
            self.fence(draft, id);
            reply.is_fenced = true;
        }
        Ok(reply)
    }

    /// Moves the leaders of a broker that wants to stop, and says whether it may.
    fn shut_down(&mut self, draft: &mut Draft, broker: &BrokerImage, now: Now) -> bool {
        let id = broker.id;
        if broker.fenced {
            return true;
        }
        if !broker.in_controlled_shutdown {
            draft.push(registration_change(broker, 0, 1));
            self.follow_broker(
                draft,
                BrokerChange::Leaves {
                    id,
                    loss: Loss::default(),
                },
            );
            // Nobody else to wait for: a cluster of one stops at once.
            return !draft
                .image
                .brokers()
                .any(|other| other.id != id && other.is_active());
        }
        let partitions = draft
            .image
            .topics()
            .flat_map(|topic| topic.partitions.values());
        if partitions
            .into_iter()
            .any(|partition| partition.leader == id)
        {
            return false;
        }
        // The others have to know who leads now; its own last heartbeat was answered after the
        // change was committed.
        let Some(session) = self.sessions.get_mut(id) else {
            return false;
        };
        let wanted = *session.shutdown_index.get_or_insert(now.committed_index);
        let mut others = draft
            .image
            .brokers()
            .filter(|other| other.id != id && other.is_active());
        others.all(|other| self.sessions.metadata_index(other.id) >= wanted)
    }

    fn note_offline_directories(&self, draft: &mut Draft, id: NodeId, offline: &[Uuid]) {
        let Some(broker) = draft.image.broker(id).cloned() else {
            return;
        };
        let lost: Vec<Uuid> = broker
            .log_dirs
            .iter()
            .copied()
            .filter(|dir| offline.contains(dir))
            .collect();
        // With no directory left the broker stops by itself.
        if lost.is_empty() || lost.len() == broker.log_dirs.len() {
            return;
        }
        let mut change = registration_change(&broker, 0, 0);
        change.log_dirs = broker
            .log_dirs
            .iter()
            .copied()
            .filter(|dir| !lost.contains(dir))
            .collect();
        draft.push(change);
        self.follow_broker(draft, BrokerChange::LosesDirectories(id, &lost));
    }

    /// Fences a broker: it leads nothing and leaves every ISR that has others.
    pub(super) fn fence(&self, draft: &mut Draft, id: NodeId) {
        let Some(broker) = draft
            .image
            .broker(id)
            .filter(|broker| !broker.fenced)
            .cloned()
        else {
            return;
        };
        draft.push(registration_change(&broker, 1, 0));
        self.follow_broker(
            draft,
            BrokerChange::Leaves {
                id,
                loss: Loss::default(),
            },
        );
    }

    /// Takes note that the controller did not listen for a while: what came meanwhile comes late,
    /// and nobody is silent for it.
    pub(in crate::controller) fn note_stall(&mut self, stalled: Duration, now: Now) {
        self.sessions.extend(stalled, now.monotonic);
    }

    /// Fences brokers that have been silent for a whole session. Returns them.
    pub(in crate::controller) fn fence_silent_brokers(
        &mut self,
        draft: &mut Draft,
        now: Now,
    ) -> Vec<NodeId> {
        let timeout = self.settings.broker_session_timeout;
        let silent: Vec<NodeId> = draft
            .image
            .brokers()
            .filter(|broker| !broker.fenced)
            .filter(|broker| self.sessions.is_expired(broker.id, now.monotonic, timeout))
            .map(|broker| broker.id)
            .take(MAX_FENCED_AT_ONCE)
            .collect();
        for id in &silent {
            self.fence(draft, *id);
            self.sessions.forget(*id);
        }
        silent
    }

    /// Fences a broker whose process is known to be gone. Returns whether it was unfenced.
    pub(in crate::controller) fn fence_dead_broker(
        &mut self,
        draft: &mut Draft,
        id: NodeId,
        incarnation_id: Uuid,
    ) -> bool {
        let broker = draft.image.broker(id);
        let is_it = broker.is_some_and(|b| b.incarnation_id == incarnation_id && !b.fenced);
        if is_it {
            self.fence(draft, id);
        }
        if broker_incarnation(&draft.image, id) == Some(incarnation_id) {
            self.sessions.forget(id);
        }
        is_it
    }

    /// UnregisterBroker: the broker is gone for good.
    pub(in crate::controller) fn unregister_broker(
        &mut self,
        draft: &mut Draft,
        id: NodeId,
    ) -> Result<(), Refusal> {
        let Some(broker) = draft.image.broker(id).cloned() else {
            let message = format!("Broker {id} is not registered");
            return Err(Refusal::new(ErrorCode::BrokerIdNotRegistered, message));
        };
        draft.push(UnregisterBrokerRecord {
            broker_id: id,
            broker_epoch: broker.epoch,
            ..Default::default()
        });
        let loss = Loss {
            unsynced: true,
            all_but: Some(&[]),
        };
        self.follow_broker(draft, BrokerChange::Leaves { id, loss });
        self.sessions.forget(id);
        Ok(())
    }
}

fn broker_incarnation(image: &MetadataImage, id: NodeId) -> Option<Uuid> {
    image.broker(id).map(|broker| broker.incarnation_id)
}

fn registration_change(
    broker: &BrokerImage,
    fenced: i8,
    in_controlled_shutdown: i8,
) -> BrokerRegistrationChangeRecord {
    BrokerRegistrationChangeRecord {
        broker_id: broker.id,
        broker_epoch: broker.epoch,
        fenced,
        in_controlled_shutdown,
        ..Default::default()
    }
}

/// An epoch above those of all registered brokers, and above the log's last index, so that it is
/// also above those of brokers that were unregistered.
fn next_epoch(image: &MetadataImage, committed_index: u64) -> BrokerEpoch {
    let highest = image
        .brokers()
        .map(|broker| broker.epoch)
        .max()
        .unwrap_or(0);
    let index = BrokerEpoch::try_from(committed_index).unwrap_or(BrokerEpoch::MAX - 1);
    highest.max(index).saturating_add(1)
}
