//! What a node runs on, and what outlives it: a disk and a clock.

use std::fmt;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use odeon::Node;
use odeon_kernel::disk::{DirEntry, DirLock};
use odeon_kernel::sim::SimDisk;
use odeon_kernel::{Clock, Disk, DiskFile, OpenMode, SharedClock, SharedDisk, TaskGuard, watch};
use odeon_model::NodeId;

use super::history::History;

/// A machine: its disk, its clock, and the node's life if it is on.
pub(super) struct Machine {
    disk: SimDisk,
    clock: NodeClock,
    now: Mutex<Now>,
}

#[derive(Default)]
struct Now {
    life: Option<Life>,
    node: Option<Node>,
    connections: Vec<TaskGuard<()>>,
}

/// One life of a node. Clones are the same.
#[derive(Clone)]
pub(super) struct Life {
    disk: SimDisk,
    over: Arc<AtomicBool>,
    end: Arc<watch::Sender<bool>>,
}

impl Machine {
    pub(super) fn new(clock: &SharedClock) -> Self {
        let clock = NodeClock {
            base: clock.clone(),
            shift_ms: Arc::default(),
        };
        Self {
            disk: SimDisk::new(Arc::new(clock.clone())),
            clock,
            now: Mutex::default(),
        }
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn disk(&self) -> &SimDisk {
        &self.disk
    }

    pub(super) fn clock(&self) -> &NodeClock {
        &self.clock
    }

    /// Notes every operation of the disk in a history.
    pub(super) fn watch(&self, id: NodeId, history: History) {
        self.disk.set_hook(Arc::new(move |operation, path| {
            history.note(|| format!("node {id} disk {operation:?} {}", path.display()));
            Ok(())
        }));
    }

    /// Whether a life has begun and is not over.
    pub(super) fn is_on(&self) -> bool {
        self.now().life.is_some()
    }

    /// Whether this is the life that it lives now.
    pub(super) fn is(&self, life: &Life) -> bool {
        let now = self.now();
        let current = now.life.as_ref();
        current.is_some_and(|current| Arc::ptr_eq(&current.over, &life.over))
    }

    pub(super) fn is_running(&self) -> bool {
        self.now().node.is_some()
    }

    pub(super) fn with_node<T>(&self, look: impl FnOnce(&Node) -> T) -> Option<T> {
        self.now().node.as_ref().map(look)
    }

    /// Begins a life, unless one goes on.
    pub(super) fn begin(&self) -> Option<Life> {
        if self.is_on() {
            return None;
        }
        let life = Life {
            disk: self.disk.clone(),
            over: Arc::default(),
            end: Arc::new(watch::Sender::new(false)),
        };
        self.now().life = Some(life.clone());
        Some(life)
    }

    /// The node has started; unless its life is over by now.
    pub(super) fn settle(&self, life: &Life, node: Node) {
        let mut now = self.now();
        if !life.over.load(Ordering::SeqCst) {
            now.node = Some(node);
        }
    }

    /// Keeps a connection's task for as long as the life lasts.
    pub(super) fn keep(&self, connection: TaskGuard<()>) {
        let mut now = self.now();
        now.connections.retain(|task| !task.is_finished());
        now.connections.push(connection);
    }

    /// Takes the node out to be stopped; its disk stays.
    pub(super) fn release(&self) -> Option<Node> {
        self.now().node.take()
    }

    /// Ends the life: its disk and its clients are gone at once. What is left of the node.
    pub(super) fn end(&self) -> Option<Node> {
        let (life, node, connections) = {
            let mut now = self.now();
            let connections = std::mem::take(&mut now.connections);
            (now.life.take(), now.node.take(), connections)
        };
        if let Some(life) = life {
            life.over.store(true, Ordering::SeqCst);
            life.end.send_replace(true);
        }
        drop(connections);
        node
    }
}

impl Life {
    /// The disk as this life has it: gone when it is over.
    pub(super) fn disk(&self) -> SharedDisk {
        Arc::new(LifeDisk(self.clone()))
    }

    /// Waits for `work`, or for the end of the life.
    pub(super) async fn or_end<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut end = self.end.subscribe();
        if self.over.load(Ordering::SeqCst) {
            return None;
        }
        tokio::select! {
            biased;
            _ = end.wait_for(|over| *over) => None,
            done = work => Some(done),
        }
    }

    fn check(&self) -> io::Result<()> {
        match self.over.load(Ordering::SeqCst) {
            true => Err(io::Error::other("this life is over")),
            false => Ok(()),
        }
    }
}

/// A disk that ends with a life; files that are open then are ended by the disk itself.
struct LifeDisk(Life);

impl fmt::Debug for LifeDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.disk.fmt(f)
    }
}

impl Disk for LifeDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        self.0.check()?;
        self.0.disk.open(path, mode)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.0.check()?;
        self.0.disk.create_dir_all(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.0.check()?;
        self.0.disk.read_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.check()?;
        self.0.disk.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.0.check()?;
        self.0.disk.remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.0.check()?;
        self.0.disk.remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.0.check()?;
        self.0.disk.sync_dir(path)
    }

    fn exists(&self, path: &Path) -> bool {
        self.0.disk.exists(path)
    }

    fn space_bytes(&self, path: &Path) -> io::Result<(u64, u64)> {
        self.0.check()?;
        self.0.disk.space_bytes(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DirLock>> {
        self.0.check()?;
        self.0.disk.lock(path)
    }
}

/// A node's clock: the cluster's, with a wall clock that may be shifted. Clones are the same.
#[derive(Debug, Clone)]
pub struct NodeClock {
    base: SharedClock,
    shift_ms: Arc<AtomicI64>,
}

impl NodeClock {
    /// Shifts the wall clock, as an operator or NTP does.
    pub fn shift_wall_ms(&self, by_ms: i64) {
        self.shift_ms.fetch_add(by_ms, Ordering::SeqCst);
    }
}

impl Clock for NodeClock {
    fn now_ms(&self) -> i64 {
        let shift_ms = self.shift_ms.load(Ordering::SeqCst);
        self.base.now_ms().saturating_add(shift_ms)
    }

    fn monotonic(&self) -> Duration {
        self.base.monotonic()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.base.sleep(duration)
    }
}
