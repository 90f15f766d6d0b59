//! Why bytes could not be read, or a value not written.

/// Bytes are not the message that they should be. Whoever sent them is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// A value needs more bytes than there are.
    #[error("{wanted} bytes are wanted, {remaining} remain")]
    Truncated {
        /// How many bytes the value takes.
        wanted: usize,
        /// How many bytes are left.
        remaining: usize,
    },
    /// An array says it has more elements than [`crate::MAX_ELEMENTS`] or than the bytes left.
    #[error("an array of {count} elements does not fit in {remaining} bytes")]
    TooManyElements {
        /// How many elements it says.
        count: usize,
        /// How many bytes are left.
        remaining: usize,
    },
    /// A struct says it has more tagged fields than [`crate::MAX_TAGGED_FIELDS`] or than the bytes
    /// left.
    #[error("{count} tagged fields do not fit in {remaining} bytes")]
    TooManyTaggedFields {
        /// How many tagged fields it says.
        count: usize,
        /// How many bytes are left.
        remaining: usize,
    },
    /// A string is longer than [`crate::MAX_STRING_BYTES`].
    #[error("a string of {0} bytes is too long")]
    StringTooLong(usize),
    /// A varint goes on past its 32 or 64 bits.
    #[error("a varint is too long")]
    VarintTooLong,
    /// A field that cannot be null is null.
    #[error("a field that cannot be null is null")]
    UnexpectedNull,
    /// A tagged field's size is not the size of its value.
    #[error("tagged field {tag} says {said} bytes and takes {taken}")]
    TagSize {
        /// The field's tag.
        tag: u32,
        /// How many bytes its size says.
        said: usize,
        /// How many bytes its value took.
        taken: usize,
    },
    /// The message has no such version.
    #[error("{message} has no version {version}")]
    UnsupportedVersion {
        /// The message's name.
        message: &'static str,
        /// The version asked for.
        version: i16,
    },
    /// Bytes are left over where the message must end.
    #[error("{0} bytes are left over")]
    TrailingBytes(usize),
    /// The API key is not one that Kafka has.
    #[error("there is no API key {0}")]
    UnknownApiKey(i16),
}

/// A value cannot be written in the version asked for. The writer is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The message has no such version.
    #[error("{message} has no version {version}")]
    UnsupportedVersion {
        /// The message's name.
        message: &'static str,
        /// The version asked for.
        version: i16,
    },
    /// The field is set and the version does not have it, nor may it be left out silently.
    #[error("`{field}` is set, and version {version} does not have it")]
    AbsentField {
        /// The field's name.
        field: &'static str,
        /// The version asked for.
        version: i16,
    },
    /// The field is null and the version does not allow that.
    #[error("`{field}` is null, and the version does not allow it")]
    UnexpectedNull {
        /// The field's name.
        field: &'static str,
    },
    /// A string is longer than [`crate::MAX_STRING_BYTES`].
    #[error("a string of {0} bytes is too long")]
    StringTooLong(usize),
    /// A payload, an array or a whole frame is longer than an `i32` can say.
    #[error("a length of {0} is too long")]
    TooLong(usize),
    /// The unknown tagged fields are not in ascending order, or one has a known field's tag.
    #[error("unknown tagged field {0} is out of order, repeated or known")]
    TagOrder(u32),
}
