use clap::Parser;

use super::*;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    args: StartArgs,
}

fn start(line: &[&str]) -> Result<Settings, Failure> {
    let line = std::iter::once("odeon").chain(line.iter().copied());
    settings(&Line::try_parse_from(line).unwrap().args)
}

/// A file as Kafka ships it for a combined node, shortened.
const FILE: &str = "
process.roles=broker,controller
node.id=7
controller.quorum.bootstrap.servers=localhost:9093
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
inter.broker.listener.name=PLAINTEXT
advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=/tmp/kraft-combined-logs
num.partitions=3
no.such.key=1
another.one=2
";

struct File(tempfile::NamedTempFile);

impl File {
    fn new(text: &str) -> Self {
        use std::io::Write;
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        Self(file)
    }

    fn start(&self, line: &[&str]) -> Result<Settings, Failure> {
        let path = self.0.path().to_str().unwrap();
        start(&[&["--config", path], line].concat())
    }
}

fn listeners(settings: &Settings) -> String {
    let listeners = settings.config.network.listeners.iter();
    listeners
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn without_options_the_defaults_of_a_lone_node_hold() {
    let settings = start(&[]).unwrap();
    assert!(listeners(&settings).starts_with("PLAINTEXT://127.0.0.1:9092 "));
    assert_eq!(settings.config.log_dirs, ["odeon-data"]);
    assert_eq!(settings.console.unwrap().to_string(), "127.0.0.1:9644");
}

#[test]
fn options_replace_the_defaults_and_set_replaces_all() {
    let line = [
        "--listen",
        "localhost:0",
        "--data",
        "d",
        "--set",
        "num.partitions=5",
    ];
    let settings = start(&line).unwrap();
    assert!(listeners(&settings).starts_with("PLAINTEXT://localhost:0 "));
    assert_eq!(settings.config.topics.num_partitions, 5);
    assert_eq!(
        settings.console.unwrap().port,
        0,
        "any port, as for clients"
    );
    let settings = start(&["--console", "off", "--data", "d", "--set", "log.dirs=e"]).unwrap();
    assert!(settings.console.is_none());
    assert_eq!(settings.config.log_dirs, ["e"]);
}

#[test]
fn a_kafka_file_is_taken_as_it_is_and_unknown_keys_are_named() {
    let settings = File::new(FILE).start(&[]).unwrap();
    assert_eq!(
        (
            settings.config.node_id,
            settings.config.topics.num_partitions
        ),
        (7, 3)
    );
    assert_eq!(settings.unknown, ["another.one", "no.such.key"]);
    assert_eq!(settings.config.log_dirs, ["/tmp/kraft-combined-logs"]);
}

#[test]
fn options_go_before_a_file() {
    let settings = File::new(FILE)
        .start(&["--listen", "0.0.0.0:19092", "--data", "d"])
        .unwrap();
    assert_eq!(
        listeners(&settings),
        "PLAINTEXT://:19092 CONTROLLER://:9093"
    );
    assert_eq!(settings.config.log_dirs, ["d"]);
    let two = FILE.replace("PLAINTEXT://:9092,", "PLAINTEXT://:9092,EXTERNAL://:9094,");
    let failure = File::new(&two).start(&["--listen", ":1"]);
    assert!(failure.is_err(), "which one?");
}

#[test]
fn what_is_not_valid_stops_the_start_and_names_the_key() {
    for (line, named) in [
        (["--set", "num.partitions=many"], "num.partitions"),
        (["--set", "log.dirs="], "log.dirs"),
        (["--listen", "nowhere:port"], "nowhere:port"),
        (["--console", "::x"], "::x"),
        (["--config", "/does/not/exist"], "/does/not/exist"),
    ] {
        let failure = start(&line).unwrap_err();
        assert!(failure.to_string().contains(named), "{failure}");
        assert_eq!(failure.code(), 2);
    }
    let failure = File::new("a=\\u00").start(&[]).unwrap_err();
    assert!(failure.to_string().contains("line 1"), "{failure}");
}

#[test]
fn a_node_of_many_has_its_address_its_data_and_three_replicas() {
    let cluster = "127.0.0.1:9092,127.0.0.1:9094,127.0.0.1:9096";
    let settings = start(&["--cluster", cluster, "--node", "2"]).unwrap();
    let config = &settings.config;
    let listening = "PLAINTEXT://127.0.0.1:9094 CONTROLLER://127.0.0.1:9095";
    assert_eq!(listeners(&settings), listening);
    assert_eq!(config.log_dirs, ["odeon-data-2"]);
    assert_eq!(config.topics.default_replication_factor, 3);
    assert!(matches!(
        MeshSource::of_process(config),
        MeshSource::Cluster
    ));
    let refused = start(&["--cluster", cluster, "--node", "4"]).unwrap_err();
    assert!(
        format!("{refused:?}").contains("not among the 3"),
        "{refused:?}"
    );
}

#[test]
fn the_file_that_kafka_ships_for_one_node_needs_no_secret() {
    let settings = File::new(FILE).start(&[]).unwrap();
    let source = MeshSource::of_process(&settings.config);
    assert!(matches!(source, MeshSource::Alone), "{source:?}");
}
