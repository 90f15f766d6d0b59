//! Ten thousand frames that want to do harm, from a seed.
//!
//! The node runs in a process of its own (this test binary once more, see [`the_node`]), so that its
//! memory can be measured and its log read. The bound on memory: after all frames, at most
//! [`GROWTH_LIMIT_MIB`] more than after the first hundreds.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use odeon_gateway::authorizer::Requester;
use odeon_gateway::{Authorizer, Operation, Resource};
use odeon_kernel::Rng;
use odeon_protocol::ApiKey;
use odeon_protocol::messages::{ApiVersionsRequest, DescribeGroupsRequest};
use odeon_tests::raw::Reply;
use odeon_tests::{NodeBuilder, RawConnection};

use super::samples::{self, Sample, World};

mod mutate;

/// How much memory the node may hold on to, in MiB.
const GROWTH_LIMIT_MIB: u64 = 96;
/// Frames in all.
const FRAMES: usize = 10_000;
/// Connections at once.
const CLIENTS: usize = 8;
/// The seed of everything; a failure is repeated with it.
const SEED: u64 = 0x0DE0_2026;

/// Groups whose description makes the node under test panic or leak, to prove that it is noticed.
const PLANTED_PANIC: &str = "planted-panic";
const PLANTED_LEAK: &str = "planted-leak";
const MARK: &str = "hostile-node-address ";

/// Allows everything, and plants faults.
#[derive(Debug)]
struct Planted;

impl Authorizer for Planted {
    fn allows(&self, _: Requester<'_>, _: Operation, resource: Resource<'_>) -> bool {
        assert!(resource.name != PLANTED_PANIC, "a planted fault");
        if resource.name == PLANTED_LEAK {
            let bytes = usize::try_from(GROWTH_LIMIT_MIB + 32).unwrap() << 20;
            std::mem::forget(vec![1_u8; bytes]);
        }
        true
    }
}

/// Not a test: the node that [`hostile_frames_do_no_harm`] starts in a process of its own.
#[test]
#[ignore = "a part of another test, which starts it"]
fn the_node() {
    tracing_subscriber::fmt()
        .with_env_filter("warn")
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let node = NodeBuilder::default()
            .authorizer(Arc::new(Planted))
            .start()
            .await;
        let world = World::make(&node).await;
        let id: String = world
            .topic_id
            .0
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        println!("\n{MARK}{} {id}", node.address());
        std::io::stdout().flush().unwrap();
        // The end of the input is the end of the test.
        tokio::task::block_in_place(|| std::io::stdin().read_to_end(&mut Vec::new())).unwrap();
        node.stop().await;
    });
}

/// The node's process.
struct Target {
    child: Child,
    address: SocketAddr,
    world: World,
    log: std::path::PathBuf,
    _dir: tempfile::TempDir,
}

impl Target {
    #[expect(
        clippy::disallowed_methods,
        reason = "the log of a process that a test starts"
    )]
    fn start() -> Self {
        let dir = tempfile::TempDir::new().unwrap();
        let log = dir.path().join("stderr");
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "gateway::hostile::the_node",
                "--ignored",
                "--nocapture",
            ])
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let line = output
            .lines()
            .map_while(Result::ok)
            .find(|line| line.starts_with(MARK));
        let line = line.expect("the node starts");
        let mut words = line.split(' ').skip(1);
        let address = words.next().unwrap().parse().unwrap();
        let id = u128::from_str_radix(words.next().unwrap(), 16).unwrap();
        let world = World {
            topic_id: odeon_model::Uuid(id.to_be_bytes()),
        };
        Self {
            child,
            address,
            world,
            log,
            _dir: dir,
        }
    }

    /// Resident memory in MiB.
    fn resident_mib(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .unwrap();
        let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib / 1024
    }

    /// What is wrong with the node, if anything.
    async fn verdict(&mut self, before_mib: u64) -> Vec<String> {
        let mut problems = Vec::new();
        if let Some(status) = self.child.try_wait().unwrap() {
            problems.push(format!("it ended: {status}"));
            return problems;
        }
        let mut connection = RawConnection::open(self.address).await;
        let served = connection.try_call(0, &ApiVersionsRequest::default()).await;
        problems.extend(
            served
                .err()
                .map(|error| format!("it does not serve: {error}")),
        );
        let log = std::fs::read_to_string(&self.log).unwrap();
        let bad = |line: &&str| line.contains("panicked") || line.contains(" ERROR ");
        problems.extend(log.lines().filter(bad).take(10).map(str::to_owned));
        let after_mib = self.resident_mib();
        if after_mib > before_mib + GROWTH_LIMIT_MIB {
            problems.push(format!("it grew from {before_mib} to {after_mib} MiB"));
        }
        problems
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends frames one after the other, with a new connection whenever the old one was closed or has
/// something to wait for.
async fn attack(address: SocketAddr, samples: Arc<Vec<Sample>>, seed: u64, frames: usize) -> usize {
    let mut rng = Rng::from_seed(seed);
    let mut connection = RawConnection::open(address).await;
    let mut answers = 0;
    for _ in 0..frames {
        let attack = mutate::frame(&mut rng, &samples);
        connection.send_bytes(&attack).await;
        match connection.receive(Duration::from_millis(40)).await {
            Reply::Frame(_) => answers += 1,
            Reply::Closed => connection = RawConnection::open(address).await,
            Reply::Silence => {
                // A frame that promised more than it brought, or a request that waits.
                if rng.below(2) == 0 {
                    connection.finish_sending().await;
                }
                connection = RawConnection::open(address).await;
            }
        }
    }
    answers
}

async fn attack_together(
    target: &Target,
    samples: &Arc<Vec<Sample>>,
    round: u64,
    frames: usize,
) -> usize {
    let clients: Vec<_> = (0..CLIENTS as u64)
        .map(|client| {
            let seed = SEED + round * 1_000 + client;
            odeon_kernel::spawn(attack(
                target.address,
                samples.clone(),
                seed,
                frames / CLIENTS,
            ))
        })
        .collect();
    let mut answers = 0;
    for client in clients {
        answers += client.await.unwrap();
    }
    answers
}

async fn describe(target: &Target, group: &str) {
    let request = DescribeGroupsRequest {
        groups: vec![group.to_owned()],
        ..Default::default()
    };
    let _ = RawConnection::open(target.address)
        .await
        .try_call(5, &request)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_frames_do_no_harm() {
    let mut target = tokio::task::block_in_place(Target::start);
    let samples = Arc::new(samples::all(&target.world));
    assert!(samples.iter().any(|sample| sample.key == ApiKey::Produce));
    // Enough for every pool and cache of a node at work.
    attack_together(&target, &samples, 0, FRAMES / 20).await;
    let before_mib = target.resident_mib();
    let answers = attack_together(&target, &samples, 1, FRAMES).await;
    let problems = target.verdict(before_mib).await;
    assert!(
        problems.is_empty(),
        "after {FRAMES} frames:\n{}",
        problems.join("\n")
    );
    assert!(
        answers > FRAMES / 20,
        "only {answers} frames came as far as a handler"
    );

    // The judge is not blind: one leak and one panic, and it says so.
    describe(&target, PLANTED_LEAK).await;
    let leak = target.verdict(before_mib).await;
    assert!(
        leak.iter().any(|problem| problem.contains("it grew")),
        "{leak:?}"
    );
    describe(&target, PLANTED_PANIC).await;
    let panic = target.verdict(before_mib).await;
    assert!(
        panic.iter().any(|problem| problem.contains("panicked")),
        "{panic:?}"
    );
}
