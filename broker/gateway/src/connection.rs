//! One client's connection: read frames, keep their order, answer.
//!
//! ```text
//! handshake --> authenticate --> serve --> closed
//! ```
//!
//! On a plaintext listener the first two states are passed through at once.
//!
//! **Order.** Answers leave in request order. Produce overlaps only with Produce: its batches are
//! handed to their leaders in arrival order and the answers are awaited behind. Any other request
//! starts after all before it were answered, and nothing starts behind it.
//!
//! Two tasks share a connection. The reader takes bytes from the budget, reads a frame and starts
//! the request; the writer awaits the answers in order and sends them. When the client goes, the
//! requests that wait (parked fetches, joins) are dropped; an append that was handed to its leader
//! goes on.

use std::future::Future;
use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Buf, Bytes};
use odeon_kernel::budget::ByteBudget;
use odeon_kernel::{SharedClock, spawn, watch};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Notify, mpsc};

use crate::context::{GatewayState, Peer};
use crate::dispatch::{self, Outcome};
use crate::frame::{FrameError, read_frame};

/// Limits of one connection.
#[derive(Debug, Clone)]
pub struct ConnectionLimits {
    /// The largest frame, `socket.request.max.bytes`.
    pub frame_bytes: usize,
    /// Request bytes in flight on this connection; a larger frame is admitted alone.
    pub in_flight_bytes: usize,
    /// Requests in flight on this connection.
    pub in_flight_requests: usize,
    /// How long a connection may stay silent, `connections.max.idle.ms`.
    pub idle: Duration,
}

/// A request that was started, on its way to the writer.
pub(crate) struct Started {
    /// Its answer; `None` closes the connection (acks=0 with an error, a broken body).
    pub(crate) outcome: Pin<Box<dyn Future<Output = Outcome> + Send>>,
    /// Whether it is dropped when the client goes.
    pub(crate) cancellable: bool,
}

/// Counts the requests between reader and writer.
#[derive(Debug, Default)]
struct InFlight {
    count: AtomicUsize,
    settled: Notify,
    /// When the last answer was written, in monotonic nanoseconds; 0 before the first.
    answered_ns: AtomicU64,
}

impl InFlight {
    fn started(&self) {
        self.count.fetch_add(1, Ordering::AcqRel);
    }

    fn answered(&self, now: Duration) {
        let now_ns = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        self.answered_ns.store(now_ns, Ordering::Release);
        self.count.fetch_sub(1, Ordering::AcqRel);
        self.settled.notify_one();
    }

    /// Since when nothing is in flight, if something was.
    fn idle_since(&self) -> Option<Duration> {
        let is_idle = self.count.load(Ordering::Acquire) == 0;
        let since_ns = self.answered_ns.load(Ordering::Acquire);
        (is_idle && since_ns > 0).then(|| Duration::from_nanos(since_ns))
    }

    async fn idle(&self) {
        while self.count.load(Ordering::Acquire) > 0 {
            self.settled.notified().await;
        }
    }
}

/// Serves a connection until the client goes, a frame is broken, or it was silent for too long.
pub async fn serve<S>(stream: S, gateway: Arc<GatewayState>, peer: Peer, limits: ConnectionLimits)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (read, write) = tokio::io::split(stream);
    serve_split(read, write, gateway, peer, limits).await;
}

/// As [`serve`], over two halves.
pub async fn serve_split<R, W>(
    read: R,
    write: W,
    gateway: Arc<GatewayState>,
    peer: Peer,
    limits: ConnectionLimits,
) where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let (sender, receiver) = mpsc::channel(limits.in_flight_requests.max(1));
    let (gone_sender, gone) = watch::channel(false);
    let in_flight = Arc::new(InFlight::default());
    let writer = spawn(write_answers(
        write,
        receiver,
        in_flight.clone(),
        gone,
        gateway.clone(),
        limits.idle,
    ));
    let reader = Reader {
        gateway,
        peer: Arc::new(peer),
        limits,
        in_flight,
        sender,
    };
    // The reader ends with the client, or when the writer is gone.
    reader.run(read).await;
    let _ = gone_sender.send(true);
    let _ = writer.await;
}

struct Reader {
    gateway: Arc<GatewayState>,
    peer: Arc<Peer>,
    limits: ConnectionLimits,
    in_flight: Arc<InFlight>,
    sender: mpsc::Sender<Started>,
}

impl Reader {
    async fn run<R: AsyncRead + Unpin>(self, mut read: R) {
        let budget = self
            .gateway
            .budget
            .child(self.limits.in_flight_bytes as u64);
        let mut session = dispatch::ConnectionState::default();
        loop {
            match self.step(&mut read, &budget, &mut session).await {
                Ok(()) => {}
                Err(FrameError::Closed) => return,
                Err(error) => {
                    if let FrameError::Size { .. } = error {
                        self.gateway
                            .metrics
                            .protocol_errors
                            .fetch_add(1, Ordering::Relaxed);
                    }
                    tracing::debug!(host = self.peer.host, %error, "connection ended");
                    return;
                }
            }
        }
    }

