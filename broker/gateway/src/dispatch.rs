//! From an API key and version to a handler, and from its answer back to bytes.
//!
//! [`APIS`] is the one list of what is served; an API that is not in it is not advertised.

use std::future::Future;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use odeon_protocol::{ApiKey, EncodeError, RequestHeader, messages as m};
use odeon_schema::{Decoder, Message};

use crate::connection::Started;
use crate::context::{GatewayState, Peer, RequestContext};
use crate::frame::Frame;
use crate::handlers;
use crate::hooks::{Answered, Usage};
use crate::response::Response;
use crate::turnaround::Turnaround;

/// What becomes of a request.
#[derive(Debug)]
pub enum Outcome {
    /// An answer, and how long the connection is muted after it.
    Answer {
        /// The response's frame, in pieces.
        segments: Vec<Bytes>,
        /// How long nothing is read from this connection.
        throttle: Duration,
    },
    /// The request wants no answer (acks=0).
    Nothing,
    /// The connection is closed without an answer.
    Close,
}

/// What the reader remembers between requests.
#[derive(Debug, Default)]
pub struct ConnectionState {
    /// Whether the last request may overlap with the next of its kind.
    pub last_overlaps: bool,
    client_id: Option<Arc<str>>,
    /// How soon the client comes back.
    pub turnaround: Turnaround,
}

/// A request whose header was understood.
#[derive(Debug)]
pub struct Request {
    api: ApiKey,
    context: RequestContext,
    body: Decoder,
    frame: Frame,
    /// ApiVersions with a version that is not served: answered in version 0 (KIP-511).
    unsupported_api_versions: bool,
}

impl Request {
    /// Reads a frame's header. `None`: an API or version that is not served, or a broken header.
    pub fn parse(
        gateway: &Arc<GatewayState>,
        peer: &Arc<Peer>,
        frame: Frame,
        arrived: Duration,
        state: &mut ConnectionState,
    ) -> Option<Self> {
        let key = i16::from_be_bytes(*frame.bytes.first_chunk()?);
        let version = i16::from_be_bytes(*frame.bytes.get(2..)?.first_chunk()?);
        let api = ApiKey::from_code(key)?;
        let served = versions_of(api)?;
        let unsupported = !served.contains(&version);
        if unsupported && api != ApiKey::ApiVersions {
            tracing::debug!(
                api = api.name(),
                version,
                "a version that is not served was asked"
            );
            return None;
        }
        let header_version = if unsupported {
            1
        } else {
            api.request_header_version(version)
        };
        let mut body = Decoder::new(frame.bytes.clone());
        let header = RequestHeader::decode(&mut body, header_version).ok()?;
        let name = header.client_id.as_deref().unwrap_or_default();
        let client_id = match &state.client_id {
            Some(known) if **known == *name => known.clone(),
            _ => Arc::from(name),
        };
        state.client_id = Some(client_id.clone());
        let context = RequestContext {
            gateway: gateway.clone(),
            peer: peer.clone(),
            client_id,
            api_version: version,
            correlation_id: header.correlation_id,
            arrived,
            request_bytes: frame.bytes.len() as u64,
            worthwhile_bytes: state.turnaround.worthwhile_bytes(),
        };
        Some(Self {
            api,
            context,
            body,
            frame,
            unsupported_api_versions: unsupported,
        })
    }

    /// Whether it may overlap with others of its kind on the same connection.
    pub fn overlaps(&self) -> bool {
        self.api == ApiKey::Produce
    }
}

/// Starts a request: for Produce the batches are with their leaders when this returns.
pub(crate) fn start(request: Request) -> Started {
    if request.unsupported_api_versions {
        let context = request.context;
        return Started {
            cancellable: true,
            outcome: Box::pin(async move {
                let answer = handlers::api_versions::unsupported();
                let context = RequestContext {
                    api_version: 0,
                    ..context
                };
                let queue = since_arrival(&context);
                finish(&context, ApiKey::ApiVersions, queue, Some(answer))
            }),
        };
    }
    let cancellable = request.api != ApiKey::Produce;
    Started {
        outcome: route(request),
        cancellable,
    }
}

