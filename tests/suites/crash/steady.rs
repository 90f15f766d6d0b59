//! A cluster under as much load as the machine bears: nobody is elected, fenced or left behind without
//! cause, also while a disk blocks each write for two seconds, again and again.
//!
//! `cargo xtask steady` runs it for minutes.

use std::thread::sleep;
use std::time::{Duration, Instant};

use odeon_protocol::messages::metadata_request::{MetadataRequest, MetadataRequestTopic};
use odeon_tests::RawConnection;
use odeon_tests::process::{ClusterProcess, Surroundings, Volume};

use super::load::Load;
use super::number;

const TOPIC: &str = "steady";
const PARTITIONS: u32 = 12;
/// How long a disk blocks, and how long it then works.
const BLOCKED: Duration = Duration::from_secs(2);

/// What must not move.
#[derive(Debug, PartialEq, Eq)]
struct Standing {
    /// The term of the quorum: each election raises it.
    term: u64,
    /// Of each partition: the leader, its epoch, the ISR.
    leaders: Vec<(i32, i32, Vec<i32>)>,
    /// Lines of the nodes' logs that tell of elections, fencings and other ISRs.
    told: Vec<String>,
}

const TELLING: &[&str] = &[
    "this node is the active controller",
    "no longer the active controller",
    "fenced: no heartbeat",
    "a broker's process is gone",
    "asks for another ISR",
    "registered",
    "cannot be appended",
    "panicked",
];

fn standing(runtime: &tokio::runtime::Runtime, cluster: &ClusterProcess) -> Standing {
    let status = cluster.says(&["cluster", "status"]);
    let term = status["quorum"]["leader_epoch"].as_u64();
    let topic = |name: &str| MetadataRequestTopic {
        name: Some(name.to_owned()),
        ..MetadataRequestTopic::default()
    };
    let request = MetadataRequest {
        topics: Some(vec![topic(TOPIC), topic("__consumer_offsets")]),
        ..MetadataRequest::default()
    };
    let address = cluster.nodes()[0].address();
    let answer = runtime.block_on(async {
        let mut connection = RawConnection::open(address).await;
        connection.call(12, &request).await
    });
    let mut leaders = Vec::new();
    for mut topic in answer.topics {
        topic.partitions.sort_by_key(|each| each.partition_index);
        for mut each in topic.partitions {
            each.isr_nodes.sort_unstable();
            leaders.push((each.leader_id, each.leader_epoch, each.isr_nodes));
        }
    }
    let mut told = Vec::new();
    for node in cluster.nodes() {
        let log = node.log();
        let lines = log
            .lines()
            .filter(|line| TELLING.iter().any(|words| line.contains(words)));
        told.extend(lines.map(|line| format!("node {}: {line}", node.id())));
    }
    Standing {
        term: term.expect("a number"),
        leaders,
        told,
    }
}

#[test]
fn a_cluster_under_full_load_elects_and_fences_nobody() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let seconds = number("ODEON_STEADY_SECONDS", 8);
    let blocks = number("ODEON_STEADY_BLOCKS", 0) == 1;
    let surroundings = Surroundings {
        volume: match blocks {
            true => Volume::Blockable(4_000),
            false => Volume::Shared,
        },
        ..Surroundings::SHARED
    };
    let settings = [
        ("min.insync.replicas", "2"),
        ("log.retention.check.interval.ms", "1000"),
        ("log.initial.task.delay.ms", "1000"),
    ];
    let cluster = ClusterProcess::start_in(surroundings, 3, &settings);
    let mut cluster = cluster.expect("this machine allows no volumes whose writes block");
    let shape = serde_json::json!({
        "bootstrap": cluster.bootstrap(),
        "topic": TOPIC,
        "partitions": PARTITIONS,
        "retention_bytes": 64 << 20,
        "producers": 2,
        "consumers": 1,
        "size": 100,
    });
    let mut load = Load::script("full.py", &shape);
    let begun = Instant::now();
    while load.count("read") == 0 {
        assert!(begun.elapsed() < Duration::from_secs(60), "nothing is read");
        sleep(Duration::from_millis(50));
    }
    let before = standing(&runtime, &cluster);
    let (begun, mut told) = (Instant::now(), Instant::now());
    let mut blocked = 0;
    while begun.elapsed() < Duration::from_secs(seconds) {
        if blocks {
            let node = cluster.node(1 + blocked % 3);
            node.block_disk(true);
            sleep(BLOCKED);
            node.block_disk(false);
            blocked += 1;
        }
        sleep(BLOCKED);
        if told.elapsed() > Duration::from_secs(60) {
            told = Instant::now();
            eprintln!(
                "{:?}, {blocked} blocks: {}",
                begun.elapsed(),
                load.ask("status")
            );
        }
    }
    let report = load.ask("status");
    let after = standing(&runtime, &cluster);
    let report_end = load.ask("finish");
    let news: Vec<_> = after
        .told
        .iter()
        .filter(|line| !before.told.contains(line))
        .collect();
    eprintln!(
        "{:?}, a disk blocked {blocked} times for {BLOCKED:?}: {} elections, {} lines of news; {report}",
        begun.elapsed(),
        after.term - before.term,
        news.len(),
    );
    for line in &news {
        eprintln!("{line}");
    }
    assert_eq!(before, after, "{news:?}");
    assert_eq!(report_end["failed"], 0, "{report_end}");
    assert_eq!(report_end["produced"], report_end["acked"], "{report_end}");
}
