//! Which versions of which APIs a broker has.

use std::collections::HashMap;
use std::sync::Arc;

use odeon_model::ErrorCode;
use odeon_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use odeon_protocol::{ApiKey, decode_response};

use super::Connection;
use crate::ClientError;

/// The version of `ApiVersions` that is asked first: every broker since Kafka 2.4 has it.
const FIRST_VERSION: i16 = 3;

/// The APIs of a broker and their versions, as its answer to `ApiVersions` lists them.
#[derive(Debug, Clone, Default)]
pub struct BrokerVersions {
    ranges: HashMap<i16, (i16, i16)>,
    features: HashMap<String, i16>,
}

impl BrokerVersions {
    /// The newest version of `api` within `oldest..=newest` that the broker has as well.
    pub fn choose(&self, api: ApiKey, oldest: i16, newest: i16) -> Option<i16> {
        let (min, max) = self.ranges.get(&api.code())?;
        let version = newest.min(*max);
        (version >= oldest && version >= *min).then_some(version)
    }

    /// Whether the broker has the API at all.
    pub fn has(&self, api: ApiKey) -> bool {
        self.ranges.contains_key(&api.code())
    }

    /// The level of a feature that the cluster has finalized, such as `metadata.version`.
    pub fn feature(&self, name: &str) -> Option<i16> {
        self.features.get(name).copied()
    }

    fn read(response: ApiVersionsResponse) -> Self {
        let ranges = response.api_keys.iter();
        let features = response.finalized_features.into_iter();
        Self {
            ranges: ranges
                .map(|api| (api.api_key, (api.min_version, api.max_version)))
                .collect(),
            features: features
                .map(|feature| (feature.name, feature.max_version_level))
                .collect(),
        }
    }
}

/// Asks a broker for its versions. A broker that does not have ours answers in version 0.
pub(super) async fn negotiate(connection: &Connection) -> Result<BrokerVersions, ClientError> {
    let mut version = FIRST_VERSION;
    loop {
        let mut request = ApiVersionsRequest::default();
        if version > 2 {
            request.client_software_name = "odeon".to_owned();
            request.client_software_version = env!("CARGO_PKG_VERSION").to_owned();
        }
        let timeout = connection.inner.options.request_timeout;
        let answer = connection.submit_frame(&request, version)?;
        let frame = connection
            .wait_frame(ApiKey::ApiVersions, answer, timeout)
            .await?;
        // Behind the correlation id stands the error code, in every version.
        let code = frame
            .get(4..6)
            .and_then(|bytes| bytes.first_chunk().copied());
        let code = code.map_or(ErrorCode::None, |bytes| {
            ErrorCode::from_code(i16::from_be_bytes(bytes))
        });
        if code == ErrorCode::UnsupportedVersion && version > 0 {
            version = 0;
            continue;
        }
        if code.is_error() {
            return Err(ClientError::refused(
                "ask for API versions",
                code.code(),
                None,
            ));
        }
        let (_, response) = decode_response::<ApiVersionsRequest>(frame, version)
            .map_err(|error| ClientError::malformed(&Arc::clone(connection.address()), &error))?;
        return Ok(BrokerVersions::read(response));
    }
}
