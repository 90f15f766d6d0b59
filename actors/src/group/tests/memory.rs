//! A log in memory that can hold back, fail and be read in small pieces; a clock one can turn.

use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use odeon_kernel::{Clock, watch};
use odeon_model::Offset;
use odeon_records::BatchHeader;
use tokio::sync::oneshot;

use crate::group::{CoordinatorLog, CoordinatorLogError, LogChunk, LogFuture};

#[derive(Debug, Default)]
struct Inner {
    batches: Vec<Bytes>,
    end: Offset,
    appends: usize,
    /// Commits wait for [`MemoryLog::release`].
    hold: bool,
    held: Vec<oneshot::Sender<()>>,
    fail_next: Option<CoordinatorLogError>,
}

#[derive(Debug)]
pub(super) struct MemoryLog {
    inner: Mutex<Inner>,
    readable: watch::Sender<bool>,
}

impl MemoryLog {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            inner: Mutex::default(),
            readable: watch::Sender::new(true),
        })
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// Writes a batch as the log would.
    pub(super) fn write(&self, batch: Vec<u8>) -> Offset {
        let mut inner = self.inner();
        let header = BatchHeader::parse(&batch).unwrap();
        let mut placed = batch;
        placed[..8].copy_from_slice(&inner.end.to_be_bytes());
        inner.end += i64::from(header.last_offset_delta) + 1;
        inner.batches.push(Bytes::from(placed));
        inner.end - 1
    }

    pub(super) fn hold(&self) {
        self.inner().hold = true;
    }

    /// Lets the appends so far be committed, and those that follow at once.
    pub(super) fn release(&self) {
        let mut inner = self.inner();
        inner.hold = false;
        for held in inner.held.drain(..) {
            let _ = held.send(());
        }
    }

    pub(super) fn fail_next(&self, error: CoordinatorLogError) {
        self.inner().fail_next = Some(error);
    }

    pub(super) fn set_readable(&self, readable: bool) {
        self.readable.send_replace(readable);
    }

    pub(super) fn appends(&self) -> usize {
        self.inner().appends
    }

    pub(super) fn end(&self) -> Offset {
        self.inner().end
    }
}

impl CoordinatorLog for MemoryLog {
    fn append(&self, batches: Vec<Bytes>) -> LogFuture<Offset> {
        self.inner().appends += 1;
        if let Some(error) = self.inner().fail_next.take() {
            return Box::pin(ready(Err(error)));
        }
        let last = batches
            .into_iter()
            .map(|batch| self.write(batch.to_vec()))
            .last()
            .unwrap();
        let mut inner = self.inner();
        if !inner.hold {
            return Box::pin(ready(Ok(last)));
        }
        let (sender, receiver) = oneshot::channel();
        inner.held.push(sender);
        Box::pin(async move {
            let lost = |_| CoordinatorLogError::Failed("the log is gone".to_owned());
            receiver.await.map_err(lost).map(|()| last)
        })
    }

    fn read(&self, from: Option<Offset>) -> LogFuture<LogChunk> {
        let from = from.unwrap_or(0);
        let mut readable = self.readable.subscribe();
        let inner = self.inner();
        let next_of = |batch: &Bytes| BatchHeader::parse(batch).unwrap().next_offset();
        let batches = inner
            .batches
            .iter()
            .find(|batch| next_of(batch) > from)
            .cloned()
            .unwrap_or_default();
        let next = if batches.is_empty() {
            None
        } else {
            Some(next_of(&batches))
        };
        let chunk = LogChunk {
            batches,
            next: next.filter(|next| *next < inner.end),
        };
        Box::pin(async move {
            let _ = readable.wait_for(|readable| *readable).await;
            Ok(chunk)
        })
    }
}

/// Those who sleep, and until when.
type Sleepers = Vec<(Duration, oneshot::Sender<()>)>;

#[derive(Debug, Default)]
pub(super) struct TestClock {
    inner: Mutex<(Duration, Sleepers)>,
}

impl TestClock {
    pub(super) fn advance_ms(&self, ms: u64) {
        let mut inner = self.inner.lock().unwrap();
        inner.0 += Duration::from_millis(ms);
        let now = inner.0;
        for (_, sleeper) in inner.1.extract_if(.., |(at, _)| *at <= now) {
            let _ = sleeper.send(());
        }
    }
}

impl Clock for TestClock {
    fn now_ms(&self) -> i64 {
        1_000_000 + self.monotonic().as_millis() as i64
    }

    fn monotonic(&self) -> Duration {
        self.inner.lock().unwrap().0
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let (sender, receiver) = oneshot::channel();
        let mut inner = self.inner.lock().unwrap();
        let at = inner.0 + duration;
        if duration.is_zero() {
            return Box::pin(ready(()));
        }
        inner.1.push((at, sender));
        Box::pin(async move {
            let _ = receiver.await;
        })
    }
}
