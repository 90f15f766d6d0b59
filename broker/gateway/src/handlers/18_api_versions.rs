//! ApiVersions (key 18).
//!
//! | version | what it brought |
//! |---|---|
//! | 0 | the oldest served |
//! | 1 | throttle time |
//! | 3 | flexible; client software name and version (KIP-511); features |
//! | 4 | minimum feature level 0 (KIP-584) |
//! | 5 | cluster and node checked (KIP-1242) |
//!
//! A version that is not served is answered in version 0 with UNSUPPORTED_VERSION and the range of
//! this API, so that the client can ask again. The response's header never has tagged fields.
//!
//! Deviations: none known.

use std::ops::RangeInclusive;

use odeon_model::ErrorCode;
use odeon_protocol::ApiKey;
use odeon_protocol::messages::api_versions_response::{
    ApiVersion, FinalizedFeatureKey, SupportedFeatureKey,
};
use odeon_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};

use crate::context::RequestContext;
use crate::dispatch::{APIS, versions_of};

/// The versions served.
pub const VERSIONS: RangeInclusive<i16> = 0..=5;

/// Names what this node serves.
pub async fn handle(context: &RequestContext, request: ApiVersionsRequest) -> ApiVersionsResponse {
    let node = context.node();
    let version = context.api_version;
    match refusal(version, &request, &node.cluster_id, node.node_id) {
        None => all(context),
        Some(error) => ApiVersionsResponse {
            error_code: error.code(),
            ..Default::default()
        },
    }
}

/// Why a client is refused: it says badly who it is, or it means another node.
fn refusal(
    version: i16,
    request: &ApiVersionsRequest,
    cluster_id: &str,
    node_id: i32,
) -> Option<ErrorCode> {
    // Both or none: a broker that is asked for the first time is not known by its id.
    let half_named = request.cluster_id.is_none() != (request.node_id == -1);
    let named =
        software(&request.client_software_name) && software(&request.client_software_version);
    if (version >= 5 && half_named) || (version >= 3 && !named) {
        return Some(ErrorCode::InvalidRequest);
    }
    // The address belonged to another node or cluster when the client learned of it.
    let meant = |wanted: &str| wanted == cluster_id && request.node_id == node_id;
    let mistaken = version >= 5 && !request.cluster_id.as_deref().is_none_or(meant);
    mistaken.then_some(ErrorCode::RebootstrapRequired)
}

/// The name and version of a client's software: letters, digits, dots and dashes (KIP-511).
fn software(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    text.chars().all(inner)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
}

fn all(context: &RequestContext) -> ApiVersionsResponse {
    let image = context.node().image.get();
    let mut api_keys: Vec<_> = APIS
        .iter()
        .map(|(key, versions)| row(*key, versions))
        // Produce is advertised from 0 on, as Kafka does: some clients look for that.
        .chain(std::iter::once(row(
            ApiKey::Produce,
            &(0..=*super::produce::VERSIONS.end()),
        )))
        .collect();
    api_keys.sort_by_key(|row| row.api_key);
    let zero_allowed = context.api_version >= 4;
    ApiVersionsResponse {
        api_keys,
        supported_features: odeon_metadata::supported_features()
            .into_iter()
            .filter(|feature| zero_allowed || feature.min > 0)
            .map(|feature| SupportedFeatureKey {
                name: feature.name,
                min_version: feature.min,
                max_version: feature.max,
                ..Default::default()
            })
            .collect(),
        finalized_features_epoch: i64::try_from(image.position().index).unwrap_or(-1),
        finalized_features: image
            .features()
            .filter(|(_, level)| *level > 0)
            .map(|(name, level)| FinalizedFeatureKey {
                name: name.to_string(),
                max_version_level: level,
                min_version_level: level,
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    }
}

fn row(key: ApiKey, versions: &RangeInclusive<i16>) -> ApiVersion {
    ApiVersion {
        api_key: key as i16,
        min_version: *versions.start(),
        max_version: *versions.end(),
        ..Default::default()
    }
}

/// The answer to a version of ApiVersions that is not served, in version 0.
pub fn unsupported() -> ApiVersionsResponse {
    let versions = versions_of(ApiKey::ApiVersions).unwrap_or(VERSIONS);
    ApiVersionsResponse {
        error_code: ErrorCode::UnsupportedVersion.code(),
        api_keys: vec![row(ApiKey::ApiVersions, &versions)],
        ..Default::default()
    }
}
