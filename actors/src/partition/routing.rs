//! Which partitions this node leads right now.

use std::sync::Arc;

use dashmap::DashMap;
use odeon_kernel::Signal;
use odeon_model::{PartitionId, TopicId};

use super::leader::LeaderHandle;
use super::view::PartitionView;

/// A partition that this node leads.
#[derive(Debug, Clone)]
pub struct Route {
    /// Where appends go.
    pub leader: LeaderHandle,
    /// What readers see.
    pub view: Arc<PartitionView>,
}

/// The partitions that this node leads. Written by the broker actor, read by everyone.
#[derive(Debug, Default)]
pub struct RoutingTable {
    routes: DashMap<(TopicId, PartitionId), Route>,
    /// Rings when a route is added.
    pub(crate) added: Signal,
}

impl RoutingTable {
    /// The route to a partition, `None` when this node does not lead it.
    pub fn get(&self, topic_id: TopicId, partition: PartitionId) -> Option<Route> {
        self.routes
            .get(&(topic_id, partition))
            .map(|route| route.value().clone())
    }

    /// All routes there are, by topic id and partition.
    pub fn all(&self) -> Vec<Route> {
        let mut all: Vec<Route> = self
            .routes
            .iter()
            .map(|route| route.value().clone())
            .collect();
        all.sort_by_key(|route| (route.view.topic_id, route.view.partition));
        all
    }

    /// How many partitions this node leads.
    pub fn len(&self) -> usize {
        self.routes.len()
    }

    /// Whether this node leads nothing.
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    pub(crate) fn insert(&self, route: Route) {
        let key = (route.view.topic_id, route.view.partition);
        if let Some(old) = self.routes.insert(key, route) {
            old.view.close();
        }
        self.added.notify();
    }

    pub(crate) fn remove(&self, topic_id: TopicId, partition: PartitionId) {
        if let Some((_, route)) = self.routes.remove(&(topic_id, partition)) {
            route.view.close();
        }
    }
}
