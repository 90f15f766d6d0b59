//! Starting and stopping replicas, fetchers and logs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use odeon_kernel::supervisor::ChildSpec;
use odeon_log::Log;
use odeon_metadata::{MetadataImage, NO_LEADER, PartitionImage};
use odeon_model::config::TopicConfig;
use odeon_model::{LeaderEpoch, NodeId, TopicPartition};

use super::{Action, BrokerState, LeadError};
use crate::broker::logs::open;
use crate::broker::reconcile::Which;
use crate::node::OFFSETS_TOPIC;
use crate::partition::follower::{self, FollowerArguments};
use crate::partition::leader::{self, LeaderArguments};
use crate::partition::newest::Settings;
use crate::partition::replication::fetcher::{self, FetcherArguments, FetcherHandle};
use crate::partition::{Followed, PartitionView, Route};
use crate::settings::{log_config, topic_config};

/// A replica's log and its topic's settings.
struct Opened {
    log: Log,
    config: Arc<TopicConfig>,
}

impl BrokerState {
    pub(super) async fn lead(
        &self,
        image: &MetadataImage,
        which: &Which,
        partition: &PartitionImage,
    ) -> Result<(), LeadError> {
        let arguments = &self.arguments;
        let (topic_id, leader_epoch) = (which.topic_id, partition.leader_epoch);
        if let Some(route) = arguments.routing.get(topic_id, which.partition)
            && route.view.leader_epoch == leader_epoch
        {
            // It runs: this is a restart of the broker actor, not of the leader.
            set_replicas(&route, partition);
            if *which.topic == *OFFSETS_TOPIC && !arguments.groups.has(which.partition) {
                arguments.groups.lead(which.partition, route).await;
            }
            return Ok(());
        }
        let Opened { log, config } = self.open(image, which).await?;
        let max_batch_bytes = config.max_message_bytes;
        let view = self.view(which, leader_epoch, &log, &config);
        let lag_max_ms = arguments.config.replication.lag_time_max_ms;
        let (spec, leader) = leader::child(LeaderArguments {
            log,
            leader_epoch,
            leases: arguments.leases.clone(),
            node_id: arguments.node_id,
            replicas: partition.replicas.clone(),
            view: view.clone(),
            isr: partition.isr.clone(),
            partition_epoch: partition.partition_epoch,
            changer: arguments.changer.clone(),
            handle: None,
            restarts: Arc::default(),
            lag_max: Duration::from_millis(u64::try_from(lag_max_ms).unwrap_or(0)),
            config,
            producer_id_expiration_ms: self.producer_id_expiration_ms(image),
            settings: Settings::default(),
            blocking: arguments.blocking,
            clock: arguments.clock.clone(),
        });
        self.start(which, spec).await?;
        let route = Route { leader, view };
        arguments.routing.insert(route.clone());
        if *which.topic == *OFFSETS_TOPIC {
            arguments.groups.set_max_batch_bytes(max_batch_bytes);
            arguments.groups.lead(which.partition, route).await;
        }
        Ok(())
    }

    pub(super) async fn follow(
        &self,
        image: &MetadataImage,
        which: &Which,
        partition: &PartitionImage,
    ) -> Result<(), LeadError> {
        let arguments = &self.arguments;
        let (topic_id, leader_epoch) = (which.topic_id, partition.leader_epoch);
        let known = arguments.routing.follower(topic_id, which.partition);
        if known.is_some_and(|known| known.leader_epoch == leader_epoch) {
            return Ok(());
        }
        let Opened { log, config } = self.open(image, which).await?;
        let view = self.view(which, leader_epoch, &log, &config);
        let (spec, follower) = follower::child(FollowerArguments {
            node_id: arguments.node_id,
            image: arguments.image.clone(),
            key: (topic_id, which.partition),
            log,
            leader_epoch,
            leases: arguments.leases.clone(),
            fetcher: self.fetcher(partition.leader)?,
            handle: None,
            view: view.clone(),
            config,
            producer_id_expiration_ms: self.producer_id_expiration_ms(image),
            settings: Settings::default(),
            blocking: arguments.blocking,
            clock: arguments.clock.clone(),
        });
        let leader = partition.leader;
        let followed = Followed {
            follower,
            view,
            leader,
            leader_epoch,
        };
        arguments
            .routing
            .follow(topic_id, which.partition, followed);
        self.start(which, spec).await.inspect_err(|_| {
            arguments.routing.unfollow(topic_id, which.partition);
        })
    }

