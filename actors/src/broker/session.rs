//! A broker's session with the controller: registration, then heartbeats, and at the end the
//! hand-over of what it leads.
//!
//! It runs in a task of its own, so that a reconciliation that waits for a slow disk never delays a
//! heartbeat.

use std::time::Duration;

use odeon_kernel::watch;
use odeon_log::LogManager;
use odeon_model::{BrokerEpoch, ErrorCode, Uuid};

use super::actor::{BrokerArguments, BrokerStatus};
use crate::controller::{BrokerHeartbeat, BrokerRegistration};
use crate::settings::liveness;

/// How long a retry waits when the controller does not answer.
const RETRY: Duration = Duration::from_millis(50);
/// How often a broker that wants to stop asks whether it may.
const STOPPING_INTERVAL: Duration = Duration::from_millis(50);

/// A session that begins with the next registration.
#[derive(Debug)]
pub(super) struct Session {
    arguments: BrokerArguments,
    broker_epoch: BrokerEpoch,
    stopping: watch::Receiver<bool>,
}

impl Session {
    pub(super) fn new(arguments: BrokerArguments) -> Self {
        Self {
            stopping: arguments.stopping.subscribe(),
            arguments,
            broker_epoch: -1,
        }
    }

    /// Keeps the session up until the broker may stop.
    pub(super) async fn run(mut self) {
        let clock = self.arguments.clock.clone();
        let interval = liveness(&self.arguments.properties).heartbeat_interval;
        let mut image = self.arguments.image.clone();
        loop {
            if self.broker_epoch < 0 && !self.register().await {
                clock.sleep(RETRY).await;
                continue;
            }
            self.beat().await;
            let status = self.arguments.status.get();
            if status.may_stop {
                return;
            }
            if *self.stopping.borrow_and_update() {
                clock.sleep(interval.min(STOPPING_INTERVAL)).await;
                continue;
            }
            // While fenced: our own registration is on its way to us, and its arrival unfences.
            tokio::select! {
                biased;
                stopping = self.stopping.changed() => if stopping.is_err() { return },
                () = clock.sleep(interval) => {}
                changed = image.changed(), if !status.unfenced => if changed.is_err() { return },
            }
        }
    }

    async fn register(&mut self) -> bool {
        let arguments = &self.arguments;
        let registration = BrokerRegistration {
            broker_id: arguments.node_id,
            cluster_id: arguments.cluster_id.to_string(),
            incarnation_id: arguments.incarnation_id,
            endpoints: arguments.endpoints.clone(),
            features: odeon_metadata::supported_features(),
            rack: arguments.config.rack.clone(),
            log_dirs: arguments.logs.directories().map(|dir| dir.id()).collect(),
            previous_broker_epoch: arguments.logs.previous_broker_epoch(),
        };
        match arguments.controller.register_broker(registration).await {
            Ok(epoch) => {
                self.broker_epoch = epoch;
                tracing::info!(broker_epoch = epoch, "registered");
                true
            }
            Err(refusal) => {
                tracing::debug!(%refusal, "registration was refused");
                false
            }
        }
    }

    async fn beat(&mut self) {
        let arguments = &self.arguments;
        let stopping = *self.stopping.borrow();
        let heartbeat = BrokerHeartbeat {
            broker_id: arguments.node_id,
            broker_epoch: self.broker_epoch,
            metadata_index: arguments.image.get().position().index,
            want_fence: false,
            want_shutdown: stopping,
            offline_log_dirs: offline_dirs(&arguments.logs),
        };
        match arguments.controller.broker_heartbeat(heartbeat).await {
            Ok(reply) => {
                let status = BrokerStatus {
                    broker_epoch: self.broker_epoch,
                    unfenced: !reply.is_fenced,
                    may_stop: stopping && reply.should_shut_down,
                };
                if *arguments.status.get() != status {
                    arguments.status.publish(status);
                }
            }
            Err(refusal) => {
                tracing::debug!(%refusal, "a heartbeat was refused");
                if refusal.code == ErrorCode::StaleBrokerEpoch {
                    self.broker_epoch = -1;
                }
            }
        }
    }
}

fn offline_dirs(logs: &LogManager) -> Vec<Uuid> {
    logs.directories()
        .filter(|dir| dir.is_offline())
        .map(|dir| dir.id())
        .collect()
}
