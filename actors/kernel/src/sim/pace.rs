//! How long simulated machines take for blocking work.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

/// The longest wait before and after blocking work on a machine that is well.
const USUAL: Duration = Duration::from_millis(3);

/// The pace of a machine, by its number; the default is that of a machine that is always well. It
/// holds on the thread that set it, on which a simulation runs as a whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pace(u32);

thread_local! {
    static SLOW: RefCell<BTreeMap<u32, Duration>> = const { RefCell::new(BTreeMap::new()) };
}

impl Pace {
    /// The pace of a machine; it is well until it is told otherwise.
    pub fn of(machine: u32) -> Self {
        Self(machine)
    }

    /// Has blocking work wait for up to `delay_max` before it begins, and as long before its end is
    /// heard of; `None` for the usual time.
    pub fn set(self, delay_max: Option<Duration>) {
        SLOW.with_borrow_mut(|slow| match delay_max {
            Some(delay_max) => drop(slow.insert(self.0, delay_max)),
            None => drop(slow.remove(&self.0)),
        });
    }

    pub(crate) fn delay_max(self) -> Duration {
        SLOW.with_borrow(|slow| slow.get(&self.0).copied().unwrap_or(USUAL))
    }
}
