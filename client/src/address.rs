//! Where brokers are.

use odeon_model::config::HostPort;

use crate::ClientError;

/// The port of an address that names none.
pub const DEFAULT_PORT: u16 = 9092;

/// Reads `HOST:PORT,...`; a missing port is 9092, an IPv6 host with a port stands in brackets.
///
/// # Errors
/// [`ClientError::InvalidAddress`] for the first part that is not an address, or for no part.
pub fn parse_addresses(text: &str) -> Result<Vec<HostPort>, ClientError> {
    let parts = text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    let addresses = parts.map(parse_address).collect::<Result<Vec<_>, _>>()?;
    if addresses.is_empty() {
        return Err(ClientError::InvalidAddress(text.to_owned()));
    }
    Ok(addresses)
}

/// Reads one `HOST:PORT`; a missing port is 9092.
///
/// # Errors
/// [`ClientError::InvalidAddress`].
pub fn parse_address(text: &str) -> Result<HostPort, ClientError> {
    let invalid = || ClientError::InvalidAddress(text.to_owned());
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or_else(invalid)?;
        match rest.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if rest.is_empty() => (host, None),
            None => return Err(invalid()),
        }
    } else if text.bytes().filter(|byte| *byte == b':').count() > 1 {
        (text, None)
    } else {
        match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    let is_ipv6 = host.contains(':');
    if is_ipv6 && host.parse::<std::net::Ipv6Addr>().is_err() {
        return Err(invalid());
    }
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-%._:".contains(&byte);
    if host.is_empty() || !host.bytes().all(is_host) {
        return Err(invalid());
    }
    let port = match port {
        Some(port) => port.parse().map_err(|_| invalid())?,
        None => DEFAULT_PORT,
    };
    Ok(HostPort {
        host: host.to_owned(),
        port,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_as_people_write_them() {
        for (text, shown) in [
            ("localhost:9092", "localhost:9092"),
            ("kafka", "kafka:9092"),
            ("10.0.0.1:1", "10.0.0.1:1"),
            ("[::1]:9093", "[::1]:9093"),
            ("[::1]", "[::1]:9092"),
            ("::1", "[::1]:9092"),
        ] {
            assert_eq!(parse_address(text).unwrap().to_string(), shown);
        }
        assert_eq!(parse_addresses("a:1, b:2,").unwrap().len(), 2);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            ":1",
            "a:",
            "a:x",
            "a:70000",
            "[::1",
            "[::1]x",
            "a b:1",
            "http://a:1",
        ] {
            assert!(parse_addresses(text).is_err(), "{text}");
        }
    }
}