    /// Starts the fetchers from the nodes that will be followed and that there is none from yet.
    pub(super) async fn start_fetchers(&self, actions: &[Action]) {
        let sources = actions.iter().filter_map(|action| match action {
            Action::Follow(_, partition) => Some(partition.leader),
            _ => None,
        });
        let sources: BTreeSet<NodeId> = sources.filter(|source| *source != NO_LEADER).collect();
        for source in sources {
            if self.arguments.fetchers.get(source).is_none()
                && let Err(error) = self.start_fetcher(source).await
            {
                tracing::error!(source, %error, "a fetcher could not be started");
            }
        }
    }

    fn fetcher(&self, source: NodeId) -> Result<Option<FetcherHandle>, LeadError> {
        let fetcher = self.arguments.fetchers.get(source);
        match source == NO_LEADER || fetcher.is_some() {
            true => Ok(fetcher),
            false => Err(LeadError::NoFetcher(source)),
        }
    }

    async fn start_fetcher(&self, source: NodeId) -> Result<(), LeadError> {
        let arguments = &self.arguments;
        let (spec, handle) = fetcher::child(FetcherArguments {
            node_id: arguments.node_id,
            source,
            mesh: arguments.mesh.clone(),
            routing: arguments.routing.clone(),
            image: arguments.image.clone(),
            quota: arguments.quotas.follower.clone(),
            handle: None,
            clock: arguments.clock.clone(),
            rng: arguments.rng.clone(),
        });
        arguments.replicas.add_child(spec).await?;
        arguments.fetchers.insert(source, handle);
        Ok(())
    }

    /// Stops what runs of a replica, and opens its log.
    async fn open(&self, image: &MetadataImage, which: &Which) -> Result<Opened, LeadError> {
        self.stop(which).await;
        let arguments = &self.arguments;
        let (node, statics) = (arguments.node_id, &arguments.properties);
        let config = Arc::new(topic_config(image, node, statics, &which.topic));
        let settings = log_config(&config, self.producer_id_expiration_ms(image));
        let (logs, name, topic_id) = (arguments.logs.clone(), which.name(), which.topic_id);
        let known = logs.get(&name).filter(|log| log.topic_id() == topic_id);
        if let Some(log) = known {
            // Nothing that touches the disk, so it need not wait for it.
            log.set_config(settings);
            return Ok(Opened { log, config });
        }
        let open = move || open(&logs, &name, topic_id, settings);
        let log = arguments.blocking.run(open).await?;
        Ok(Opened { log, config })
    }

    fn view(
        &self,
        which: &Which,
        leader_epoch: LeaderEpoch,
        log: &Log,
        config: &TopicConfig,
    ) -> Arc<PartitionView> {
        let (topic, topic_id) = (which.topic.clone(), which.topic_id);
        let (partition, reader) = (which.partition, log.reader());
        let view = PartitionView::new(topic, topic_id, partition, leader_epoch, reader, config);
        view.throttle(self.arguments.node_id, config);
        Arc::new(view)
    }

    async fn start(&self, which: &Which, spec: ChildSpec) -> Result<(), LeadError> {
        let replicas = &self.arguments.replicas;
        if let Err(error) = replicas.add_child(spec).await {
            let _ = replicas.remove_child(&which.name().to_string()).await;
            return Err(error.into());
        }
        Ok(())
    }

    /// Stops the leader or the follower of a partition, if there is one.
    pub(super) async fn stop(&self, which: &Which) {
        let arguments = &self.arguments;
        let (topic_id, partition) = (which.topic_id, which.partition);
        let followed = arguments.routing.unfollow(topic_id, partition);
        let led = arguments.routing.get(topic_id, partition).is_some();
        if !followed && !led {
            return;
        }
        if led && *which.topic == *OFFSETS_TOPIC {
            arguments.groups.resign(partition).await;
        }
        arguments.routing.remove(topic_id, partition);
        let name = which.name().to_string();
        let _ = arguments.replicas.remove_child(&name).await;
    }

    pub(super) async fn delete(&self, name: &TopicPartition) {
        let (logs, partition) = (self.arguments.logs.clone(), name.clone());
        let deleted = self
            .arguments
            .blocking
            .run(move || logs.delete(&partition))
            .await;
        if let Err(error) = deleted {
            tracing::error!(partition = %name, %error, "a deleted partition's files stay");
        }
    }
}

/// Tells a leader who its replicas are.
pub(super) fn set_replicas(route: &Route, partition: &PartitionImage) {
    route.leader.set_replicas(
        partition.replicas.clone(),
        partition.isr.clone(),
        partition.partition_epoch,
    );
}
