//! Ports of the loopback for processes to listen on.

use std::net::TcpListener;

/// Ports that nobody listens on now.
pub(super) fn free_ports() -> [u16; 2] {
    let listen = || TcpListener::bind("127.0.0.1:0").expect("there are free ports");
    let port = |at: &TcpListener| at.local_addr().expect("a listener has an address").port();
    let listening = [listen(), listen()];
    [port(&listening[0]), port(&listening[1])]
}

/// Ports that nobody listens on now, and neither at the one above each.
///
/// # Panics
/// There are none.
pub fn free_port_pairs<const N: usize>() -> [u16; N] {
    let mut held = Vec::new();
    std::array::from_fn(|_| {
        loop {
            let one = TcpListener::bind("127.0.0.1:0").expect("there are free ports");
            let port = one.local_addr().expect("a listener has an address").port();
            let above = port
                .checked_add(1)
                .map(|above| TcpListener::bind(("127.0.0.1", above)));
            if let Some(Ok(above)) = above {
                held.push((one, above));
                return port;
            }
        }
    })
}
