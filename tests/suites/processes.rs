//! A cluster of processes, as its users start it: elections, deaths, returns.

use std::time::Duration;

use bytes::Bytes;
use odeon_client::{Client, ClientConfig, NewTopic, ProducerConfig, Record, parse_addresses};
use odeon_tests::process::{ClusterProcess, binary};
use tokio::time::timeout;

/// Longer than anything here may take, a session time-out included.
const LIMIT: Duration = Duration::from_secs(60);

async fn client(cluster: &ClusterProcess) -> Client {
    at(&cluster.bootstrap()).await
}

/// A client, as soon as a node answers.
async fn at(bootstrap: &str) -> Client {
    let config = ClientConfig::new(parse_addresses(bootstrap).expect("addresses"));
    let connected = async {
        loop {
            match Client::with_config(config.clone()).await {
                Ok(client) => return client,
                // They may just be starting.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    };
    let connected = timeout(LIMIT, connected).await;
    connected.expect("a node answers in time")
}

async fn create(client: &Client, topic: &str, replicas: i16) {
    let new = NewTopic {
        partitions: Some(3),
        replication_factor: Some(replicas),
        ..NewTopic::named(topic)
    };
    let created = timeout(LIMIT, client.admin().create_topics(&[new], false)).await;
    for (name, result) in created.expect("an answer in time").expect("an answer") {
        result.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

async fn produce(client: &Client, topic: &str, partition: i32, value: &'static str) {
    let config = ProducerConfig {
        delivery_timeout: LIMIT,
        ..ProducerConfig::default()
    };
    let producer = client.producer(config).expect("a producer");
    let record = Record::to(topic)
        .partition(partition)
        .value(Bytes::from_static(value.as_bytes()));
    producer.send(record).await.expect("it is acknowledged");
    producer.close().await;
}

#[test]
fn three_processes_elect_a_controller_and_outlive_the_kill_of_any_one() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut cluster = ClusterProcess::start(3, &[]);
    runtime.block_on(async {
        create(&client(&cluster).await, "before", 3).await;
    });
    for victim in 1..=3 {
        cluster.node(victim).kill();
        runtime.block_on(async {
            let client = client(&cluster).await;
            create(&client, &format!("without-{victim}"), 2).await;
            for partition in 0..3 {
                produce(&client, "before", partition, "still here").await;
            }
        });
        cluster.node(victim).start_again();
    }
    runtime.block_on(async {
        let client = client(&cluster).await;
        for topic in ["before", "without-1", "without-2", "without-3"] {
            produce(&client, topic, 0, "all back").await;
        }
    });
    for node in cluster.nodes() {
        assert!(!node.log().contains("panicked"), "{}", node.log());
    }
}

#[test]
fn a_cluster_that_was_killed_as_a_whole_comes_back() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut cluster = ClusterProcess::start(3, &[]);
    runtime.block_on(async {
        let client = client(&cluster).await;
        create(&client, "kept", 3).await;
        produce(&client, "kept", 0, "x").await;
    });
    for id in 1..=3 {
        cluster.node(id).kill();
    }
    cluster.start_all();
    runtime.block_on(async { produce(&client(&cluster).await, "kept", 0, "y").await });
}

#[test]
fn a_node_with_others_does_not_listen_beyond_its_machine_without_a_good_secret() {
    let cluster = ClusterProcess::start(3, &[]);
    let everywhere = [
        (
            "listeners",
            "PLAINTEXT://0.0.0.0:0,CONTROLLER://127.0.0.1:0",
        ),
        ("advertised.listeners", "PLAINTEXT://127.0.0.1:9"),
    ];
    let short = ("odeon.cluster.secret", "too short");
    let cases = [
        (&everywhere[..], "odeon.cluster.secret of at least 16 bytes"),
        (&[short][..], "has 9 bytes: it must have at least 16"),
    ];
    for (settings, reason) in cases {
        let refused = cluster.nodes()[0].rival(false, settings);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert!(said.replace('\n', " ").contains(reason), "{said}");
    }
}

#[test]
fn the_three_commands_of_the_readme_start_a_cluster() {
    let readme = include_str!("../../README.md");
    let commands: Vec<&str> = readme
        .lines()
        .filter(|line| line.starts_with("odeon --cluster "))
        .collect();
    assert_eq!(commands.len(), 3, "README shows three commands");
    let home = tempfile::TempDir::with_prefix("odeon-readme-").expect("a temporary directory");
    let ports = odeon_tests::process::free_port_pairs::<3>();
    let addresses = ports.map(|port| format!("127.0.0.1:{port}"));
    let shown = ["127.0.0.1:9092", "127.0.0.1:9094", "127.0.0.1:9096"];
    let mut nodes: Vec<Killed> = Vec::new();
    for command in commands {
        let line = shown.iter().zip(&addresses);
        let line = line.fold(command.to_owned(), |line, (old, new)| {
            line.replace(old, new)
        });
        let mut process = std::process::Command::new(binary());
        process
            .args(line.split(' ').skip(1))
            .args(["--console", "off"]);
        process.current_dir(home.path());
        nodes.push(Killed(process.spawn().expect("the binary starts")));
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let bootstrap = addresses.join(",");
    runtime.block_on(async {
        let client = at(&bootstrap).await;
        create(&client, "readme", 3).await;
        produce(&client, "readme", 0, "one").await;
    });
    nodes.remove(0);
    runtime.block_on(async { produce(&at(&bootstrap).await, "readme", 0, "two").await });
}

/// A process that ends with the test.
struct Killed(std::process::Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_person_sees_how_the_cluster_is_and_takes_a_node_out_of_it() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut cluster = ClusterProcess::start(3, &[]);
    runtime.block_on(async { create(&client(&cluster).await, "two", 2).await });
    let status = cluster.says(&["cluster", "status"]);
    assert_eq!(status["partitions"]["all"], 3);
    assert_eq!(status["quorum"]["voters"], serde_json::json!([1, 2, 3]));
    let nodes = status["nodes"].as_array().expect("a list");
    let leads = |node: &serde_json::Value| node["leads"].as_u64().expect("a count");
    assert_eq!(nodes.iter().map(leads).sum::<u64>(), 3, "{status}");
    assert!(
        nodes.iter().all(|node| node["state"] == "alive"),
        "{status}"
    );

    assert_eq!(cluster.says(&["node", "drain", "2"])["still_leads"], 0);
    let moved = cluster.says(&["node", "decommission", "2"]);
    assert_eq!(moved["forgotten"], false, "it runs");
    let nodes = cluster.says(&["node", "list"]);
    assert_eq!(nodes[1]["replicas"], 0, "{nodes}");
    // It may go now, and nobody notices.
    cluster.node(2).kill();
    runtime.block_on(async { produce(&client(&cluster).await, "two", 0, "x").await });
    let status = cluster.says(&["cluster", "status"]);
    assert_eq!(status["partitions"]["under_replicated"], 0, "{status}");
}
