//! Everything that happened in a run, in order, as lines that another run can be compared with.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::{Arc, Mutex};

use odeon_kernel::Clock;
use odeon_kernel::sim::{SimClock, SimDisk};
use odeon_kernel::{Disk, OpenMode};

/// A history that grows. Clones are the same one.
#[derive(Debug, Clone)]
pub struct History {
    clock: SimClock,
    lines: Arc<Mutex<Vec<String>>>,
}

impl History {
    pub fn new(clock: SimClock) -> Self {
        let lines = Arc::default();
        Self { clock, lines }
    }

    pub fn note(&self, what: String) {
        let at = self.clock.monotonic().as_micros();
        self.lines.lock().unwrap().push(format!("{at} {what}"));
    }

    pub fn lines(&self) -> Vec<String> {
        std::mem::take(&mut self.lines.lock().unwrap())
    }
}

/// The same for the same bytes, in every process.
pub fn digest(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

/// A digest of all names and bytes below `dir`.
pub fn digest_of(disk: &SimDisk, dir: &Path) -> u64 {
    let mut seen = String::new();
    for entry in disk.read_dir(dir).unwrap() {
        let path = dir.join(&entry.name);
        let inside = if entry.is_dir {
            digest_of(disk, &path)
        } else {
            let file = disk.open(&path, OpenMode::Read).unwrap();
            let mut bytes = vec![0; file.len().unwrap() as usize];
            file.read_at(&mut bytes, 0).unwrap();
            digest(&bytes)
        };
        seen += &format!("{}={inside} ", entry.name);
    }
    digest(seen.as_bytes())
}
