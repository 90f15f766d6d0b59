//! The settings of a node that nobody configured.

use odeon_model::config::{ConfigMap, HostPort};

/// The properties of a lone node: broker and controller, one plaintext listener at `listen` (port
/// 0 lets the system choose), all data below `data`, every internal topic with one replica. What is
/// not here has Kafka's default.
///
/// The controller listens on a port of the system's choice: a quorum of one voter has no callers.
pub fn default_properties(listen: &HostPort, data: &str) -> ConfigMap {
    let address = if is_every_interface(&listen.host) {
        // An address that clients can use is advertised then, the machine's own name.
        format!(":{}", listen.port)
    } else {
        listen.to_string()
    };
    let properties = [
        ("node.id", "1".to_owned()),
        ("process.roles", "broker,controller".to_owned()),
        (
            "listeners",
            format!("PLAINTEXT://{address},CONTROLLER://127.0.0.1:0"),
        ),
        ("controller.listener.names", "CONTROLLER".to_owned()),
        ("controller.quorum.voters", "1@127.0.0.1:0".to_owned()),
        ("log.dirs", data.to_owned()),
        ("offsets.topic.replication.factor", "1".to_owned()),
        ("transaction.state.log.replication.factor", "1".to_owned()),
        ("transaction.state.log.min.isr", "1".to_owned()),
        (
            "share.coordinator.state.topic.replication.factor",
            "1".to_owned(),
        ),
        ("share.coordinator.state.topic.min.isr", "1".to_owned()),
        // Nobody waits three seconds for a group of one.
        ("group.initial.rebalance.delay.ms", "0".to_owned()),
    ];
    let properties = properties.into_iter();
    properties
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Whether a host stands for all interfaces.
pub(crate) fn is_every_interface(host: &str) -> bool {
    host.parse::<std::net::IpAddr>()
        .is_ok_and(|address| address.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;
    use odeon_model::config::BrokerConfig;

    fn config(host: &str, port: u16) -> BrokerConfig {
        let listen = HostPort {
            host: host.to_owned(),
            port,
        };
        let (config, unknown) =
            BrokerConfig::from_properties(&default_properties(&listen, "some/dir")).unwrap();
        assert!(unknown.is_empty(), "{unknown:?}");
        config
    }

    #[test]
    fn the_defaults_are_a_valid_lone_node() {
        let config = config("127.0.0.1", 9092);
        assert!(config.roles.broker && config.roles.controller);
        assert_eq!(config.node_id, 1);
        assert_eq!(config.log_dirs, ["some/dir"]);
        assert_eq!(config.offsets.topic_replication_factor, 1);
        assert_eq!(config.transactions.log_min_isr, 1);
        let advertised = &config.network.advertised_listeners;
        let shown: Vec<_> = advertised.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["PLAINTEXT://127.0.0.1:9092"]);
    }

    #[test]
    fn every_interface_is_listened_on_and_never_advertised() {
        for host in ["0.0.0.0", "::"] {
            let config = config(host, 0);
            let listener = &config.network.advertised_listeners[0];
            assert_eq!((listener.host.as_str(), listener.port), ("", 0), "{host}");
        }
    }

    #[test]
    fn an_ipv6_address_keeps_its_brackets() {
        let config = config("::1", 9092);
        assert_eq!(config.network.listeners[0].host, "::1");
    }
}
