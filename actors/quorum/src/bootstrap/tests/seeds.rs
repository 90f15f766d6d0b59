//! Three nodes that lose power, and one of them its disk, while they found their cluster.

use std::path::Path;

use bytes::Bytes;
use odeon_kernel::TaskGuard;
use odeon_kernel::sim::{self, DiskFault, DiskOp, Pace, SimClock, SimDisk};
use odeon_mesh::LocalNetwork;

use super::*;
use crate::tests::Recorder;
use crate::{MeshPeers, Quorum, QuorumConfig};

const NODES: [i32; 3] = [1, 2, 3];
const DIR: &str = "/meta";

/// What all lives of all nodes share.
#[derive(Clone)]
struct World {
    clock: SimClock,
    rng: Arc<Rng>,
    network: LocalNetwork,
    /// Entries that were acknowledged, by anybody.
    acknowledged: Arc<std::sync::Mutex<Vec<String>>>,
}

/// A node: its disk, and its life.
struct Machine {
    disk: SimDisk,
    life: Option<TaskGuard<()>>,
    recorder: Recorder,
}

/// Reads a small file, or makes it; durable on return.
fn keep(disk: &SharedDisk, name: &str, content: impl FnOnce() -> String) -> String {
    let path = Path::new(DIR).join(name);
    if !disk.exists(&path) {
        disk.create_dir_all(Path::new(DIR)).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        disk.write_atomic(&path, content().as_bytes()).unwrap();
    }
    String::from_utf8(disk.read(&path).unwrap()).unwrap()
}

impl World {
    async fn live(self, node: i32, disk: SimDisk, recorder: Recorder) {
        let peers = Arc::new(MeshPeers(Arc::new(self.network.node(node))));
        let disk: SharedDisk = Arc::new(disk);
        let dir = Path::new(DIR).join("log");
        let new_id = || Uuid::from_random(self.rng.bytes16()).to_string();
        let directory_id: Uuid = keep(&disk, "directory", new_id).parse().unwrap();
        let clusters = Path::new(DIR).join("cluster");
        let known = disk
            .exists(&clusters)
            .then(|| keep(&disk, "cluster", String::new));
        let founding = agree(Applicant {
            node_id: node,
            directory_id,
            cluster_id: known,
            voters: NODES.map(|node| (node, format!("node{node}"))).to_vec(),
            dir: dir.clone(),
            disk: disk.clone(),
            clock: Arc::new(self.clock.clone()),
            rng: self.rng.clone(),
            peers: peers.clone(),
            blocking: Blocking::Delayed(Pace::default()),
        });
        let founding = founding.await.unwrap();
        let cluster_id = keep(&disk, "cluster", || founding.cluster_id.clone());
        assert_eq!(cluster_id, founding.cluster_id, "a node has one cluster");
        let mut config = QuorumConfig::new(
            node,
            directory_id,
            cluster_id,
            founding.voters,
            dir,
            disk,
            Arc::new(self.clock.clone()),
            peers,
            Box::new(recorder),
        );
        config.blocking = Blocking::Delayed(Pace::default());
        config.contacts = NODES.to_vec();
        let quorum = Quorum::start(config).await.unwrap();
        let mut role = quorum.role();
        for number in 0.. {
            let Ok(role) = role.wait_for(|role| role.ready).await.map(|role| *role) else {
                return;
            };
            let text = format!("{number} of node {node} in term {}", role.term);
            let entry = Bytes::from(text.clone());
            if quorum.propose(role.term, entry).await.is_ok() {
                self.acknowledged.lock().unwrap().push(text);
            }
            self.clock_sleep(20).await;
        }
    }

    async fn clock_sleep(&self, ms: u64) {
        let clock: SharedClock = Arc::new(self.clock.clone());
        clock.sleep(Duration::from_millis(ms)).await;
    }

    fn boot(&self, node: i32, machine: &mut Machine) {
        machine.recorder = Recorder::default();
        let life = self
            .clone()
            .live(node, machine.disk.clone(), machine.recorder.clone());
        machine.life = Some(TaskGuard::spawn(life));
    }

