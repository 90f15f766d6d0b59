//! Listeners, voters and addresses, as texts of the configs name them.
//!
//! Source: `org.apache.kafka.server.config.AbstractKafkaConfig`,
//! `org.apache.kafka.raft.QuorumConfig`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::error::{ConfigError, shorten};
use crate::NodeId;

/// How a listener's connections are secured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SecurityProtocol {
    /// Not at all.
    Plaintext,
    /// By TLS.
    Ssl,
    /// By SASL over an open connection.
    SaslPlaintext,
    /// By SASL over TLS.
    SaslSsl,
}

impl SecurityProtocol {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Plaintext,
        Self::Ssl,
        Self::SaslPlaintext,
        Self::SaslSsl,
    ];

    /// Kafka's name, such as `SASL_SSL`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "PLAINTEXT",
            Self::Ssl => "SSL",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
            Self::SaslSsl => "SASL_SSL",
        }
    }

    /// The protocol of that name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|protocol| protocol.name().eq_ignore_ascii_case(name))
    }

    /// The number in metadata records.
    pub const fn code(self) -> i16 {
        match self {
            Self::Plaintext => 0,
            Self::Ssl => 1,
            Self::SaslPlaintext => 2,
            Self::SaslSsl => 3,
        }
    }

    /// Whether connections begin with a TLS handshake.
    pub const fn uses_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }

    /// Whether clients authenticate by SASL.
    pub const fn uses_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }
}

impl fmt::Display for SecurityProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A named address to listen on or to be reached at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Listener {
    /// The name, in capitals.
    pub name: String,
    /// The host; empty means every interface, or when advertised the machine's own name.
    pub host: String,
    /// The port; 0 lets the system choose.
    pub port: u16,
    /// How its connections are secured.
    pub protocol: SecurityProtocol,
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.name, HostPortText(&self.host, self.port))
    }
}

/// An address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// The host.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        HostPortText(&self.host, self.port).fmt(f)
    }
}

struct HostPortText<'a>(&'a str, u16);

impl fmt::Display for HostPortText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(host, port) = self;
        if host.contains(':') {
            write!(f, "[{host}]:{port}")
        } else {
            write!(f, "{host}:{port}")
        }
    }
}

/// A voter of the metadata quorum.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Voter {
    /// Its node id.
    pub id: NodeId,
    /// Where its controller listener is.
    pub address: HostPort,
}

/// The security protocol of each listener name.
pub(super) type ProtocolMap = BTreeMap<String, SecurityProtocol>;

/// Reads `host:port`; an IPv6 host stands in brackets.
pub(super) fn parse_host_port(text: &str) -> Result<HostPort, String> {
    let wrong = || format!("'{}' is not of the form host:port", shorten(text));
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    if host.is_empty() || !host.bytes().all(is_host_byte) {
        return Err(wrong());
    }
    Ok(HostPort {
        host: host.to_owned(),
        port: port.parse().map_err(|_| wrong())?,
    })
}

/// Reads `id@host:port`.
pub(super) fn parse_voter(text: &str) -> Result<Voter, String> {
    let wrong = || format!("'{}' is not of the form id@host:port", shorten(text));
    let (id, address) = text.split_once('@').ok_or_else(wrong)?;
    let id: NodeId = id.parse().map_err(|_| wrong())?;
    if id < 0 {
        return Err(wrong());
    }
    Ok(Voter {
        id,
        address: parse_host_port(address).map_err(|_| wrong())?,
    })
}

/// Reads `NAME:PROTOCOL,...`.
pub(super) fn parse_protocol_map(key: &str, text: &str) -> Result<ProtocolMap, ConfigError> {
    let mut map = ProtocolMap::new();
    for entry in super::value::split_list(text) {
        let wrong =
            |why: &str| ConfigError::new(key, format!("{key}: '{}' {why}", shorten(&entry)));
        let (name, protocol) = entry
            .split_once(':')
            .ok_or_else(|| wrong("is not of the form NAME:PROTOCOL"))?;
        let protocol = SecurityProtocol::from_name(protocol.trim())
            .ok_or_else(|| wrong("does not name PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"))?;
        if map.insert(normalize(name), protocol).is_some() {
            return Err(wrong("names a listener for the second time"));
        }
    }
    Ok(map)
}

/// Reads a list of `NAME://host:port`. Names must differ; with `distinct_ports` the ports must
/// too, unless they are 0 or one of two is on an IPv4 and the other on an IPv6 address.
pub(super) fn parse_listeners(
    key: &str,
    entries: &[String],
    protocols: &ProtocolMap,
    distinct_ports: bool,
) -> Result<Vec<Listener>, ConfigError> {
    let listeners: Vec<Listener> = entries
        .iter()
        .map(|entry| parse_listener(key, entry, protocols))
        .collect::<Result<_, _>>()?;
    let mut names = BTreeSet::new();
    let mut ports: BTreeMap<u16, Vec<&Listener>> = BTreeMap::new();
    for listener in &listeners {
        ports.entry(listener.port).or_default().push(listener);
        let pair_of_families = || {
            let same: Vec<_> = listeners
                .iter()
                .filter(|one| one.name == listener.name)
                .collect();
            is_pair_of_families(&same)
        };
        if !names.insert(listener.name.as_str()) && !pair_of_families() {
            let message = format!("{key}: two listeners are named {}", shorten(&listener.name));
            return Err(ConfigError::new(key, message));
        }
    }
    for (port, same) in ports {
        if distinct_ports && port != 0 && same.len() > 1 && !is_pair_of_families(&same) {
            let message = format!(
                "{key}: port {port} is used by several listeners; that is possible only for one \
                 IPv4 and one IPv6 address"
            );
            return Err(ConfigError::new(key, message));
        }
    }
    Ok(listeners)
}

fn parse_listener(
    key: &str,
    entry: &str,
    protocols: &ProtocolMap,
) -> Result<Listener, ConfigError> {
    let wrong = |why: &str| ConfigError::new(key, format!("{key}: '{}' {why}", shorten(entry)));
    let form = "is not of the form NAME://host:port";
    let (name, address) = entry.split_once("://").ok_or_else(|| wrong(form))?;
    let (host, port) = address.rsplit_once(':').ok_or_else(|| wrong(form))?;
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    if name.is_empty() || !host.bytes().all(is_host_byte) {
        return Err(wrong(form));
    }
    let port = port.parse().map_err(|_| wrong("has no valid port"))?;
    let name = normalize(name);
    let protocol = protocols.get(&name).copied().ok_or_else(|| {
        wrong("has no security protocol: name it in listener.security.protocol.map")
    })?;
    Ok(Listener {
        name,
        host: host.to_owned(),
        port,
        protocol,
    })
}

fn is_pair_of_families(listeners: &[&Listener]) -> bool {
    let [first, second] = listeners else {
        return false;
    };
    let is_v4 = |one: &Listener| one.host.parse::<Ipv4Addr>().is_ok();
    let is_v6 = |one: &Listener| one.host.parse::<Ipv6Addr>().is_ok();
    is_v4(first) && is_v6(second) || is_v6(first) && is_v4(second)
}

/// Whether a host is the address that stands for all interfaces, which no client can reach.
pub(super) fn is_unroutable(host: &str) -> bool {
    host.parse::<IpAddr>()
        .is_ok_and(|address| address.is_unspecified())
}

/// A listener's name in its one spelling: capitals.
pub(super) fn normalize(name: &str) -> String {
    name.trim().to_uppercase()
}

fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-%._:".contains(&byte)
}
