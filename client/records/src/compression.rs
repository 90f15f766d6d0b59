//! The codecs of a batch's records, in the framings that Kafka's Java code reads and writes.
//!
//! | codec | written | read |
//! |---|---|---|
//! | gzip | one member | any number of members |
//! | snappy | xerial framing, blocks of 32 KiB | xerial framing with any blocks, or one raw block |
//! | lz4 | frame of independent 64 KiB blocks | one frame of independent blocks, any checksums |
//! | zstd | one frame | any number of frames, with or without a content size |
//!
//! Linked and legacy lz4 frames are refused although they could be read: Java's consumers cannot.

use std::io::{self, Read, Write};

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;
use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};

use crate::RecordsError;

mod snappy;

/// A codec's number in a batch's attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Compression {
    /// Records as they are.
    #[default]
    None = 0,
    /// Deflate with gzip's wrapping.
    Gzip = 1,
    /// Snappy in xerial's framing.
    Snappy = 2,
    /// LZ4 frames.
    Lz4 = 3,
    /// Zstandard, from Produce version 7 and Fetch version 10 on.
    Zstd = 4,
}

/// A codec and how hard it tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Codec {
    /// The codec.
    pub compression: Compression,
    /// gzip: 1 to 9 (6); zstd: -131072 to 22 (3); out of range is clamped, none is the codec's
    /// default. lz4 has one speed here and snappy has no levels: theirs is ignored.
    pub level: Option<i32>,
}

impl From<Compression> for Codec {
    fn from(compression: Compression) -> Self {
        Self {
            compression,
            level: None,
        }
    }
}

/// The first bytes of an lz4 frame, and the bit of the byte after them that says its blocks can
/// be opened one by one.
const LZ4_MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
const LZ4_INDEPENDENT_BIT: u8 = 1 << 5;

impl Compression {
    /// All codecs.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// The codec of that number.
    ///
    /// # Errors
    /// [`RecordsError::UnknownCompression`].
    pub fn from_id(id: u8) -> Result<Self, RecordsError> {
        Self::ALL
            .get(usize::from(id))
            .copied()
            .ok_or(RecordsError::UnknownCompression(id))
    }

    /// The codec's number in a batch's attributes.
    pub fn id(self) -> u8 {
        self as u8
    }

    /// The codec's name in `compression.type`.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// The codec of that name; topics say `uncompressed`, producers `none`.
    pub fn from_name(name: &str) -> Option<Self> {
        if name == "uncompressed" {
            return Some(Self::None);
        }
        Self::ALL.into_iter().find(|codec| codec.name() == name)
    }

    /// Opens `data`. Without compression that is `data` itself, shared.
    ///
    /// # Errors
    /// [`RecordsError::Compression`] for data that does not open, and
    /// [`RecordsError::DecompressedTooLarge`] if there is more than `max_bytes`; no more than that
    /// is ever allocated, and only as it comes.
    pub fn decompress(self, data: &Bytes, max_bytes: usize) -> Result<Bytes, RecordsError> {
        let Some(decoder) = self.decoder(data, max_bytes)? else {
            return Ok(data.clone());
        };
        let mut out = Vec::with_capacity(data.len().saturating_mul(4).min(max_bytes));
        let enough = (max_bytes as u64).saturating_add(1);
        decoder
            .take(enough)
            .read_to_end(&mut out)
            .map_err(|error| self.failed(&error))?;
        if out.len() > max_bytes {
            return Err(RecordsError::DecompressedTooLarge { limit: max_bytes });
        }
        Ok(Bytes::from(out))
    }

    /// A reader of the decompressed bytes, or none for [`Compression::None`]. It holds one block
    /// or window at a time; `max_bytes` bounds that block where the data could claim any size.
    pub(crate) fn decoder<'a>(
        self,
        data: &'a [u8],
        max_bytes: usize,
    ) -> Result<Option<Box<dyn Read + 'a>>, RecordsError> {
        Ok(Some(match self {
            Self::None => return Ok(None),
            Self::Gzip => Box::new(MultiGzDecoder::new(data)),
            Self::Snappy => Box::new(snappy::Decoder::new(data, max_bytes)),
            Self::Lz4 => {
                if !data.starts_with(&LZ4_MAGIC)
                    || data
                        .get(4)
                        .is_none_or(|flags| flags & LZ4_INDEPENDENT_BIT == 0)
                {
                    let reason = "not a frame of independent blocks".to_owned();
                    return Err(RecordsError::Compression {
                        codec: self.name(),
                        reason,
                    });
                }
                Box::new(FrameDecoder::new(data))
            }
            Self::Zstd => {
                let decoder = zstd::stream::read::Decoder::with_buffer(data);
                Box::new(decoder.map_err(|error| self.failed(&error))?)
            }
        }))
    }

    fn failed(self, error: &io::Error) -> RecordsError {
        RecordsError::Compression {
            codec: self.name(),
            reason: error.to_string(),
        }
    }
}

impl Codec {
    /// Appends `data`, compressed, to `out`.
    ///
    /// # Errors
    /// [`RecordsError::Compression`] if the codec fails, for want of memory.
    pub fn compress_into(self, data: &[u8], out: &mut Vec<u8>) -> Result<(), RecordsError> {
        let written = match self.compression {
            Compression::None => {
                out.extend_from_slice(data);
                Ok(())
            }
            Compression::Gzip => gzip(data, self.level, out),
            Compression::Snappy => snappy::compress(data, out),
            Compression::Lz4 => lz4(data, out),
            Compression::Zstd => zstd_frame(data, self.level, out),
        };
        written.map_err(|error| self.compression.failed(&error))
    }
}

fn gzip(data: &[u8], level: Option<i32>, out: &mut Vec<u8>) -> io::Result<()> {
    // -1 is Kafka's word for the default.
    let level = level.filter(|level| *level != -1).unwrap_or(6).clamp(1, 9);
    let mut encoder = GzEncoder::new(out, flate2::Compression::new(level.unsigned_abs()));
    encoder.write_all(data)?;
    encoder.finish().map(drop)
}

fn lz4(data: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let frame = FrameInfo::new()
        .block_size(BlockSize::Max64KB)
        .block_mode(BlockMode::Independent);
    let mut encoder = FrameEncoder::with_frame_info(frame, out);
    encoder.write_all(data)?;
    encoder.finish().map(drop).map_err(io::Error::from)
}

fn zstd_frame(data: &[u8], level: Option<i32>, out: &mut Vec<u8>) -> io::Result<()> {
    let level = level
        .unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL)
        .clamp(-131_072, 22);
    let mut encoder = zstd::stream::write::Encoder::new(out, level)?;
    encoder.set_pledged_src_size(Some(data.len() as u64))?;
    encoder.write_all(data)?;
    encoder.finish().map(drop)
}
