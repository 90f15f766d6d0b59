//! A network of their own for processes: a namespace a node, all on one bridge, whose links can be cut
//! in each direction without anybody being told.
//!
//! A cut direction is a wrong hardware address: what is sent there arrives nowhere.
//! It takes root and Linux's `ip`.

use std::io;
use std::net::Ipv4Addr;
use std::process::{self, Command};
use std::sync::atomic::{AtomicU8, Ordering};

/// The number of the machine that the tests and their clients run on.
pub const CLIENTS: i32 = 0;

/// A bridge and the namespaces on it, which are numbered as their nodes. Dropping it removes them.
#[derive(Debug)]
pub struct Network {
    bridge: String,
    nodes: i32,
    subnet: [u8; 3],
}

impl Network {
    /// A network for the nodes 1 to `nodes`.
    ///
    /// # Errors
    /// This machine does not allow it.
    pub fn new(nodes: i32) -> io::Result<Self> {
        static MADE: AtomicU8 = AtomicU8::new(0);
        let [.., high, low] = process::id().to_be_bytes();
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let network = Self {
            bridge: format!("od{high:02x}{low:02x}{number:02x}"),
            nodes,
            subnet: [10, 64 + (high & 63) + number % 64, low],
        };
        network.make()?;
        Ok(network)
    }

    fn make(&self) -> io::Result<()> {
        let bridge = &*self.bridge;
        ip(&["link", "add", bridge, "type", "bridge"])?;
        ip(&["link", "set", bridge, "address", &hardware(CLIENTS)])?;
        let own = format!("{}/24", self.address(CLIENTS));
        ip(&["addr", "add", &own, "dev", bridge])?;
        ip(&["link", "set", bridge, "up"])?;
        for id in 1..=self.nodes {
            let (space, port) = (&*self.namespace(id), &*self.port(id));
            ip(&["netns", "add", space])?;
            let address = hardware(id);
            let end = ["peer", "name", "e0", "address", &address, "netns", space];
            let pair = ["link", "add", port, "type", "veth"];
            ip(&[&pair[..], &end].concat())?;
            ip(&["link", "set", port, "master", bridge, "up"])?;
            let own = format!("{}/24", self.address(id));
            ip(&["-n", space, "addr", "add", &own, "dev", "e0"])?;
            ip(&["-n", space, "link", "set", "lo", "up"])?;
            ip(&["-n", space, "link", "set", "e0", "up"])?;
        }
        self.heal()
    }

    /// A machine's address.
    pub fn address(&self, id: i32) -> Ipv4Addr {
        let [a, b, c] = self.subnet;
        Ipv4Addr::new(a, b, c, host(id))
    }

    /// A node's namespace.
    pub fn namespace(&self, id: i32) -> String {
        format!("{}n{id}", self.bridge)
    }

    fn port(&self, id: i32) -> String {
        format!("{}p{id}", self.bridge)
    }

    /// Loses all that `from` sends to `to`, from now on and without either being told.
    ///
    /// # Errors
    /// The machine does not allow it.
    pub fn cut(&self, from: i32, to: i32) -> io::Result<()> {
        self.point(from, to, "02:00:00:00:ff:ff")
    }

    /// Repairs all links.
    ///
    /// # Errors
    /// The machine does not allow it.
    pub fn heal(&self) -> io::Result<()> {
        for from in CLIENTS..=self.nodes {
            for to in (CLIENTS..=self.nodes).filter(|to| *to != from) {
                self.point(from, to, &hardware(to))?;
            }
        }
        Ok(())
    }

    fn point(&self, from: i32, to: i32, hardware: &str) -> io::Result<()> {
        let (space, device) = match from {
            CLIENTS => (None, &*self.bridge),
            _ => (Some(self.namespace(from)), "e0"),
        };
        let inside = space.as_ref().map(|space| ["-n", space]);
        let address = self.address(to).to_string();
        let neighbour = ["neigh", "replace", &address, "lladdr", hardware];
        let rest = ["dev", device, "nud", "permanent"];
        ip(&[inside.as_ref().map_or(&[][..], |it| it), &neighbour, &rest].concat())
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for id in 1..=self.nodes {
            // With the namespace's end its port goes too, a while later.
            let _ = ip(&["link", "del", &self.port(id)]);
            let _ = ip(&["netns", "del", &self.namespace(id)]);
        }
        let _ = ip(&["link", "del", &self.bridge]);
    }
}

fn host(id: i32) -> u8 {
    match id {
        CLIENTS => 254,
        _ => u8::try_from(id).expect("few nodes"),
    }
}

fn hardware(id: i32) -> String {
    format!("02:00:00:00:00:{:02x}", host(id))
}

fn ip(arguments: &[&str]) -> io::Result<()> {
    super::run(Command::new("ip").args(arguments))
}
