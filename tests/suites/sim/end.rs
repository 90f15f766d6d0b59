//! The end of a node's life, at a disk operation that was chosen before.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use odeon_kernel::sim::{DiskHook, SimDisk};
use tokio::sync::Notify;

use super::history::History;

/// Clones are the same end.
#[derive(Debug, Clone)]
pub struct End(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    at_operation: u64,
    done: AtomicU64,
    come: AtomicBool,
    woken: Notify,
}

impl End {
    /// The end comes at this disk operation, which fails, and all after it.
    pub fn at(at_operation: u64) -> Self {
        Self(Arc::new(Inner {
            at_operation,
            done: AtomicU64::new(0),
            come: AtomicBool::new(false),
            woken: Notify::new(),
        }))
    }

    pub fn has_come(&self) -> bool {
        self.0.come.load(Ordering::Relaxed)
    }

    /// How many disk operations there were.
    pub fn operations(&self) -> u64 {
        self.0.done.load(Ordering::Relaxed)
    }

    /// Waits for it.
    pub async fn comes(&self) {
        while !self.has_come() {
            self.0.woken.notified().await;
        }
    }

    /// What the disk asks before each operation. A process that is `killed` does nothing more; when
    /// the power goes, part of the last operation may still be done.
    pub fn hook(&self, history: History, killed: Option<SimDisk>) -> DiskHook {
        let end = self.clone();
        Arc::new(move |operation, path| {
            let inner = &end.0;
            if !end.has_come() {
                history.note(format!("disk {operation:?} {}", path.display()));
                if inner.done.fetch_add(1, Ordering::Relaxed) < inner.at_operation {
                    return Ok(());
                }
                inner.come.store(true, Ordering::Relaxed);
                inner.woken.notify_one();
                if let Some(disk) = &killed {
                    disk.kill_process();
                }
            }
            Err(io::Error::other("the power is gone"))
        })
    }
}