type Running = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// Decodes the body, runs the handler, encodes its answer.
fn run<Q, A, F>(
    request: Request,
    handler: impl FnOnce(RequestContext, Q) -> F + Send + 'static,
) -> Running
where
    Q: Message,
    A: Response + 'static,
    F: Future<Output = A> + Send,
{
    Box::pin(async move {
        let Request {
            api,
            context,
            mut body,
            frame,
            ..
        } = request;
        let queue = since_arrival(&context);
        let decoded = match Q::decode(&mut body, context.api_version) {
            Ok(decoded) => decoded,
            Err(error) => return broken(api, &context, &error),
        };
        let answer = handler(context.clone(), decoded).await;
        drop(frame);
        finish(&context, api, queue, Some(answer))
    })
}

fn broken(api: ApiKey, context: &RequestContext, error: &dyn std::fmt::Display) -> Outcome {
    tracing::debug!(api = api.name(), version = context.api_version, %error, "a request was broken");
    Outcome::Close
}

fn since_arrival(context: &RequestContext) -> Duration {
    let now = context.node().clock.monotonic();
    now.saturating_sub(context.arrived)
}

/// The one way out: the throttle hook, the metrics hook, the request log, the encoder. `queue` is
/// how long the request waited for its handler.
fn finish<A: Response>(
    context: &RequestContext,
    api: ApiKey,
    queue: Duration,
    answer: Option<A>,
) -> Outcome {
    let total = since_arrival(context);
    let usage = Usage {
        api,
        request_bytes: context.request_bytes,
        total,
    };
    let throttle = context
        .gateway
        .quotas
        .throttle(context.requester(), &context.client_id, &usage);
    let mut error = false;
    let outcome = match answer {
        None => Outcome::Nothing,
        Some(mut answer) => {
            error = answer.top_level_error_code().is_some_and(|code| code != 0);
            if !throttle.is_zero() {
                answer
                    .set_throttle_time_ms(i32::try_from(throttle.as_millis()).unwrap_or(i32::MAX));
            }
            let version = context.api_version;
            match odeon_protocol::encode_response(context.correlation_id, api, version, &answer) {
                Ok(segments) => Outcome::Answer { segments, throttle },
                // A name that is not UTF-8 grows when it is read, and then it fits into no answer.
                Err(error @ EncodeError::StringTooLong(_)) => broken(api, context, &error),
                Err(error) => {
                    tracing::error!(api = api.name(), version, %error, "an answer did not encode");
                    Outcome::Close
                }
            }
        }
    };
    let response_bytes = match &outcome {
        Outcome::Answer { segments, .. } => segments.iter().map(|s| s.len() as u64).sum(),
        _ => 0,
    };
    let request_bytes = context.request_bytes;
    let answered = Answered {
        api,
        error,
        request_bytes,
        response_bytes,
        queue,
        total,
    };
    context.gateway.metrics.record(&answered);
    if context.gateway.request_log {
        tracing::info!(
            api = api.name(),
            version = context.api_version,
            client = &*context.client_id,
            error,
            "request"
        );
    }
    outcome
}

/// Makes [`APIS`] and [`route`] from one list.
macro_rules! apis {
    ($($key:ident $module:ident $request:ident;)*) => {
        /// Every API that is served, with its versions, by key.
        pub const APIS: &[(ApiKey, RangeInclusive<i16>)] =
            &[$((ApiKey::$key, handlers::$module::VERSIONS)),*];

        fn route(request: Request) -> Running {
            match request.api {
                ApiKey::Produce => produce(request),
                $(ApiKey::$key => run::<m::$request, _, _>(request, |context, body| async move {
                    handlers::$module::handle(&context, body).await
                }),)*
                // `parse` lets only served APIs through.
                _ => Box::pin(async { Outcome::Close }),
            }
        }
    };
}

