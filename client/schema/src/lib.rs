//! Kafka's wire codec, and the records that Kafka keeps in its own logs and files.
//!
//! [`Decoder`] and [`Encoder`] are the primitives; every struct under [`metadata`], [`group`],
//! [`transaction`], [`share`], [`consumer_protocol`], [`log`], [`raft`], [`remote`] and
//! [`principal`], like every request and response of `odeon-protocol`, is generated from Kafka's
//! message schemas by `cargo xtask codegen`.
//!
//! A decoder trusts nothing: each length and count is checked against the bytes that remain
//! before anything is allocated. Payloads (`bytes` and `records` fields) are slices of the frame,
//! never copies.

mod codec;
mod generated;

pub use codec::decoder::{Decoder, MAX_ELEMENTS, MAX_STRING_BYTES, MAX_TAGGED_FIELDS};
pub use codec::encoder::{Encoder, SHARE_FROM_BYTES};
pub use codec::error::{DecodeError, EncodeError};
pub use codec::message::{Message, Record, Wire};
pub use codec::tagged::{RawTaggedField, TagWriter};
#[doc(hidden)]
pub use codec::{decode_nullable, encode_nullable};
pub use generated::{
    consumer_protocol, group, log, metadata, principal, raft, remote, share, transaction,
};
