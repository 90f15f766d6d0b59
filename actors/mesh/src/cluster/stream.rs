//! The bytes of a link, as the node server reads and writes them: a large buffer in front of its
//! small reads, an end when the peer goes silent, and counting.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use odeon_kernel::{SharedClock, watch};
use ractor_cluster::{BoxRead, BoxWrite, ClusterBidiStream};
use tokio::io::{AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::link::{BULK_BYTES, Link, Passage};

#[cfg(test)]
mod tests;

const READ_BUFFER_BYTES: usize = 256 << 10;

type Boxed = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Told once when a link's bytes have ended.
pub(super) type OnEnd = Box<dyn FnOnce() + Send>;

/// A connection that has become a link.
pub(super) struct LinkStream {
    pub(super) tcp: TcpStream,
    pub(super) link: Arc<Link>,
    pub(super) label: String,
    pub(super) clock: SharedClock,
    /// A peer that is silent for so long is taken for lost.
    pub(super) idle_limit: Duration,
    pub(super) on_end: OnEnd,
}

impl ClusterBidiStream for LinkStream {
    fn split(self: Box<Self>) -> (BoxRead, BoxWrite) {
        let (read, write) = self.tcp.into_split();
        let reader = Reader {
            inner: BufReader::with_capacity(READ_BUFFER_BYTES, read),
            door: Door::new(&self.link),
            link: Arc::clone(&self.link),
            last_read: self.clock.monotonic(),
            idle: self.clock.sleep(self.idle_limit),
            clock: self.clock,
            idle_limit: self.idle_limit,
            on_end: Some(self.on_end),
        };
        let writer = Writer {
            inner: write,
            door: Door::new(&self.link),
            link: self.link,
            frames: Frames::default(),
        };
        (Box::new(reader), Box::new(writer))
    }

    fn peer_label(&self) -> Option<String> {
        Some(self.label.clone())
    }
}

/// Whether bytes pass now, and being woken when that changes.
struct Door {
    passage: watch::Receiver<Passage>,
    change: Boxed,
}

impl Door {
    fn new(link: &Link) -> Self {
        let passage = link.passage();
        let change = change(passage.clone());
        Self { passage, change }
    }

    /// Ready when bytes may pass; an error when none ever will again.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let now = *self.passage.borrow();
            match now {
                Passage::Closed => {
                    return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
                }
                // Also while bytes pass: a close must wake whoever waits for them.
                Passage::Open if self.change.as_mut().poll(context).is_pending() => {
                    return Poll::Ready(Ok(()));
                }
                Passage::Stalled if self.change.as_mut().poll(context).is_pending() => {
                    return Poll::Pending;
                }
                Passage::Open | Passage::Stalled => self.change = change(self.passage.clone()),
            }
        }
    }
}

fn change(mut passage: watch::Receiver<Passage>) -> Boxed {
    let seen = *passage.borrow_and_update();
    Box::pin(async move { drop(passage.wait_for(|now| *now != seen).await) })
}

struct Reader {
    inner: BufReader<OwnedReadHalf>,
    door: Door,
    link: Arc<Link>,
    clock: SharedClock,
    idle_limit: Duration,
    last_read: Duration,
    idle: Boxed,
    on_end: Option<OnEnd>,
}

impl Reader {
    fn end(&mut self) {
        self.link.close();
        if let Some(on_end) = self.on_end.take() {
            on_end();
        }
    }

    fn poll_bytes(
        &mut self,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        if self.door.poll(context)?.is_ready() {
            let before = buf.filled().len();
            if Pin::new(&mut self.inner)
                .poll_read(context, buf)?
                .is_ready()
            {
                self.last_read = self.clock.monotonic();
                return Poll::Ready(Ok(buf.filled().len() - before));
            }
        }
        loop {
            ready!(self.idle.as_mut().poll(context));
            let silent = self.clock.monotonic().saturating_sub(self.last_read);
            if silent >= self.idle_limit {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.idle = self.clock.sleep(self.idle_limit - silent);
        }
    }
}

impl AsyncRead for Reader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = ready!(self.poll_bytes(context, buf));
        match read {
            Ok(bytes) if bytes > 0 => {
                self.link.count_read(bytes);
                Poll::Ready(Ok(()))
            }
            ended => {
                self.end();
                Poll::Ready(ended.map(drop))
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.end();
    }
}

struct Writer {
    inner: OwnedWriteHalf,
    door: Door,
    link: Arc<Link>,
    frames: Frames,
}

impl AsyncWrite for Writer {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.door.poll(context))?;
        let written = ready!(Pin::new(&mut self.inner).poll_write(context, buf))?;
        self.link.count_written(written);
        for _ in 0..self.frames.pass(buf.get(..written).unwrap_or(buf)) {
            self.link.left();
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

/// Follows the node server's frames: a length of 8 bytes, then so many bytes.
#[derive(Default)]
struct Frames {
    head: [u8; 8],
    head_bytes: usize,
    left: u64,
    bulk: bool,
}

impl Frames {
    /// How many bulk frames end within these bytes.
    fn pass(&mut self, mut bytes: &[u8]) -> usize {
        let mut ended = 0;
        while !bytes.is_empty() {
            if self.left > 0 {
                let here = bytes
                    .len()
                    .min(usize::try_from(self.left).unwrap_or(usize::MAX));
                self.left -= here as u64;
                bytes = bytes.get(here..).unwrap_or_default();
                ended += usize::from(self.left == 0 && self.bulk);
                continue;
            }
            let (first, rest) = bytes.split_at(bytes.len().min(8 - self.head_bytes));
            for (to, from) in self.head.iter_mut().skip(self.head_bytes).zip(first) {
                *to = *from;
            }
            self.head_bytes += first.len();
            bytes = rest;
            if self.head_bytes == 8 {
                self.head_bytes = 0;
                self.left = u64::from_be_bytes(self.head);
                self.bulk = self.left >= BULK_BYTES as u64;
            }
        }
        ended
    }
}
