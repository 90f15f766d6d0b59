//! What a node touches the world through, handed over as one thing.

use std::cell::RefCell;
use std::sync::{Arc, OnceLock};

use crate::clock::{SharedClock, SystemClock};
use crate::disk::{RealDisk, SharedDisk};
use crate::rng::Rng;
use crate::task::Blocking;

/// Time, disk, randomness and threads of a node.
#[derive(Debug, Clone)]
pub struct Seams {
    /// The disk.
    pub disk: SharedDisk,
    /// The clock.
    pub clock: SharedClock,
    /// The source of all randomness.
    pub rng: Arc<Rng>,
    /// Where blocking work goes.
    pub blocking: Blocking,
    /// The runtime of the parts that nothing may stall; `None` for one of their own.
    pub system: Option<tokio::runtime::Handle>,
}

impl Seams {
    /// The machine itself.
    pub fn real() -> Self {
        Self {
            disk: Arc::new(RealDisk),
            clock: Arc::new(SystemClock::new()),
            rng: Arc::new(Rng::from_entropy()),
            blocking: Blocking::Pool,
            system: None,
        }
    }
}

/// A clock and a source of randomness for code that cannot be handed any: a library whose runtime
/// is a type, not a value.
#[derive(Debug, Clone)]
pub struct Ambient {
    /// The clock.
    pub clock: SharedClock,
    /// The source of randomness.
    pub rng: Arc<Rng>,
}

thread_local! {
    static ENTERED: RefCell<Option<Ambient>> = const { RefCell::new(None) };
}

impl Ambient {
    /// The machine's own, unless a simulation has [entered](Ambient::enter) its own on this thread.
    pub fn current() -> Self {
        static REAL: OnceLock<Ambient> = OnceLock::new();
        let entered = ENTERED.with_borrow(Clone::clone);
        entered.unwrap_or_else(|| {
            let real = REAL.get_or_init(|| {
                let Seams { clock, rng, .. } = Seams::real();
                Self { clock, rng }
            });
            real.clone()
        })
    }

    /// Makes this the current one of this thread until the guard is dropped.
    #[must_use]
    pub(crate) fn enter(self) -> Entered {
        Entered(ENTERED.replace(Some(self)))
    }
}

/// As long as it lives, an [`Ambient`] is the current one of the thread.
#[derive(Debug)]
pub(crate) struct Entered(Option<Ambient>);

impl Drop for Entered {
    fn drop(&mut self) {
        ENTERED.set(self.0.take());
    }
}