apis! {
    Fetch fetch FetchRequest;
    ListOffsets list_offsets ListOffsetsRequest;
    Metadata metadata MetadataRequest;
    OffsetCommit offset_commit OffsetCommitRequest;
    OffsetFetch offset_fetch OffsetFetchRequest;
    FindCoordinator find_coordinator FindCoordinatorRequest;
    JoinGroup join_group JoinGroupRequest;
    Heartbeat heartbeat HeartbeatRequest;
    LeaveGroup leave_group LeaveGroupRequest;
    SyncGroup sync_group SyncGroupRequest;
    DescribeGroups describe_groups DescribeGroupsRequest;
    ListGroups list_groups ListGroupsRequest;
    ApiVersions api_versions ApiVersionsRequest;
    CreateTopics create_topics CreateTopicsRequest;
    DeleteTopics delete_topics DeleteTopicsRequest;
    DeleteRecords delete_records DeleteRecordsRequest;
    InitProducerId init_producer_id InitProducerIdRequest;
    OffsetForLeaderEpoch offset_for_leader_epoch OffsetForLeaderEpochRequest;
    DescribeConfigs describe_configs DescribeConfigsRequest;
    AlterConfigs alter_configs AlterConfigsRequest;
    AlterReplicaLogDirs alter_replica_log_dirs AlterReplicaLogDirsRequest;
    DescribeLogDirs describe_log_dirs DescribeLogDirsRequest;
    CreatePartitions create_partitions CreatePartitionsRequest;
    DeleteGroups delete_groups DeleteGroupsRequest;
    ElectLeaders elect_leaders ElectLeadersRequest;
    IncrementalAlterConfigs incremental_alter_configs IncrementalAlterConfigsRequest;
    AlterPartitionReassignments alter_partition_reassignments AlterPartitionReassignmentsRequest;
    ListPartitionReassignments list_partition_reassignments ListPartitionReassignmentsRequest;
    OffsetDelete offset_delete OffsetDeleteRequest;
    DescribeQuorum describe_quorum DescribeQuorumRequest;
    DescribeCluster describe_cluster DescribeClusterRequest;
    DescribeProducers describe_producers DescribeProducersRequest;
    UnregisterBroker unregister_broker UnregisterBrokerRequest;
    DescribeTopicPartitions describe_topic_partitions DescribeTopicPartitionsRequest;
    AddRaftVoter add_raft_voter AddRaftVoterRequest;
    RemoveRaftVoter remove_raft_voter RemoveRaftVoterRequest;
}

/// The versions of an API that are served, `None` when the API is not.
pub fn versions_of(api: ApiKey) -> Option<RangeInclusive<i16>> {
    if api == ApiKey::Produce {
        return Some(handlers::produce::VERSIONS);
    }
    APIS.iter()
        .find(|(key, _)| *key == api)
        .map(|(_, versions)| versions.clone())
}

/// Produce starts at once, so that batches reach their leaders in arrival order; what is left to
/// await is only the acknowledgement.
fn produce(request: Request) -> Running {
    let Request {
        api,
        context,
        mut body,
        frame,
        ..
    } = request;
    let queue = since_arrival(&context);
    let decoded = match m::ProduceRequest::decode(&mut body, context.api_version) {
        Ok(decoded) => decoded,
        Err(error) => {
            let outcome = broken(api, &context, &error);
            return Box::pin(async move { outcome });
        }
    };
    drop(body);
    let acks = decoded.acks;
    let pending = handlers::produce::begin(&context, decoded);
    Box::pin(async move {
        let answer = pending.answer(&context).await;
        drop(frame);
        match (acks, handlers::produce::failed(&answer)) {
            // A client that wants no answer learns of a failure by the closed connection.
            (0, true) => {
                finish::<m::ProduceResponse>(&context, api, queue, None);
                Outcome::Close
            }
            (0, false) => finish::<m::ProduceResponse>(&context, api, queue, None),
            _ => finish(&context, api, queue, Some(answer)),
        }
    })
}
