//! Fetch (key 1).
//!
//! | version | what it brought |
//! |---|---|
//! | 4 | the oldest served: isolation level, last stable offset, aborted transactions |
//! | 5 | log start offset |
//! | 7 | incremental sessions (KIP-227) |
//! | 9 | current leader epoch (KIP-320) |
//! | 10 | zstd |
//! | 11 | rack (KIP-392) |
//! | 12 | flexible; last fetched epoch, diverging epoch |
//! | 13 | topics by id (KIP-516) |
//! | 15 | replica state (KIP-903) |
//! | 16 | node endpoints (KIP-951) |
//! | 17 | directory id (KIP-853) |
//! | 18 | high watermark of a replica (KIP-1166) |
//!
//! A fetch below version 10 that meets a zstd batch gets it, as from Kafka 4: nothing is converted.
//!
//! Deviations: a session that has more partitions than exist, or for which there is no room, is not
//! kept. Replicas do not fetch through this API. Of the replicas in a client's rack the first in-sync one is
//! preferred, not the one that is most caught up. A follower says of no offset that it is out of range: it
//! may only be behind, and a client that believes it starts over; it sends to the leader. An answer holds
//! no more than is worthwhile on the client's link (`turnaround`), whatever the client allows.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use odeon_actors::partition::PartitionView;
use odeon_kernel::signal::Waiter;
use odeon_metadata::MetadataImage;
use odeon_model::{ErrorCode, NodeId};
use odeon_protocol::messages::fetch_response::{
    EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch, NodeEndpoint, PartitionData,
};
use odeon_protocol::messages::{FetchRequest, FetchResponse};

use super::lookup;
use super::read::{Admitted, Limits, Read, admit, read_records, told};
use crate::authorizer::Operation;
use crate::context::RequestContext;
use crate::session::{Plan, SessionRequest, Told, TopicRef, Wanted};

/// The versions served.
pub const VERSIONS: RangeInclusive<i16> = 4..=18;

/// Answers a fetch, waiting until there is enough, something went wrong, or the time is over.
pub async fn handle(context: &RequestContext, mut request: FetchRequest) -> FetchResponse {
    let limits = limits(context, &request);
    let max_wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
    let existing = || context.node().image.get().partition_count();
    let rack = std::mem::take(&mut request.rack_id);
    let plan = match context.gateway.fetch_sessions.plan(
        session_request(context, request),
        context.now_ms(),
        existing,
    ) {
        Ok(plan) => plan,
        Err(code) => {
            return FetchResponse {
                error_code: code.code(),
                ..Default::default()
            };
        }
    };
    let mut reading = Reading::resolve(context, plan, limits, &rack);
    reading.until_enough(context, max_wait).await;
    reading.answer(context)
}

/// The partitions take turns where the answer has no room for all that they may bring, and keep the
/// order in which they are named where it has, or where the client itself asked for less.
fn first(plan: &Plan, limits: Limits, parts: &[Part]) -> usize {
    let bytes = parts.iter().map(|part| part.wanted.max_bytes);
    let bytes = bytes.map(|bytes| usize::try_from(bytes).unwrap_or(0));
    let most_bytes = bytes.fold(0, usize::saturating_add);
    match limits.is_shortened && most_bytes > limits.max_bytes {
        true => plan.first.min(parts.len()),
        false => 0,
    }
}

fn limits(context: &RequestContext, request: &FetchRequest) -> Limits {
    let allowed = context.node().config.network.fetch_max_bytes;
    let asked_bytes = i64::from(request.max_bytes).min(allowed);
    let asked_bytes = usize::try_from(asked_bytes).unwrap_or(0);
    let min_bytes = usize::try_from(request.min_bytes).unwrap_or(0);
    let worthwhile_bytes = context.worthwhile_bytes.max(min_bytes);
    Limits {
        max_bytes: asked_bytes.min(worthwhile_bytes),
        min_bytes,
        committed: request.isolation_level == 1,
        is_shortened: worthwhile_bytes < asked_bytes,
    }
}

fn session_request(context: &RequestContext, request: FetchRequest) -> SessionRequest {
    let uses_ids = context.api_version >= 13;
    let wanted = request
        .topics
        .into_iter()
        .flat_map(|topic| {
            let topic_ref = TopicRef {
                name: topic.topic.into(),
                id: topic.topic_id,
            };
            topic.partitions.into_iter().map(move |partition| Wanted {
                topic: topic_ref.clone(),
                partition: partition.partition,
                fetch_offset: partition.fetch_offset,
                max_bytes: partition.partition_max_bytes,
                current_leader_epoch: partition.current_leader_epoch,
                last_fetched_epoch: partition.last_fetched_epoch,
            })
        })
        .collect();
    let forgotten = request
        .forgotten_topics_data
        .into_iter()
        .flat_map(|topic| {
            let topic_ref = TopicRef {
                name: topic.topic.into(),
                id: topic.topic_id,
            };
            topic
                .partitions
                .into_iter()
                .map(move |partition| (topic_ref.clone(), partition))
        })
        .collect();
    let (session_id, session_epoch) = (request.session_id, request.session_epoch);
    SessionRequest {
        session_id,
        session_epoch,
        uses_ids,
        wanted,
        forgotten,
    }
}

