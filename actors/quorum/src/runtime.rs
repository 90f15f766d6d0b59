//! The runtime that the Raft library runs on: tokio's tasks and channels, the kernel's time and
//! randomness.
//!
//! The library reaches its runtime through a type, so what a simulation wants to own is taken from
//! the [`Ambient`] of the thread.

use std::fmt;
use std::future::Future;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use odeon_kernel::{Ambient, clock, spawn, watch};
use openraft::async_runtime::watch as raft_watch;
use openraft::async_runtime::{self, AsyncRuntime};
use openraft::{OptionalSend, OptionalSync, TokioRuntime};
use rand::SeedableRng;
use rand::rngs::SmallRng;

/// See the module.
#[derive(Debug)]
pub(crate) struct KernelRuntime(TokioRuntime);

/// A moment of the kernel's monotonic time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instant(Duration);

impl async_runtime::Instant for Instant {
    fn now() -> Self {
        Self(Ambient::current().clock.monotonic())
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration))
    }
}

impl SubAssign<Duration> for Instant {
    fn sub_assign(&mut self, duration: Duration) {
        *self = *self - duration;
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Work that has until its sleep ends; work that is ready then wins.
pub(crate) struct Timeout<F> {
    work: Pin<Box<F>>,
    sleep: Sleep,
}

impl<F> fmt::Debug for Timeout<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeout").finish_non_exhaustive()
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, clock::Elapsed>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(output) = self.work.as_mut().poll(context) {
            return Poll::Ready(Ok(output));
        }
        self.sleep
            .as_mut()
            .poll(context)
            .map(|()| Err(clock::Elapsed))
    }
}

impl AsyncRuntime for KernelRuntime {
    type JoinError = <TokioRuntime as AsyncRuntime>::JoinError;
    type JoinHandle<T: OptionalSend + 'static> = tokio::task::JoinHandle<T>;
    type Sleep = Sleep;
    type Instant = Instant;
    type TimeoutError = clock::Elapsed;
    type Timeout<R, T: Future<Output = R> + OptionalSend> = Timeout<T>;
    type ThreadLocalRng = SmallRng;
    type Mpsc = <TokioRuntime as AsyncRuntime>::Mpsc;
    type Watch = KernelWatch;
    type Oneshot = <TokioRuntime as AsyncRuntime>::Oneshot;
    type Mutex<T: OptionalSend + 'static> = <TokioRuntime as AsyncRuntime>::Mutex<T>;

    fn spawn<T>(future: T) -> Self::JoinHandle<T::Output>
    where
        T: Future + OptionalSend + 'static,
        T::Output: OptionalSend + 'static,
    {
        spawn(future)
    }

    fn sleep(duration: Duration) -> Sleep {
        Ambient::current().clock.sleep(duration)
    }

    fn sleep_until(deadline: Instant) -> Sleep {
        let clock = Ambient::current().clock;
        clock.sleep(deadline.0.saturating_sub(clock.monotonic()))
    }

    fn timeout<R, F: Future<Output = R> + OptionalSend>(
        duration: Duration,
        future: F,
    ) -> Timeout<F> {
        let (work, sleep) = (Box::pin(future), Self::sleep(duration));
        Timeout { work, sleep }
    }

    fn timeout_at<R, F: Future<Output = R> + OptionalSend>(
        deadline: Instant,
        future: F,
    ) -> Timeout<F> {
        let (work, sleep) = (Box::pin(future), Self::sleep_until(deadline));
        Timeout { work, sleep }
    }

    fn is_panic(error: &Self::JoinError) -> bool {
        error.is_panic()
    }

    fn thread_rng() -> SmallRng {
        SmallRng::seed_from_u64(Ambient::current().rng.next_u64())
    }

    fn new(threads: usize) -> Self {
        Self(TokioRuntime::new(threads))
    }

    fn block_on<F, T>(&mut self, future: F) -> T
    where
        F: Future<Output = T>,
    {
        self.0.block_on(future)
    }
}

/// The kernel's watch, which wakes in the order of waiting.
#[derive(Debug)]
pub(crate) struct KernelWatch;

/// Its sender.
#[derive(Debug)]
pub(crate) struct WatchSender<T>(watch::Sender<T>);

/// Its receiver.
#[derive(Debug)]
pub(crate) struct WatchReceiver<T>(watch::Receiver<T>);

impl<T> Clone for WatchSender<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Clone for WatchReceiver<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl raft_watch::Watch for KernelWatch {
    type Sender<T: OptionalSend + OptionalSync> = WatchSender<T>;
    type Receiver<T: OptionalSend + OptionalSync> = WatchReceiver<T>;
    type Ref<'a, T: OptionalSend + 'a> = watch::Ref<'a, T>;

    fn channel<T: OptionalSend + OptionalSync>(value: T) -> (WatchSender<T>, WatchReceiver<T>) {
        let (sender, receiver) = watch::channel(value);
        (WatchSender(sender), WatchReceiver(receiver))
    }
}

impl<T: OptionalSend + OptionalSync> raft_watch::WatchSender<KernelWatch, T> for WatchSender<T> {
    fn send(&self, value: T) -> Result<(), raft_watch::SendError<T>> {
        let sent = self.0.send(value);
        sent.map_err(|error| raft_watch::SendError(error.0))
    }

    fn send_if_modified<F: FnOnce(&mut T) -> bool>(&self, modify: F) -> bool {
        self.0.send_if_modified(modify)
    }

    fn borrow_watched(&self) -> watch::Ref<'_, T> {
        self.0.borrow()
    }

    fn subscribe(&self) -> WatchReceiver<T> {
        WatchReceiver(self.0.subscribe())
    }
}

impl<T> raft_watch::WatchReceiver<KernelWatch, T> for WatchReceiver<T>
where
    T: OptionalSend + OptionalSync,
{
    async fn changed(&mut self) -> Result<(), raft_watch::RecvError> {
        let changed = self.0.changed().await;
        changed.map_err(|_| raft_watch::RecvError(()))
    }

    fn borrow_watched(&self) -> watch::Ref<'_, T> {
        self.0.borrow()
    }

    fn borrow_and_update(&mut self) -> watch::Ref<'_, T> {
        self.0.borrow_and_update()
    }
}
