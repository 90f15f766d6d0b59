//! What can be wrong with a batch's bytes.

/// Bytes that are not a readable record batch, or records that do not fit into one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordsError {
    /// The bytes end before the batch does: a torn write, or a fetch response cut at its limit.
    #[error("the batch needs {needed} bytes, but only {available} are left")]
    Truncated {
        /// Bytes wanted.
        needed: usize,
        /// Bytes there.
        available: usize,
    },
    /// The batch's format is not 2.
    #[error("record format {0} is not supported: only 2 is")]
    UnsupportedMagic(i8),
    /// The bytes are not those the writer made a checksum of.
    #[error("the batch's checksum is {computed:#010x}, but its header says {stored:#010x}")]
    Crc {
        /// The header's checksum.
        stored: u32,
        /// The checksum of the bytes.
        computed: u32,
    },
    /// A length, count or delta contradicts another one.
    #[error("{0}")]
    Corrupt(&'static str),
    /// The attributes name a codec that does not exist.
    #[error("compression codec {0} does not exist")]
    UnknownCompression(u8),
    /// The compressed bytes do not open, or the codec failed.
    #[error("{codec} data: {reason}")]
    Compression {
        /// The codec's name.
        codec: &'static str,
        /// What the codec said.
        reason: String,
    },
    /// The compressed records unfold to more than the reader allows: perhaps a bomb.
    #[error("decompressed, the batch has more than {limit} bytes")]
    DecompressedTooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// More than a reader or the format allows.
    #[error("{what} may be at most {limit}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// The limit, in that thing's unit.
        limit: usize,
    },
}
