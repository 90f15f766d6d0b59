//! InitProducerId (key 22).
//!
//! | version | what it brought |
//! |---|---|
//! | 0 | the oldest served |
//! | 2 | flexible |
//! | 3 | the producer's own id and epoch (KIP-360) |
//! | 4 | PRODUCER_FENCED |
//! | 5 | transactions version 2 (KIP-890) |
//!
//! Deviations: transactions are not served yet: a request with a transactional id is refused with
//! INVALID_REQUEST, so that the producer stops instead of writing without a transaction.

use std::ops::RangeInclusive;

use odeon_model::ErrorCode;
use odeon_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse};

use crate::authorizer::Operation;
use crate::context::RequestContext;

/// The versions served.
pub const VERSIONS: RangeInclusive<i16> = 0..=5;

/// Hands out a producer id that nobody else has or had.
pub async fn handle(
    context: &RequestContext,
    request: InitProducerIdRequest,
) -> InitProducerIdResponse {
    match allocate(context, &request).await {
        Ok(producer_id) => InitProducerIdResponse {
            producer_id,
            producer_epoch: 0,
            ..Default::default()
        },
        Err(code) => InitProducerIdResponse {
            error_code: code.code(),
            producer_id: -1,
            producer_epoch: -1,
            ..Default::default()
        },
    }
}

async fn allocate(
    context: &RequestContext,
    request: &InitProducerIdRequest,
) -> Result<i64, ErrorCode> {
    if request.transactional_id.is_some() {
        return Err(ErrorCode::InvalidRequest);
    }
    let image = context.node().image.get();
    let may_write = context.allows_cluster(Operation::IdempotentWrite)
        || image
            .topics()
            .any(|topic| context.allows_topic(Operation::Write, &topic.name));
    if !may_write {
        return Err(ErrorCode::ClusterAuthorizationFailed);
    }
    // A producer without a transaction gets a new id for a new epoch, whatever it had before.
    let node = context.node();
    node.producer_ids
        .next(&node.controller)
        .await
        .map_err(|refusal| refusal.code)
}