/// One partition of a fetch.
#[derive(Debug)]
struct Part {
    wanted: Wanted,
    view: Result<Arc<PartitionView>, ErrorCode>,
    /// This node follows the partition.
    follows: bool,
    /// The replica that the client should read from instead, -1 for this one.
    nearer: NodeId,
    read: Read,
}

#[derive(Debug)]
struct Reading {
    plan: Plan,
    limits: Limits,
    parts: Vec<Part>,
    /// Which of them is read first.
    first: usize,
}

impl Reading {
    fn resolve(context: &RequestContext, mut plan: Plan, limits: Limits, rack: &str) -> Self {
        let image = context.node().image.get();
        let selects = !rack.is_empty() && selects_by_rack(context);
        let parts: Vec<Part> = std::mem::take(&mut plan.wanted)
            .into_iter()
            .map(|wanted| {
                let found = find(context, &image, &wanted);
                let follows = matches!(found, Ok((_, true)));
                let view = found.map(|(view, _)| view);
                let nearer = match &view {
                    Ok(view) if selects => nearer(context, &image, view, rack),
                    _ => -1,
                };
                Part {
                    wanted,
                    view,
                    follows,
                    nearer,
                    read: Read::default(),
                }
            })
            .collect();
        Self {
            first: first(&plan, limits, &parts),
            plan,
            limits,
            parts,
        }
    }

    async fn until_enough(&mut self, context: &RequestContext, max_wait: Duration) {
        let mut deadline = context.node().clock.sleep(max_wait);
        loop {
            // Registered before reading, so that nothing that is written meanwhile is missed.
            let views: Vec<_> = self
                .parts
                .iter()
                .filter_map(|part| part.view.as_ref().ok().cloned())
                .collect();
            let mut waiter = Waiter::with_capacity(views.len());
            for view in &views {
                waiter.register(&view.signal);
            }
            let (bytes, urgent) = self.read_all(context).await;
            if urgent
                || bytes >= self.limits.min_bytes
                || max_wait.is_zero()
                || self.parts.is_empty()
            {
                return;
            }
            tokio::select! {
                biased;
                () = waiter.wait() => {}
                () = &mut deadline => return,
            }
        }
    }

    /// Reads every partition; returns the bytes read and whether the answer must go at once.
    async fn read_all(&mut self, context: &RequestContext) -> (usize, bool) {
        let mut total = 0;
        let mut urgent = false;
        let (last, first) = self.parts.split_at_mut(self.first);
        for part in first.iter_mut().chain(last) {
            let left = self.limits.max_bytes.saturating_sub(total);
            let read = match &part.view {
                Ok(view) if part.nearer >= 0 => Read {
                    offsets: told(view),
                    ..Read::default()
                },
                Ok(view) => match admit(view, &part.wanted, self.limits, left, total == 0) {
                    Admitted::Answered(read) => read,
                    Admitted::Reads(range, offsets) => {
                        read_records(context, view, range, offsets).await
                    }
                },
                Err(code) => Read {
                    error: Some(*code),
                    ..Read::default()
                },
            };
            part.read = match part.follows {
                true => read.of_follower(),
                false => read,
            };
            total += part.read.records.len();
            urgent |= part.read.error.is_some() || part.read.diverging.is_some();
            urgent |= part.nearer >= 0;
        }
        (total, urgent)
    }

    fn answer(self, context: &RequestContext) -> FetchResponse {
        let mut response = FetchResponse {
            session_id: self.plan.session_id,
            ..Default::default()
        };
        let mut endpoints = Vec::new();
        for part in self.parts {
            let Part {
                wanted,
                read,
                nearer,
                ..
            } = part;
            let told = Told {
                error_code: read.error.map_or(0, ErrorCode::code),
                ..read.offsets
            };
            if !self.plan.must_tell(
                &wanted.topic,
                wanted.partition,
                told,
                !read.records.is_empty() || nearer >= 0,
            ) {
                continue;
            }
            let mut data = partition_data(
                context,
                &wanted,
                read,
                told,
                self.limits.committed,
                &mut endpoints,
            );
            data.preferred_read_replica = nearer;
            match response.responses.last_mut() {
                Some(last)
                    if *last.topic == *wanted.topic.name && last.topic_id == wanted.topic.id =>
                {
                    last.partitions.push(data);
                }
                _ => response.responses.push(FetchableTopicResponse {
                    topic: wanted.topic.name.to_string(),
                    topic_id: wanted.topic.id,
                    partitions: vec![data],
                    ..Default::default()
                }),
            }
        }
        if context.api_version >= 16 {
            response.node_endpoints = node_endpoints(context, &endpoints);
        }
        response
    }
}

