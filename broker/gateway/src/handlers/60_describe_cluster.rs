//! DescribeCluster (key 60).
//!
//! | version | what it brought |
//! |---|---|
//! | 0 | the oldest served (KIP-700) |
//! | 1 | endpoint type: brokers or controllers (KIP-919) |
//! | 2 | fenced brokers on request (KIP-1073) |
//!
//! Deviations: none known. A request with the tagged field [`RESTARTS_TAG`] also gets the restarts of
//! this broker's actors.

use std::ops::RangeInclusive;

use odeon_model::ErrorCode;
use odeon_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use odeon_protocol::messages::{DescribeClusterRequest, DescribeClusterResponse};
use odeon_protocol::{RESTARTS_TAG, RawTaggedField};

use super::{lookup, metadata};
use crate::context::RequestContext;

/// The versions served.
pub const VERSIONS: RangeInclusive<i16> = 0..=2;

const BROKERS: i8 = 1;

/// Describes the cluster's nodes.
pub async fn handle(
    context: &RequestContext,
    request: DescribeClusterRequest,
) -> DescribeClusterResponse {
    let refuse = |code: ErrorCode, message: &str| DescribeClusterResponse {
        error_code: code.code(),
        error_message: Some(message.to_owned()),
        controller_id: -1,
        cluster_authorized_operations: i32::MIN,
        ..Default::default()
    };
    if context.api_version >= 1 && request.endpoint_type != BROKERS {
        return if request.endpoint_type == 2 {
            refuse(
                ErrorCode::MismatchedEndpointType,
                "This endpoint describes brokers.",
            )
        } else {
            refuse(
                ErrorCode::UnsupportedEndpointType,
                "Unsupported endpoint type.",
            )
        };
    }
    let image = context.node().image.get();
    let asks_restarts = request
        .unknown_tagged_fields
        .iter()
        .any(|field| field.tag == RESTARTS_TAG);
    let brokers = image
        .brokers()
        .filter(|broker| request.include_fenced_brokers || !broker.fenced)
        .filter_map(|broker| {
            let broker_id = broker.id;
            let found = lookup::endpoint(&image, broker_id, &context.peer.listener);
            let (host, port, rack) = found?;
            let is_fenced = broker.fenced;
            let tells_restarts = asks_restarts && broker_id == context.node().node_id;
            Some(DescribeClusterBroker {
                broker_id,
                host,
                port,
                rack,
                is_fenced,
                unknown_tagged_fields: tells_restarts
                    .then(|| restarts(context))
                    .into_iter()
                    .collect(),
            })
        })
        .collect();
    DescribeClusterResponse {
        endpoint_type: BROKERS,
        cluster_id: context.node().cluster_id.to_string(),
        controller_id: metadata::controller(context, &image),
        brokers,
        cluster_authorized_operations: metadata::cluster_operations(
            context,
            request.include_cluster_authorized_operations,
        ),
        ..Default::default()
    }
}

/// How often this node's actors were restarted.
fn restarts(context: &RequestContext) -> RawTaggedField {
    let restarts = context.node().actors.now().restarts;
    RawTaggedField {
        tag: RESTARTS_TAG,
        value: restarts.to_be_bytes().to_vec().into(),
    }
}