    /// The power goes; what the old life still does, it does on a disk that nobody sees again.
    fn crash(&self, node: i32, machine: &mut Machine, loses_disk: bool) {
        self.network.crash(node);
        machine.life = None;
        let disk = match loses_disk {
            true => SimDisk::new(Arc::new(self.clock.clone())),
            false => machine.disk.fork(),
        };
        disk.power_cut(self.rng.next_u64());
        let old = std::mem::replace(&mut machine.disk, disk);
        for op in [DiskOp::Write, DiskOp::SyncData] {
            old.fail(DiskFault {
                times: u64::MAX,
                ..DiskFault::next(op)
            });
        }
    }

    fn cluster_of(machine: &Machine) -> Option<String> {
        let disk: SharedDisk = Arc::new(machine.disk.clone());
        let path = Path::new(DIR).join("cluster");
        disk.exists(&path)
            .then(|| keep(&disk, "cluster", String::new))
    }
}

async fn found_under_fire(world: World) -> usize {
    let mut machines: BTreeMap<i32, Machine> = BTreeMap::new();
    for node in NODES {
        let disk = SimDisk::new(Arc::new(world.clock.clone()));
        let (life, recorder) = (None, Recorder::default());
        machines.insert(
            node,
            Machine {
                disk,
                life,
                recorder,
            },
        );
    }
    let mut lost = None;
    for _ in 0..16 {
        let node = 1 + i32::try_from(world.rng.below(3)).unwrap();
        let machine = machines.get_mut(&node).unwrap();
        if machine.life.is_none() {
            world.boot(node, machine);
        } else if world.rng.below(3) == 0 {
            let loses_disk = lost.is_none() && world.rng.below(4) == 0;
            world.crash(node, machine, loses_disk);
            lost = lost.or(loses_disk.then_some(node));
        }
        world.clock_sleep(world.rng.below(120)).await;
    }
    for (node, machine) in &mut machines {
        if machine.life.is_none() {
            world.boot(*node, machine);
        }
    }
    let before = world.acknowledged.lock().unwrap().len();
    let goal = before + 3;
    for _ in 0..600 {
        world.clock_sleep(50).await;
        let enough = world.acknowledged.lock().unwrap().len() > goal;
        if enough
            && machines
                .values()
                .all(|machine| World::cluster_of(machine).is_some())
        {
            break;
        }
    }
    let acknowledged = world.acknowledged.lock().unwrap().clone();
    assert!(acknowledged.len() > goal, "the cluster works in the end");
    let clusters: Vec<_> = machines.values().filter_map(World::cluster_of).collect();
    assert_eq!(clusters.len(), 3, "all have joined");
    assert!(
        clusters.windows(2).all(|two| two[0] == two[1]),
        "{clusters:?}"
    );
    // Time for the others to hear of them, and for whoever lost its disk to vote again.
    for _ in 0..200 {
        world.clock_sleep(50).await;
        if lacking(&machines, &acknowledged).is_empty() {
            return before;
        }
    }
    panic!("{:?}", lacking(&machines, &acknowledged));
}

/// Which entries a node has not got.
fn lacking(machines: &BTreeMap<i32, Machine>, acknowledged: &[String]) -> Vec<(i32, String)> {
    let mut lacking = Vec::new();
    for (node, machine) in machines {
        let texts = machine.recorder.texts();
        let missing = acknowledged.iter().filter(|text| !texts.contains(text));
        lacking.extend(missing.map(|text| (*node, text.clone())));
    }
    lacking
}

#[test]
fn a_cluster_is_founded_once_whatever_crashes_meanwhile() {
    let mut under_fire = 0;
    for seed in 0..30 {
        let clock = SimClock::new(0);
        let rng = Arc::new(Rng::from_seed(seed));
        let world = World {
            clock: clock.clone(),
            rng: rng.clone(),
            network: LocalNetwork::new(Arc::new(clock.clone())),
            acknowledged: Arc::default(),
        };
        println!("seed {seed}");
        let written = sim::run(&clock, &rng, found_under_fire(world));
        under_fire += usize::from(written > 0);
    }
    assert!(under_fire > 5, "some were founded before the last crash");
}
