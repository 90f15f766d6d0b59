//! Which partitions this node leads and follows right now.

use std::sync::Arc;

use dashmap::DashMap;
use odeon_kernel::Signal;
use odeon_model::{LeaderEpoch, NodeId, PartitionId, TopicId};

use super::follower::FollowerHandle;
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

/// A partition that this node follows.
#[derive(Debug, Clone)]
pub struct Followed {
    /// The follower.
    pub follower: FollowerHandle,
    /// What readers see, up to the high watermark that the follower knows.
    pub view: Arc<PartitionView>,
    /// The leader's node, -1 while there is none.
    pub leader: NodeId,
    /// The epoch it follows in.
    pub leader_epoch: LeaderEpoch,
}

/// The partitions that this node leads and follows. Written by the broker actor, read by everyone.
#[derive(Debug, Default)]
pub struct RoutingTable {
    routes: DashMap<(TopicId, PartitionId), Route>,
    followed: DashMap<(TopicId, PartitionId), Followed>,
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

    /// The follower of a partition, if this node follows it.
    pub fn follower(&self, topic_id: TopicId, partition: PartitionId) -> Option<Followed> {
        self.followed
            .get(&(topic_id, partition))
            .map(|followed| followed.value().clone())
    }

    /// What is published of a partition that is led or followed here.
    pub(crate) fn view(
        &self,
        topic_id: TopicId,
        partition: PartitionId,
    ) -> Option<Arc<PartitionView>> {
        let led = self.get(topic_id, partition).map(|route| route.view);
        led.or_else(|| Some(self.follower(topic_id, partition)?.view))
    }

    /// All followers here, by topic id and partition.
    pub fn followers(&self) -> Vec<Followed> {
        let entries = self.followed.iter();
        let mut all: Vec<_> = entries
            .map(|one| (*one.key(), one.value().clone()))
            .collect();
        all.sort_by_key(|(key, _)| *key);
        all.into_iter().map(|(_, followed)| followed).collect()
    }

    /// The followers of the leaders of a node.
    pub(crate) fn followers_of(&self, leader: NodeId) -> Vec<FollowerHandle> {
        let all = self.followers().into_iter();
        all.filter(|followed| followed.leader == leader)
            .map(|followed| followed.follower)
            .collect()
    }

    pub(crate) fn follow(&self, topic_id: TopicId, partition: PartitionId, followed: Followed) {
        self.followed.insert((topic_id, partition), followed);
    }

    pub(crate) fn unfollow(&self, topic_id: TopicId, partition: PartitionId) -> bool {
        let followed = self.followed.remove(&(topic_id, partition));
        if let Some((_, followed)) = &followed {
            followed.view.close();
        }
        followed.is_some()
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
