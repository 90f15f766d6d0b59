//! What the Raft library needs of a statistics crate, without any statistics: it counts the sizes of its
//! batches, and shows them only with a feature that is not asked for.

use std::fmt;
use std::marker::PhantomData;

/// A distribution of which only the number of values is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram<T = ()> {
    samples: u64,
    slots: PhantomData<T>,
}

impl<T> Histogram<T> {
    /// Of nothing.
    #[expect(
        clippy::new_without_default,
        reason = "as in the crate this stands in for"
    )]
    pub fn new() -> Self {
        Self {
            samples: 0,
            slots: PhantomData,
        }
    }

    /// Counts a value.
    pub fn record(&mut self, _value: u64) {
        self.samples += 1;
    }

    /// Counts a value that came `count` times.
    pub fn record_n(&mut self, _value: u64, count: u64) {
        self.samples += count;
    }

    /// How many there were; nothing else is known.
    pub fn percentile_stats(&self) -> PercentileStats {
        PercentileStats {
            samples: self.samples,
            ..PercentileStats::default()
        }
    }
}

/// Percentiles: all 0, see [`Histogram`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "they are percentiles")]
pub struct PercentileStats {
    /// Values recorded.
    pub samples: u64,
    pub p0_1: u64,
    pub p1: u64,
    pub p5: u64,
    pub p10: u64,
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub p99_9: u64,
}

impl fmt::Display for PercentileStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} values", self.samples)
    }
}

/// A picture of distributions: their names.
#[derive(Debug, Clone, Default)]
pub struct AsciiChart(Vec<String>);

impl AsciiChart {
    /// Of nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more.
    #[must_use]
    pub fn add<T>(mut self, name: &str, _histogram: Histogram<T>) -> Self {
        self.0.push(name.to_owned());
        self
    }

    /// With all there is to tell.
    #[must_use]
    pub fn detailed(self) -> Self {
        self
    }
}

impl fmt::Display for AsciiChart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|name| writeln!(f, "{name}"))
    }
}