/// The view of a partition's leader, or of its follower here for clients that know of such reads
/// (KIP-392), if the requester may read the topic; and whether it is a follower's.
fn find(
    context: &RequestContext,
    image: &MetadataImage,
    wanted: &Wanted,
) -> Result<(Arc<PartitionView>, bool), ErrorCode> {
    let by_id = context.api_version >= 13;
    let topic = lookup::permitted(context, image, Operation::Read, by_id, &wanted.topic)?;
    let (view, follows) = match lookup::route(context, &topic, wanted.partition) {
        Ok(route) => (route.view, false),
        Err(code) => {
            let routing = &context.node().routing;
            let followed = routing.follower(topic.id, wanted.partition);
            let followed = followed.filter(|_| context.api_version >= 11);
            (followed.ok_or(code)?.view, true)
        }
    };
    lookup::check_epoch(wanted.current_leader_epoch, view.leader_epoch)?;
    Ok((view, follows))
}

/// Whether clients are sent to the replica in their rack: `replica.selector.class`.
fn selects_by_rack(context: &RequestContext) -> bool {
    let class = &context.node().config.replication.replica_selector_class;
    let class = class.as_deref();
    class.is_some_and(|class| class.ends_with("RackAwareReplicaSelector"))
}

/// The in-sync replica in the client's rack that it should read from, -1 for the leader itself. All
/// of them hold what readers may see.
fn nearer(
    context: &RequestContext,
    image: &MetadataImage,
    view: &PartitionView,
    rack: &str,
) -> NodeId {
    let own = context.node().node_id;
    let Some(partition) = image.partition_by_id(view.topic_id, view.partition) else {
        return -1;
    };
    let is_near = |id: &NodeId| {
        image
            .broker(*id)
            .is_some_and(|broker| broker.is_active() && broker.rack.as_deref() == Some(rack))
    };
    if partition.leader != own || is_near(&own) {
        return -1;
    }
    partition.isr.iter().copied().find(is_near).unwrap_or(-1)
}

fn partition_data(
    context: &RequestContext,
    wanted: &Wanted,
    read: Read,
    told: Told,
    committed: bool,
    endpoints: &mut Vec<i32>,
) -> PartitionData {
    let mut data = PartitionData {
        partition_index: wanted.partition,
        error_code: told.error_code,
        high_watermark: if read.error.is_some() {
            -1
        } else {
            told.high_watermark
        },
        last_stable_offset: if read.error.is_some() {
            -1
        } else {
            told.last_stable_offset
        },
        log_start_offset: if read.error.is_some() {
            -1
        } else {
            told.log_start_offset
        },
        // None were aborted; who reads everything is told nothing of them.
        aborted_transactions: (read.error.is_some() || committed).then(Vec::new),
        preferred_read_replica: -1,
        records: Some(read.records),
        ..Default::default()
    };
    if let Some((epoch, end_offset)) = read.diverging {
        data.diverging_epoch = EpochEndOffset {
            epoch,
            end_offset,
            ..Default::default()
        };
    }
    let can_name_leader = context.api_version >= 12;
    if can_name_leader
        && matches!(
            read.error,
            Some(ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch)
        )
    {
        let image = context.node().image.get();
        if let Ok(topic) = lookup::topic(&image, &wanted.topic.name, wanted.topic.id) {
            let leader = lookup::leader(&topic, wanted.partition);
            data.current_leader = LeaderIdAndEpoch {
                leader_id: leader.id,
                leader_epoch: leader.epoch,
                ..Default::default()
            };
            if leader.id >= 0 && !endpoints.contains(&leader.id) {
                endpoints.push(leader.id);
            }
        }
    }
    data
}

fn node_endpoints(context: &RequestContext, nodes: &[i32]) -> Vec<NodeEndpoint> {
    let image = context.node().image.get();
    nodes
        .iter()
        .filter_map(|node_id| {
            let (host, port, rack) = lookup::endpoint(&image, *node_id, &context.peer.listener)?;
            Some(NodeEndpoint {
                node_id: *node_id,
                host,
                port,
                rack,
                ..Default::default()
            })
        })
        .collect()
}
