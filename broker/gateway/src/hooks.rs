//! What every response passes on its way out: one throttle hook and one metrics hook.

use std::fmt::{Debug, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use odeon_protocol::ApiKey;

use crate::authorizer::Requester;

/// Says how long a client must wait after an answer. The time is returned to the client in
/// `throttle_time_ms` at once, then its connection is muted that long (KIP-219).
pub trait Quotas: Send + Sync + Debug + 'static {
    /// The throttle time for an answer to `requester`. Called on every request; must not block.
    fn throttle(&self, requester: Requester<'_>, client_id: &str, usage: &Usage) -> Duration;
}

/// What one request cost.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// The API called.
    pub api: ApiKey,
    /// Bytes of the request's frame.
    pub request_bytes: u64,
    /// Time from the frame's last byte to the answer.
    pub total: Duration,
}

/// No quotas: the default until quotas are configured.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoQuotas;

impl Quotas for NoQuotas {
    fn throttle(&self, _: Requester<'_>, _: &str, _: &Usage) -> Duration {
        Duration::ZERO
    }
}

/// The highest API key with a metrics row.
const KEYS: usize = 128;

/// Counters of one API. Times are sums in microseconds.
#[derive(Debug, Default)]
struct ApiCounters {
    requests: AtomicU64,
    errors: AtomicU64,
    request_bytes: AtomicU64,
    response_bytes: AtomicU64,
    queue_us: AtomicU64,
    total_us: AtomicU64,
}

/// Request counters by API, and connection counters.
#[derive(Debug)]
pub struct RequestMetrics {
    apis: Vec<ApiCounters>,
    /// Connections open now.
    pub connections_open: AtomicU64,
    /// Connections accepted since the start.
    pub connections_accepted: AtomicU64,
    /// Connections refused by a limit since the start.
    pub connections_refused: AtomicU64,
    /// Connections closed because of a broken frame or an unknown API.
    pub protocol_errors: AtomicU64,
}

impl Default for RequestMetrics {
    fn default() -> Self {
        Self {
            apis: (0..KEYS).map(|_| ApiCounters::default()).collect(),
            connections_open: AtomicU64::new(0),
            connections_accepted: AtomicU64::new(0),
            connections_refused: AtomicU64::new(0),
            protocol_errors: AtomicU64::new(0),
        }
    }
}

/// One answered request, as the metrics hook sees it.
#[derive(Debug, Clone, Copy)]
pub struct Answered {
    /// The API called.
    pub api: ApiKey,
    /// Whether the answer carries an error code at its top level, or none was given.
    pub error: bool,
    /// Bytes of the request's frame.
    pub request_bytes: u64,
    /// Bytes of the response's frame.
    pub response_bytes: u64,
    /// Time from the frame's last byte to the start of its handler: requests before it on the same
    /// connection, mostly.
    pub queue: Duration,
    /// Time from the frame's last byte to the answer.
    pub total: Duration,
}

impl RequestMetrics {
    /// Counts one answered request.
    pub fn record(&self, answered: &Answered) {
        let Some(row) = usize::try_from(answered.api as i16)
            .ok()
            .and_then(|k| self.apis.get(k))
        else {
            return;
        };
        let add = |counter: &AtomicU64, value: u64| counter.fetch_add(value, Ordering::Relaxed);
        add(&row.requests, 1);
        add(&row.errors, u64::from(answered.error));
        add(&row.request_bytes, answered.request_bytes);
        add(&row.response_bytes, answered.response_bytes);
        add(
            &row.queue_us,
            u64::try_from(answered.queue.as_micros()).unwrap_or(u64::MAX),
        );
        add(
            &row.total_us,
            u64::try_from(answered.total.as_micros()).unwrap_or(u64::MAX),
        );
    }

    /// Requests answered for one API since the start.
    pub fn requests(&self, api: ApiKey) -> u64 {
        usize::try_from(api as i16)
            .ok()
            .and_then(|key| self.apis.get(key))
            .map_or(0, |row| row.requests.load(Ordering::Relaxed))
    }

    /// All counters in the Prometheus text format.
    pub fn prometheus(&self) -> String {
        let mut out = String::new();
        type Column = (
            &'static str,
            &'static str,
            f64,
            fn(&ApiCounters) -> &AtomicU64,
        );
        let columns: [Column; 6] = [
            ("odeon_requests_total", "Requests answered.", 1.0, |c| {
                &c.requests
            }),
            (
                "odeon_request_errors_total",
                "Requests answered with an error.",
                1.0,
                |c| &c.errors,
            ),
            (
                "odeon_request_bytes_total",
                "Bytes of requests.",
                1.0,
                |c| &c.request_bytes,
            ),
            (
                "odeon_response_bytes_total",
                "Bytes of responses.",
                1.0,
                |c| &c.response_bytes,
            ),
            (
                "odeon_request_queue_seconds_total",
                "Time until the handler started: behind others of the same connection.",
                1e6,
                |c| &c.queue_us,
            ),
            (
                "odeon_request_seconds_total",
                "Time until the answer.",
                1e6,
                |c| &c.total_us,
            ),
        ];
        for (name, help, scale, column) in columns {
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} counter");
            for (key, row) in self.apis.iter().enumerate() {
                if row.requests.load(Ordering::Relaxed) == 0 {
                    continue;
                }
                let api = i16::try_from(key).ok().and_then(ApiKey::from_code);
                let value = column(row).load(Ordering::Relaxed) as f64 / scale;
                let api_name = api.map_or("unknown", |api| api.name());
                let _ = writeln!(out, "{name}{{api=\"{api_name}\"}} {value}");
            }
        }
        let mut gauge = |name: &str, kind: &str, help: &str, value: &AtomicU64| {
            let value = value.load(Ordering::Relaxed);
            let _ = writeln!(
                out,
                "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}"
            );
        };
        gauge(
            "odeon_connections",
            "gauge",
            "Open connections.",
            &self.connections_open,
        );
        gauge(
            "odeon_connections_accepted_total",
            "counter",
            "Connections accepted.",
            &self.connections_accepted,
        );
        gauge(
            "odeon_connections_refused_total",
            "counter",
            "Connections refused by a limit.",
            &self.connections_refused,
        );
        gauge(
            "odeon_protocol_errors_total",
            "counter",
            "Connections closed for a broken frame or an unknown API.",
            &self.protocol_errors,
        );
        out
    }
}
