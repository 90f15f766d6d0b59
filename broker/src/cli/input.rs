//! Lines from standard input or a file, read away from the runtime's threads.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use odeon_kernel::disk::DiskFile;
use odeon_kernel::{Blocking, Disk, OpenMode, RealDisk};

use super::Failure;

/// Lines that are read at a time at most.
const BURST: usize = 4096;
/// Bytes that are read ahead.
const BUFFER_BYTES: usize = 256 * 1024;

/// A source of lines.
pub(super) struct Lines {
    /// Away while a read is under way.
    source: Option<Source>,
    size_bytes: Option<u64>,
}

struct Source {
    reader: BufReader<Box<dyn Read + Send>>,
    longest: usize,
    number: u64,
}

/// Lines without their ends, and whether these were the last.
pub(super) struct Burst {
    pub(super) lines: Vec<Vec<u8>>,
    pub(super) is_last: bool,
}

impl Lines {
    /// Reads standard input, or `file`; lines of more than `longest` bytes are an error.
    pub(super) fn open(file: Option<&Path>, longest: usize) -> Result<Self, Failure> {
        let (reader, size_bytes): (Box<dyn Read + Send>, _) = match file {
            None => (Box::new(io::stdin()), None),
            Some(path) => {
                let wrong = |error: io::Error| {
                    Failure::usage(format!("cannot read {}: {error}", path.display()))
                };
                let file = RealDisk.open(path, OpenMode::Read).map_err(wrong)?;
                let size_bytes = file.len().map_err(wrong)?;
                (Box::new(Stream { file, at: 0 }), Some(size_bytes))
            }
        };
        let source = Source {
            reader: BufReader::with_capacity(BUFFER_BYTES, reader),
            longest,
            number: 0,
        };
        Ok(Self {
            source: Some(source),
            size_bytes,
        })
    }

    /// The size of the whole, if it is known.
    pub(super) fn size_bytes(&self) -> Option<u64> {
        self.size_bytes
    }

    /// The next lines: what can be had without waiting, at least one unless the end is there.
    ///
    /// Not cancel safe: the source is lost.
    pub(super) async fn next(&mut self) -> Result<Burst, Failure> {
        let Some(mut source) = self.source.take() else {
            return Err(Failure::interrupted());
        };
        let (source, burst) = Blocking::Pool
            .run(move || {
                let burst = source.burst();
                (source, burst)
            })
            .await;
        self.source = Some(source);
        burst
    }
}

impl Source {
    fn burst(&mut self) -> Result<Burst, Failure> {
        let mut lines = Vec::new();
        loop {
            let mut line = Vec::new();
            let limit = self.longest as u64 + 1;
            let read = (&mut self.reader)
                .take(limit)
                .read_until(b'\n', &mut line)?;
            if read == 0 {
                return Ok(Burst {
                    lines,
                    is_last: true,
                });
            }
            self.number += 1;
            if line.last() == Some(&b'\n') {
                line.pop();
            } else if line.len() > self.longest {
                let (number, longest) = (self.number, self.longest);
                let message = format!("line {number} is longer than {longest} bytes");
                return Err(Failure::new(message).hint("--max-record-bytes raises the limit."));
            }
            lines.push(line);
            let has_more = self.reader.buffer().contains(&b'\n');
            if lines.len() >= BURST || !has_more {
                return Ok(Burst {
                    lines,
                    is_last: false,
                });
            }
        }
    }
}

/// A file read from its beginning to its end.
struct Stream {
    file: Arc<dyn DiskFile>,
    at: u64,
}

impl Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buf, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &'static [u8], longest: usize) -> Source {
        Source {
            reader: BufReader::new(Box::new(text)),
            longest,
            number: 0,
        }
    }

    #[test]
    fn lines_come_without_their_ends_and_the_last_needs_none() {
        let mut source = source(b"a\n\nbc", 10);
        let mut lines = Vec::new();
        loop {
            let burst = source.burst().unwrap();
            lines.extend(burst.lines);
            if burst.is_last {
                break;
            }
        }
        assert_eq!(lines, [b"a".to_vec(), vec![], b"bc".to_vec()]);
    }

    #[test]
    fn a_line_beyond_the_limit_is_an_error_with_its_number() {
        let mut source = source(b"1234\n12345\n", 4);
        let error = loop {
            match source.burst() {
                Ok(burst) => assert!(!burst.is_last),
                Err(error) => break error,
            }
        };
        assert_eq!(error.to_string(), "line 2 is longer than 4 bytes");
    }
}
