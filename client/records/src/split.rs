//! Cuts a run of bytes into batches.

use bytes::Bytes;

use crate::{BatchHeader, RecordsError};

/// The batches in `bytes`, one after the other, each with its header; the bytes are shared, not
/// copied. CRCs are not checked. The first error is the last item: a
/// [`RecordsError::Truncated`] there is normal at the end of a fetch response.
pub fn split_batches(bytes: Bytes) -> Batches {
    Batches { rest: bytes }
}

/// The iterator of [`split_batches`].
#[derive(Debug, Clone)]
pub struct Batches {
    rest: Bytes,
}

impl Batches {
    /// The bytes not yet given out; empty after an error.
    pub fn rest(&self) -> &Bytes {
        &self.rest
    }
}

impl Iterator for Batches {
    type Item = Result<(BatchHeader, Bytes), RecordsError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let available = self.rest.len();
        match BatchHeader::parse(&self.rest) {
            Ok(header) if header.size_bytes() <= available => {
                let batch = self.rest.split_to(header.size_bytes());
                Some(Ok((header, batch)))
            }
            Ok(header) => {
                self.rest = Bytes::new();
                Some(Err(RecordsError::Truncated {
                    needed: header.size_bytes(),
                    available,
                }))
            }
            Err(error) => {
                self.rest = Bytes::new();
                Some(Err(error))
            }
        }
    }
}
