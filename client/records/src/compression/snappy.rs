//! Snappy in the framing of Java's `SnappyOutputStream` (xerial), and bare.
//!
//! ```text
//! 82 'S' 'N' 'A' 'P' 'P' 'Y' 00 | version i32 | oldest reader i32 | { length i32 | raw block }..
//! ```
//! Streams may follow each other: where a length should stand, the magic does.

use std::io::{self, Read};

const MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
const STREAM_HEADER_BYTES: usize = 16;
const BLOCK_BYTES: usize = 32 * 1024;
/// A raw block cannot grow more: its densest element makes 64 bytes out of 3.
const MAX_GROWTH: usize = 22;

/// Appends `data` as one stream.
pub(super) fn compress(data: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&1i32.to_be_bytes());
    out.extend_from_slice(&1i32.to_be_bytes());
    let mut encoder = snap::raw::Encoder::new();
    let mut block = vec![0; snap::raw::max_compress_len(data.len().min(BLOCK_BYTES))];
    for chunk in data.chunks(BLOCK_BYTES) {
        let size = encoder.compress(chunk, &mut block)?;
        out.extend_from_slice(&(size as u32).to_be_bytes());
        out.extend_from_slice(&block[..size]);
    }
    Ok(())
}

/// Reads either framing, a block at a time.
pub(super) struct Decoder<'a> {
    rest: &'a [u8],
    framed: bool,
    block: Vec<u8>,
    position: usize,
    max_block_bytes: usize,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(data: &'a [u8], max_block_bytes: usize) -> Self {
        let framed = data.len() >= STREAM_HEADER_BYTES && data.starts_with(&MAGIC);
        let rest = if framed {
            &data[STREAM_HEADER_BYTES..]
        } else {
            data
        };
        Self {
            rest,
            framed,
            block: Vec::new(),
            position: 0,
            max_block_bytes,
        }
    }

    /// The next raw block, or none at the end.
    fn next_raw(&mut self) -> io::Result<Option<&'a [u8]>> {
        if !self.framed {
            let all = std::mem::take(&mut self.rest);
            return Ok((!all.is_empty()).then_some(all));
        }
        while self.rest.len() >= STREAM_HEADER_BYTES && self.rest.starts_with(&MAGIC) {
            self.rest = &self.rest[STREAM_HEADER_BYTES..];
        }
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (length, rest) = self.rest.split_first_chunk::<4>().ok_or_else(cut)?;
        let length = usize::try_from(i32::from_be_bytes(*length)).map_err(|_| cut())?;
        let (raw, rest) = rest.split_at_checked(length).ok_or_else(cut)?;
        self.rest = rest;
        Ok(Some(raw))
    }

    fn open(&mut self, raw: &[u8]) -> io::Result<()> {
        let size = snap::raw::decompress_len(raw)?;
        if size > self.max_block_bytes || size > raw.len().saturating_mul(MAX_GROWTH) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a block claims more bytes than it can hold or the reader allows",
            ));
        }
        self.block.resize(size, 0);
        self.position = 0;
        snap::raw::Decoder::new().decompress(raw, &mut self.block)?;
        Ok(())
    }
}

fn cut() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "a block's length is not that of its bytes",
    )
}

impl Read for Decoder<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.position == self.block.len() {
            let Some(raw) = self.next_raw()? else {
                return Ok(0);
            };
            // An empty raw block is one without even a size.
            if !raw.is_empty() {
                self.open(raw)?;
            }
        }
        let count = out.len().min(self.block.len() - self.position);
        out[..count].copy_from_slice(&self.block[self.position..self.position + count]);
        self.position += count;
        Ok(count)
    }
}
