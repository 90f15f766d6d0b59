//! A cluster of processes, as its users start it: elections, deaths, returns.

// Processes are real, and so are their files.
#![allow(clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use odeon_client::{Client, ClientConfig, NewTopic, ProducerConfig, Record, parse_addresses};
use odeon_tests::process::{ClusterProcess, binary, says};
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
    let created = async {
        loop {
            let created = client
                .admin()
                .create_topics(std::slice::from_ref(&new), false)
                .await;
            let (name, result) = created.expect("an answer").swap_remove(0);
            match result {
                Ok(_) => return,
                // A broker of the cluster may still be about to register.
                Err(error) if error.to_string().contains("INVALID_REPLICATION_FACTOR") => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(error) => panic!("{name}: {error}"),
            }
        }
    };
    let created = timeout(LIMIT, created).await;
    created.expect("it is made in time");
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

/// Starts a node from a file with these lines, in a directory of its own.
fn from_file(home: &Path, id: i32, lines: &str) -> Killed {
    let directory = home.join(id.to_string());
    std::fs::create_dir_all(&directory).expect("a temporary directory");
    let file = directory.join("server.properties");
    let text = format!(
        "node.id={id}\nlog.dirs={}\n{lines}",
        directory.join("data").display()
    );
    std::fs::write(&file, text).expect("a temporary directory");
    let mut process = std::process::Command::new(binary());
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(directory.join("log"))
        .expect("a log");
    process
        .args(["start", "--console", "off", "--config"])
        .arg(file);
    process.stdout(std::process::Stdio::null()).stderr(log);
    Killed(process.spawn().expect("the binary starts"))
}

#[test]
fn controllers_and_brokers_apart_are_a_cluster() {
    let home = tempfile::TempDir::with_prefix("odeon-apart-").expect("a temporary directory");
    let ports = odeon_tests::process::free_port_pairs::<5>();
    let address = |id: i32| format!("127.0.0.1:{}", ports[id as usize - 1]);
    let voters: Vec<_> = (1..=3).map(|id| format!("{id}@{}", address(id))).collect();
    let servers: Vec<_> = (1..=3).map(address).collect();
    let start = |id: i32| {
        let (at, voters, servers) = (address(id), voters.join(","), servers.join(","));
        let lines = match id {
            1..=3 => format!(
                "process.roles=controller\ncontroller.quorum.voters={voters}\n\
                 controller.listener.names=CONTROLLER\nlisteners=CONTROLLER://{at}\n"
            ),
            _ => format!(
                "process.roles=broker\ncontroller.quorum.bootstrap.servers={servers}\n\
                 controller.listener.names=CONTROLLER\nlisteners=PLAINTEXT://{at}\n\
                 offsets.topic.replication.factor=2\n"
            ),
        };
        from_file(home.path(), id, &lines)
    };
    let mut nodes: BTreeMap<i32, Killed> = (1..=5).map(|id| (id, start(id))).collect();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let brokers = format!("{},{}", address(4), address(5));
    runtime.block_on(async {
        let client = at(&brokers).await;
        create(&client, "apart", 2).await;
        produce(&client, "apart", 0, "one").await;
    });
    let status = loop {
        // On a busy machine the controllers may just be electing.
        match says(&brokers, &["cluster", "status"]) {
            Ok(status) => break status,
            Err(said) if said.contains("NOT_LEADER_OR_FOLLOWER") => {}
            Err(said) => panic!("{said}"),
        }
    };
    assert_eq!(status["quorum"]["voters"], serde_json::json!([1, 2, 3]));
    let roles = |id: usize| status["nodes"][id - 1]["roles"].clone();
    assert_eq!(roles(5), serde_json::json!(["broker"]), "{status}");
    let leader = status["quorum"]["leader"].as_i64().expect("a leader") as usize;
    assert_eq!(roles(leader), serde_json::json!(["active controller"]));
    // Without the active controller, and with a broker that comes back.
    nodes.remove(&(leader as i32));
    runtime.block_on(async { create(&at(&brokers).await, "without", 2).await });
    nodes.remove(&4);
    runtime.block_on(async { produce(&at(&brokers).await, "apart", 0, "two").await });
    nodes.insert(4, start(4));
    runtime.block_on(async {
        let client = at(&address(4)).await;
        create(&client, "back", 2).await;
        produce(&client, "back", 0, "three").await;
    });
}

#[test]
fn a_controller_and_a_broker_start_from_files_as_kafka_ships_them() {
    let home = tempfile::TempDir::with_prefix("odeon-shipped-").expect("a temporary directory");
    let [controller, broker] = odeon_tests::process::free_port_pairs::<2>();
    let voter = format!(
        "process.roles=controller\ncontroller.quorum.bootstrap.servers=127.0.0.1:{controller}\n\
         listeners=CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=CONTROLLER://127.0.0.1:{controller}\n\
         controller.listener.names=CONTROLLER\n"
    );
    let lines = format!(
        "process.roles=broker\ncontroller.quorum.bootstrap.servers=127.0.0.1:{controller}\n\
         listeners=PLAINTEXT://127.0.0.1:{broker}\ninter.broker.listener.name=PLAINTEXT\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{broker}\n\
         controller.listener.names=CONTROLLER\n\
         listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT\n\
         offsets.topic.replication.factor=1\n"
    );
    let _nodes = [
        from_file(home.path(), 1, &voter),
        from_file(home.path(), 2, &lines),
    ];
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let client = at(&format!("127.0.0.1:{broker}")).await;
        create(&client, "shipped", 1).await;
        produce(&client, "shipped", 0, "one").await;
    });
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
