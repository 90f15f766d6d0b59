//! What a load measured.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::Result;

/// Figures of one run, printed as a line of JSON.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Figures {
    /// Records acknowledged or read.
    pub(crate) records: u64,
    /// Records refused, lost or expired.
    pub(crate) failed: u64,
    /// Payload bytes of them.
    pub(crate) size_bytes: u64,
    /// From the first request to the last answer.
    pub(crate) seconds: f64,
    /// What this process spent meanwhile, of user and system time.
    pub(crate) client_cpu_s: f64,
    /// When the last answer came, since 1970.
    pub(crate) ended_unix_s: f64,
    /// Until the first record was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first_s: Option<f64>,
    #[serde(flatten)]
    pub(crate) latency: Option<Latency>,
}

/// Percentiles of a latency.
#[derive(Debug, Serialize)]
pub(crate) struct Latency {
    p50_ms: f64,
    p99_ms: f64,
    p999_ms: f64,
    max_ms: f64,
}

impl Figures {
    pub(crate) fn print(&self) -> Result<()> {
        println!("{}", serde_json::to_string(self)?);
        Ok(())
    }
}

/// Latencies of up to ten minutes, to three digits.
#[derive(Debug, Clone)]
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    pub(crate) fn new() -> Self {
        let bounds = Histogram::new_with_bounds(1, 600_000_000, 3);
        Self(bounds.expect("the bounds are in order"))
    }

    pub(crate) fn record(&mut self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.0.saturating_record(micros.max(1));
    }

    pub(crate) fn add(&mut self, other: &Self) {
        let added = self.0.add(&other.0);
        added.expect("all have the same bounds");
    }

    /// What came behind `earlier`, which these were once.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let mut later = self.clone();
        let taken = later.0.subtract(&earlier.0);
        taken.expect("nothing is taken back");
        later
    }

    /// None if nothing was recorded.
    pub(crate) fn percentiles(&self) -> Option<Latency> {
        #[allow(clippy::cast_precision_loss)] // Ten minutes in microseconds are exact.
        let at = |quantile| self.0.value_at_quantile(quantile) as f64 / 1e3;
        (!self.0.is_empty()).then(|| Latency {
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: at(1.0),
        })
    }
}

/// User and system time of this process so far, all threads together.
pub(crate) fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or(0), nanos.unwrap_or(0))
}

/// Now, since 1970.
pub(crate) fn unix_s() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
}
