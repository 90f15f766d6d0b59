//! Ports of the loopback for processes to listen on.
//!
//! Between a look at a port and the start of the process that shall listen there, nobody else may
//! take it: not another test, so no port is handed out twice, and not an outgoing connection, so all
//! lie below those that Linux picks for these.

use std::net::TcpListener;
use std::ops::Range;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};

const PORTS: Range<u16> = 10_000..32_000;

/// Ports that nobody listens on now.
pub(super) fn free_ports() -> [u16; 2] {
    let [one] = free_port_pairs();
    [one, one + 1]
}

/// Ports that nobody listens on now, and neither at the one above each.
///
/// # Panics
/// There are none.
pub fn free_port_pairs<const N: usize>() -> [u16; N] {
    let count = PORTS.len() as u16 / 2;
    // Other processes that do the same now begin elsewhere.
    static NEXT: LazyLock<AtomicU16> =
        LazyLock::new(|| AtomicU16::new((std::process::id() as u16).wrapping_mul(157)));
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    std::array::from_fn(|_| {
        let pairs = (0..count).map(|_| {
            let next = NEXT.fetch_add(1, Ordering::Relaxed);
            PORTS.start + next % count * 2
        });
        let mut free = pairs.filter(|port| is_free(*port) && is_free(port + 1));
        free.next().expect("there are free ports")
    })
}
