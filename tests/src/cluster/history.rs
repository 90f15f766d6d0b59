//! Everything that happened in a run, in order, as lines that another run can be compared with.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use odeon_kernel::SharedClock;

/// A history that grows, if anybody wants one. Clones are the same one.
#[derive(Debug, Clone)]
pub struct History {
    clock: SharedClock,
    lines: Option<Arc<Mutex<Vec<String>>>>,
    /// Each line is shown at once as well, for runs that do not end.
    is_shown: bool,
}

impl History {
    /// A history that is kept, or not.
    pub fn new(clock: SharedClock, kept: bool) -> Self {
        let lines = kept.then(Arc::default);
        let is_shown = std::env::var_os("ODEON_SIM_SHOW").is_some();
        Self {
            clock,
            lines,
            is_shown,
        }
    }

    /// Notes something, which is put into words only if the history is kept.
    pub fn note(&self, what: impl FnOnce() -> String) {
        if let Some(lines) = &self.lines {
            let line = format!("{} {}", self.clock.monotonic().as_micros(), what());
            if self.is_shown {
                println!("{line}");
            }
            let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
            lines.push(line);
        }
    }

    /// Whether it is kept.
    pub fn is_kept(&self) -> bool {
        self.lines.is_some()
    }

    /// What was noted; the history is empty then.
    pub fn lines(&self) -> Vec<String> {
        let Some(lines) = &self.lines else {
            return Vec::new();
        };
        std::mem::take(&mut lines.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The same for the same bytes, in every process.
pub(super) fn digest(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}
