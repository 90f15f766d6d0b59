//! What can go wrong between a client and a cluster.

use std::sync::Arc;

use odeon_model::{ErrorCode, TopicPartition};
use odeon_protocol::{ApiKey, DecodeError, EncodeError};
use odeon_records::RecordsError;

/// Why a client could not do what it was asked. Cheap to clone: one failure may end many calls.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// A text is not an address.
    #[error("'{0}' is not an address: HOST:PORT is wanted")]
    InvalidAddress(String),
    /// A setting is not valid, or contradicts another one.
    #[error("{0}")]
    InvalidConfig(String),
    /// No connection could be made.
    #[error("cannot connect to {address}: {reason}")]
    Connect {
        /// Where to.
        address: Arc<str>,
        /// What the system said.
        reason: Arc<str>,
    },
    /// None of the bootstrap addresses and known brokers answers.
    #[error("no broker answers at {addresses}: {last}")]
    NoBroker {
        /// The addresses that were tried.
        addresses: String,
        /// What happened at the last one.
        last: Box<ClientError>,
    },
    /// The connection ended while requests were under way.
    #[error("the connection to {address} ended: {reason}")]
    Disconnected {
        /// The other side.
        address: Arc<str>,
        /// Why, as far as it is known.
        reason: Arc<str>,
    },
    /// No answer came in time.
    #[error("no answer to {what} within {timeout_ms} ms")]
    Timeout {
        /// What was waited for.
        what: String,
        /// How long.
        timeout_ms: u128,
    },
    /// The broker does not have the API, or none of its versions that this client has.
    #[error("{address} has no version of {api:?} that this client knows")]
    Unsupported {
        /// The broker.
        address: Arc<str>,
        /// The API.
        api: ApiKey,
    },
    /// A response is not what the protocol says.
    #[error("{address} sent an answer that does not parse: {reason}")]
    Malformed {
        /// The broker.
        address: Arc<str>,
        /// What is wrong with it.
        reason: Arc<str>,
    },
    /// A request cannot be written in the version that the broker has.
    #[error("the request cannot be written: {0}")]
    Encode(#[from] EncodeError),
    /// A record batch cannot be read or written.
    #[error("record batch: {0}")]
    Records(#[from] RecordsError),
    /// The cluster answered with an error code.
    #[error("{what}: {}{}", .code, detail(.message.as_deref()))]
    Refused {
        /// What was asked for.
        what: String,
        /// The code.
        code: ErrorCode,
        /// The cluster's own words, if it sent any.
        message: Option<String>,
    },
    /// A partition has no such index, or no leader is known.
    #[error("{0} does not exist, or nobody leads it now")]
    NoLeader(TopicPartition),
    /// A record is larger than a request may be.
    #[error("a record of {bytes} bytes is larger than the limit of {limit} bytes")]
    RecordTooLarge {
        /// The record's size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// A record was not delivered within the delivery timeout.
    #[error("{partition}: not delivered within {timeout_ms} ms{}", detail(.last.as_deref()))]
    Expired {
        /// The record's partition.
        partition: TopicPartition,
        /// The delivery timeout.
        timeout_ms: u128,
        /// What the last attempt ended with.
        last: Option<String>,
    },
    /// The client, producer or consumer was closed.
    #[error("the client is closed")]
    Closed,
}

fn detail(message: Option<&str>) -> String {
    match message {
        Some(message) if !message.is_empty() => format!(" ({message})"),
        _ => String::new(),
    }
}

impl ClientError {
    /// The cluster answered `code` to `what`.
    pub(crate) fn refused(what: impl Into<String>, code: i16, message: Option<String>) -> Self {
        Self::Refused {
            what: what.into(),
            code: ErrorCode::from_code(code),
            message: message.filter(|text| !text.is_empty()),
        }
    }

    /// A response from `address` did not parse.
    pub(crate) fn malformed(address: &Arc<str>, error: &DecodeError) -> Self {
        Self::Malformed {
            address: Arc::clone(address),
            reason: error.to_string().into(),
        }
    }

    /// The cluster's error code, if that is what this is.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Whether the same call may succeed later without a change.
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Refused { code, .. } => code.is_retriable(),
            Self::Connect { .. }
            | Self::NoBroker { .. }
            | Self::Disconnected { .. }
            | Self::NoLeader(_)
            | Self::Timeout { .. } => true,
            _ => false,
        }
    }
}

/// `Ok` for code 0, the error otherwise.
pub(crate) fn check(
    what: impl FnOnce() -> String,
    code: i16,
    message: Option<&String>,
) -> Result<(), ClientError> {
    if code == 0 {
        return Ok(());
    }
    Err(ClientError::refused(what(), code, message.cloned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_was_asked_and_what_the_cluster_said() {
        let error = ClientError::refused("create topic a", 36, Some("it is there".to_owned()));
        let text = error.to_string();
        assert!(
            text.starts_with("create topic a: TOPIC_ALREADY_EXISTS"),
            "{text}"
        );
        assert!(text.ends_with("(it is there)"), "{text}");
        assert_eq!(error.code(), Some(ErrorCode::TopicAlreadyExists));
        assert!(!error.is_retriable());
    }

    #[test]
    fn a_lost_connection_may_be_tried_again() {
        let error = ClientError::Disconnected {
            address: "a:1".into(),
            reason: "gone".into(),
        };
        assert!(error.is_retriable());
        assert!(ClientError::refused("x", 6, None).is_retriable());
        assert!(!ClientError::refused("x", 10, None).is_retriable());
    }
}