    async fn step<R: AsyncRead + Unpin>(
        &self,
        read: &mut R,
        budget: &ByteBudget,
        session: &mut dispatch::ConnectionState,
    ) -> Result<(), FrameError> {
        let clock = &self.gateway.node.clock;
        let frame = tokio::select! {
            biased;
            frame = read_frame(read, self.limits.frame_bytes, budget) => frame?,
            () = self.sender.closed() => return Err(FrameError::Closed),
            () = self.silent() => return Err(FrameError::Closed),
        };
        let arrived = clock.monotonic();
        if let Some(since) = self.in_flight.idle_since() {
            session.turnaround.note(arrived.saturating_sub(since));
        }
        let Some(request) =
            dispatch::Request::parse(&self.gateway, &self.peer, frame, arrived, session)
        else {
            // An unknown API or version, or a broken header: as Kafka, close without an answer.
            self.gateway
                .metrics
                .protocol_errors
                .fetch_add(1, Ordering::Relaxed);
            self.all_answered().await?;
            return Err(FrameError::Closed);
        };
        if !(request.overlaps() && session.last_overlaps) {
            self.all_answered().await?;
        }
        session.last_overlaps = request.overlaps();
        self.in_flight.started();
        let started = dispatch::start(request);
        self.sender
            .send(started)
            .await
            .map_err(|_| FrameError::Closed)
    }

    /// Waits until everything that was started is answered. Meanwhile nothing is read and nobody
    /// sees a client go, so that this has the idle time's limit too, as in Kafka.
    async fn all_answered(&self) -> Result<(), FrameError> {
        tokio::select! {
            biased;
            () = self.in_flight.idle() => Ok(()),
            () = self.sender.closed() => Err(FrameError::Closed),
            () = self.gateway.node.clock.sleep(self.limits.idle) => Err(FrameError::Closed),
        }
    }

    /// Completes when nothing is in flight and nothing came for the idle time.
    async fn silent(&self) {
        loop {
            self.gateway.node.clock.sleep(self.limits.idle).await;
            if self.in_flight.count.load(Ordering::Acquire) == 0 {
                return;
            }
        }
    }
}

async fn write_answers<W: AsyncWrite + Unpin>(
    mut write: W,
    mut receiver: mpsc::Receiver<Started>,
    in_flight: Arc<InFlight>,
    mut gone: watch::Receiver<bool>,
    gateway: Arc<GatewayState>,
    idle: Duration,
) {
    while let Some(started) = receiver.recv().await {
        let outcome = if started.cancellable {
            tokio::select! {
                biased;
                outcome = started.outcome => outcome,
                _ = gone.wait_for(|gone| *gone) => return,
            }
        } else {
            started.outcome.await
        };
        let throttle = match outcome {
            Outcome::Answer { segments, throttle } => {
                let clock = &gateway.node.clock;
                if write_segments(&mut write, segments, clock, idle)
                    .await
                    .is_err()
                {
                    return;
                }
                throttle
            }
            Outcome::Nothing => Duration::ZERO,
            Outcome::Close => {
                gateway
                    .metrics
                    .protocol_errors
                    .fetch_add(1, Ordering::Relaxed);
                return;
            }
        };
        if !throttle.is_zero() {
            gateway.node.clock.sleep(throttle).await;
        }
        in_flight.answered(gateway.node.clock.monotonic());
    }
    let _ = write.shutdown().await;
}

/// Writes all segments with as few system calls as the socket allows. A client that takes nothing of
/// it for as long as a silent one may stay is given up like that one.
async fn write_segments<W: AsyncWrite + Unpin>(
    write: &mut W,
    mut segments: Vec<Bytes>,
    clock: &SharedClock,
    idle: Duration,
) -> std::io::Result<()> {
    const BATCH: usize = 64;
    let mut start = 0;
    while start < segments.len() {
        let slices: Vec<IoSlice<'_>> = segments
            .iter()
            .skip(start)
            .take(BATCH)
            .map(|s| IoSlice::new(s))
            .collect();
        let mut written = tokio::select! {
            biased;
            written = write.write_vectored(&slices) => written?,
            () = clock.sleep(idle) => return Err(std::io::ErrorKind::TimedOut.into()),
        };
        if written == 0 && slices.iter().any(|slice| !slice.is_empty()) {
            return Err(std::io::ErrorKind::WriteZero.into());
        }
        while let Some(segment) = segments.get_mut(start) {
            if written < segment.len() {
                segment.advance(written);
                break;
            }
            written -= segment.len();
            start += 1;
        }
    }
    write.flush().await
}
