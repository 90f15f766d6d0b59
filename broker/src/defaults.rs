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

/// The properties of node `node` (from 1 on) of a cluster whose nodes are all broker and controller
/// and serve clients at `nodes`. Controllers talk at the port above each. Topics have three
/// replicas, two of which must have a record before it is acknowledged, if there are so many nodes.
///
/// `None` when there is no such node, or a port above is none.
pub fn cluster_properties(nodes: &[HostPort], node: usize, data: &str) -> Option<ConfigMap> {
    let controllers = nodes.iter().map(|clients| {
        let port = clients.port.checked_add(1).filter(|port| *port > 1)?;
        let host = clients.host.clone();
        Some(HostPort { host, port })
    });
    let controllers: Vec<HostPort> = controllers.collect::<Option<_>>()?;
    let at = node.checked_sub(1)?;
    let (clients, controller) = (nodes.get(at)?, controllers.get(at)?);
    let voters = (1..).zip(&controllers);
    let voters: Vec<_> = voters.map(|(id, at)| format!("{id}@{at}")).collect();
    let replicas = nodes.len().min(3).to_string();
    let in_sync = nodes.len().min(3).saturating_sub(1).max(1).to_string();
    let mut properties = default_properties(clients, data);
    let properties_of_many = [
        ("node.id", node.to_string()),
        (
            "listeners",
            format!("PLAINTEXT://{clients},CONTROLLER://{controller}"),
        ),
        ("controller.quorum.voters", voters.join(",")),
        ("default.replication.factor", replicas.clone()),
        ("min.insync.replicas", in_sync.clone()),
        ("offsets.topic.replication.factor", replicas.clone()),
        ("transaction.state.log.replication.factor", replicas.clone()),
        ("transaction.state.log.min.isr", in_sync.clone()),
        ("share.coordinator.state.topic.replication.factor", replicas),
        ("share.coordinator.state.topic.min.isr", in_sync),
    ];
    for (name, value) in properties_of_many {
        properties.insert(name.to_owned(), value);
    }
    Some(properties)
}

/// Whether a host stands for all interfaces.
pub(crate) fn is_every_interface(host: &str) -> bool {
    host.is_empty()
        || host
            .parse::<std::net::IpAddr>()
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
    fn the_nodes_of_a_cluster_agree_about_its_voters() {
        let at = |port| HostPort {
            host: "127.0.0.1".to_owned(),
            port,
        };
        let nodes = [at(9092), at(9094), at(9096)];
        let voters = "1@127.0.0.1:9093,2@127.0.0.1:9095,3@127.0.0.1:9097";
        for node in 1..=3 {
            let properties = cluster_properties(&nodes, node, "some/dir").unwrap();
            assert_eq!(properties["controller.quorum.voters"], voters);
            let (config, unknown) = BrokerConfig::from_properties(&properties).unwrap();
            assert!(unknown.is_empty(), "{unknown:?}");
            assert_eq!(config.node_id, node as i32);
            assert_eq!(config.offsets.topic_replication_factor, 3);
        }
        assert_eq!(cluster_properties(&nodes, 0, "d"), None);
        assert_eq!(cluster_properties(&nodes, 4, "d"), None);
        assert_eq!(cluster_properties(&[at(65535)], 1, "d"), None);
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
