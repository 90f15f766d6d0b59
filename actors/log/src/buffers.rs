//! Buffers of large reads, used again: neither cleared nor given back to the allocator in between.

use std::sync::Mutex;

use bytes::Bytes;

use crate::files::lock;

/// A smaller read is cheaper in a buffer of its own.
const SMALLEST_BYTES: usize = 32 << 10;
/// A larger one is rare.
const LARGEST_BYTES: usize = 1 << 20;
/// Kept for reads to come, in all.
const IDLE_BYTES: usize = 4 << 20;

static IDLE: Mutex<Idle> = Mutex::new(Idle {
    buffers: Vec::new(),
    bytes: 0,
});

#[derive(Debug)]
struct Idle {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

/// Bytes to read into. It may hold what an earlier read left there.
#[derive(Debug)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    /// How much of it is asked for.
    len: usize,
}

impl Buffer {
    /// Of this length.
    pub(crate) fn of(len: usize) -> Self {
        if !(SMALLEST_BYTES..=LARGEST_BYTES).contains(&len) {
            return Self {
                bytes: vec![0; len],
                len,
            };
        }
        let size = len.next_power_of_two();
        let bytes = lock(&IDLE).take(size).unwrap_or_else(|| vec![0; size]);
        Self { bytes, len }
    }

    /// To fill it.
    pub(crate) fn as_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(..self.len).unwrap_or_default()
    }

    /// Forgets all behind `len`.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// What is in it, for others; the buffer comes back when the last of them is done.
    pub(crate) fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        if (SMALLEST_BYTES..=LARGEST_BYTES).contains(&bytes.len()) {
            lock(&IDLE).put(bytes);
        }
    }
}

impl Idle {
    fn take(&mut self, size: usize) -> Option<Vec<u8>> {
        let at = self
            .buffers
            .iter()
            .rposition(|buffer| buffer.len() == size)?;
        let buffer = self.buffers.swap_remove(at);
        self.bytes -= buffer.len();
        Some(buffer)
    }

    fn put(&mut self, buffer: Vec<u8>) {
        if self.bytes + buffer.len() <= IDLE_BYTES {
            self.bytes += buffer.len();
            self.buffers.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_used_again_shows_only_what_was_read_into_it() {
        for len in [
            1,
            SMALLEST_BYTES,
            SMALLEST_BYTES + 1,
            LARGEST_BYTES,
            LARGEST_BYTES + 1,
        ] {
            let mut first = Buffer::of(len);
            assert_eq!(first.as_ref().len(), len);
            first.as_mut().fill(1);
            first.truncate(len - 1);
            let bytes = first.freeze();
            assert_eq!(bytes.len(), len - 1);
            drop(bytes);
            let mut second = Buffer::of(len);
            second.as_mut().fill(2);
            assert!(second.freeze().iter().all(|byte| *byte == 2));
        }
    }

    #[test]
    fn idle_buffers_have_a_bound_and_serve_their_own_size_only() {
        let mut idle = Idle {
            buffers: Vec::new(),
            bytes: 0,
        };
        for _ in 0..100 {
            idle.put(vec![0; LARGEST_BYTES]);
            assert!(idle.bytes <= IDLE_BYTES);
        }
        assert_eq!(idle.take(SMALLEST_BYTES), None);
        let given = std::iter::from_fn(|| idle.take(LARGEST_BYTES)).count();
        assert_eq!((given, idle.bytes), (IDLE_BYTES / LARGEST_BYTES, 0));
    }
}
