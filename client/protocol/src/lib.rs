//! Kafka's requests and responses, and the frames that carry them.
//!
//! Every struct under [`messages`] and [`ApiKey`] are generated from Kafka's message schemas by
//! `cargo xtask codegen`. [`frame`] puts headers and lengths around them.

mod api_key;
pub mod frame;
pub mod messages;
#[cfg(test)]
mod tests;

pub use api_key::ApiKey;
pub use frame::{
    RequestFrame, decode_request_header, decode_response, encode_request, encode_response,
};
pub use messages::{RequestHeader, ResponseHeader};
pub use odeon_schema::{DecodeError, Decoder, EncodeError, Encoder, Message, RawTaggedField, Wire};

/// The first version of `Produce` that a server says it has in `ApiVersions`, although those below
/// the schema's first are refused: librdkafka needs to see them.
pub const PRODUCE_ADVERTISED_MIN_VERSION: i16 = 0;

/// A tagged field of Odeon's own: a DescribeCluster request with it asks the broker how often its
/// actors were restarted, and the broker's entry of the answer says it in a field of the same tag, as a
/// big-endian u64. Who does not ask gets Kafka's answer.
pub const RESTARTS_TAG: u32 = 20_292;

/// A request of an API.
pub trait Request: Message {
    /// The API.
    const KEY: ApiKey;
    /// What answers it, in the same version.
    type Response: Message;
}
