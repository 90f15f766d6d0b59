//! UnregisterBroker (key 64).
//!
//! | version | what it brought |
//! |---|---|
//! | 0 | the only one (KIP-500) |
//!
//! Deviations: none known.

use std::ops::RangeInclusive;

use odeon_model::ErrorCode;
use odeon_protocol::messages::{UnregisterBrokerRequest, UnregisterBrokerResponse};

use crate::authorizer::Operation;
use crate::context::RequestContext;
use crate::response::brief;

/// The versions served.
pub const VERSIONS: RangeInclusive<i16> = 0..=0;

/// Forgets a broker for good.
pub async fn handle(
    context: &RequestContext,
    request: UnregisterBrokerRequest,
) -> UnregisterBrokerResponse {
    let outcome = if context.allows_cluster(Operation::Alter) {
        let controller = &context.node().controller;
        controller.unregister_broker(request.broker_id).await
    } else {
        Err(ErrorCode::ClusterAuthorizationFailed.into())
    };
    let refusal = outcome.err();
    UnregisterBrokerResponse {
        error_code: refusal.as_ref().map_or(0, |refusal| refusal.code.code()),
        error_message: refusal.and_then(|refusal| refusal.message).map(brief),
        ..Default::default()
    }
}
