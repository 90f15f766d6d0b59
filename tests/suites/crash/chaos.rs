//! Three nodes that are killed, stopped still, ended in order, cut off and left without room, one or
//! all of them, under the same load and the same judge as a single node, and groups beside them.
//!
//! Cuts and full disks take rights that a machine may not give: the long run has them (`ODEON_CHAOS_ALL`),
//! and says what it had to leave out.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use odeon_kernel::Rng;
use odeon_tests::process::{CLIENTS, ClusterProcess, Surroundings, Volume};

use super::kills::acked_beyond;
use super::load::{Load, Shape};
use super::number;

const SETTINGS: &[(&str, &str)] = &[
    ("min.insync.replicas", "2"),
    ("log.retention.check.interval.ms", "400"),
    ("log.initial.task.delay.ms", "100"),
    ("log.flush.offset.checkpoint.interval.ms", "700"),
];

const ALL: Surroundings = Surroundings {
    network: true,
    volume: Volume::Small(96),
};

/// What is done to a node, or to all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    Kill,
    /// SIGSTOP, and SIGCONT a while later.
    Pause,
    Stop,
    /// All nodes are killed.
    Blackout,
    /// Nothing comes from a node or gets to it, and nobody is told.
    CutOff,
    /// Nothing comes from a node.
    Mute,
    /// Two nodes do not hear each other; clients and the third hear both.
    Apart,
    /// There is no room in the log directory.
    Full,
    /// Each node suffers another fault, all at once.
    Storm,
}

use Fault::*;

impl Fault {
    fn takes(self, surroundings: Surroundings) -> bool {
        match self {
            CutOff | Mute | Apart => surroundings.network,
            Full => surroundings.volume != Volume::Shared,
            Kill | Pause | Stop | Blackout | Storm => true,
        }
    }
}

/// Numbers of a run, for the report.
#[derive(Debug, Default)]
struct Tally {
    rounds: u64,
    faults: BTreeMap<Fault, u64>,
    /// Nodes that ended because they had no room.
    ended: u64,
    /// The longest that no record at all was acknowledged after a fault, clients' back-off included.
    longest_silence: Duration,
}

struct Chaos {
    cluster: ClusterProcess,
    surroundings: Surroundings,
    rng: Rng,
    tally: Tally,
}

#[test]
fn a_cluster_in_chaos_loses_and_doubles_nothing_that_was_acknowledged() {
    let (rounds, seed) = (
        number("ODEON_CHAOS_ROUNDS", 4),
        number("ODEON_CHAOS_SEED", 1),
    );
    let wanted = match number("ODEON_CHAOS_ALL", 0) {
        0 => Surroundings::SHARED,
        _ => ALL,
    };
    let (surroundings, left_out) = wanted.allowed();
    for why in &left_out {
        eprintln!("LEFT OUT, this machine does not allow it: {why}");
    }
    let (rng, begun) = (Rng::from_seed(seed), Instant::now());
    let cluster = ClusterProcess::start_in(surroundings, 3, SETTINGS).expect("it is allowed");
    let shape = Shape {
        partitions: 6,
        replicas: 3,
        retention_bytes: if rounds < 20 { 400_000 } else { 2_000_000 },
        rate: 3_000,
        torn: false,
        defaults: false,
        groups: 2,
    };
    let mut load = Load::start(&cluster.bootstrap(), shape);
    let mut chaos = Chaos {
        cluster,
        surroundings,
        rng,
        tally: Tally::default(),
    };
    let mut acked = 0;
    while chaos.tally.rounds < rounds {
        acked_beyond(&mut load, acked, || chaos.revive());
        sleep(Duration::from_millis(chaos.rng.below(1_500)));
        assert_eq!(load.count("faults"), 0, "{:?}", load.ask("finish"));
        chaos.revive();
        let fault = chaos.choose(rounds);
        chaos.hurt(fault);
        let since = Instant::now();
        let before = load.count("acked");
        acked = acked_beyond(&mut load, before, || chaos.revive());
        let tally = &mut chaos.tally;
        tally.longest_silence = tally.longest_silence.max(since.elapsed());
        chaos.cluster.start_all();
        tally.rounds += 1;
        if tally.rounds.is_multiple_of(10) {
            let (status, elapsed) = (load.ask("status"), begun.elapsed());
            eprintln!("{tally:?} after {elapsed:?}: {status}");
        }
    }
    let report = load.finish();
    let tally = &chaos.tally;
    eprintln!(
        "{tally:?} in {:?}, seed {seed}, left out {left_out:?}: {report}",
        begun.elapsed()
    );
    for node in chaos.cluster.nodes() {
        let (id, log) = (node.id(), node.log());
        assert!(!log.contains("panicked"), "node {id} panicked");
    }
}

impl Chaos {
    fn choose(&self, rounds: u64) -> Fault {
        // A short run has one round of each kind that needs no rights.
        if rounds < 20 && self.surroundings == Surroundings::SHARED {
            return [Kill, Pause, Stop, Blackout][(self.tally.rounds % 4) as usize];
        }
        let all = [
            Kill, Kill, Pause, Stop, Blackout, CutOff, CutOff, Mute, Apart, Full, Full, Storm,
        ];
        self.draw(&all)
    }

    /// One of these that can be done here.
    fn draw(&self, from: &[Fault]) -> Fault {
        let possible = from.iter().filter(|fault| fault.takes(self.surroundings));
        let possible: Vec<Fault> = possible.copied().collect();
        possible[self.rng.below(possible.len() as u64) as usize]
    }

    fn a_while(&self) -> Duration {
        Duration::from_millis(200 + self.rng.below(3_800))
    }

    /// Does something to one node or to all, undoes it, and leaves a dead one dead.
    fn hurt(&mut self, fault: Fault) {
        *self.tally.faults.entry(fault).or_default() += 1;
        let victim = 1 + self.rng.below(3) as i32;
        match fault {
            Stop => {
                let (status, _) = self.cluster.node(victim).stop("TERM");
                assert!(status.success(), "a stop in order: {status}");
            }
            Blackout => {
                for id in 1..=3 {
                    self.cluster.node(id).kill();
                }
                self.cluster.start_all();
            }
            Storm => {
                let kinds = [&[Kill][..], &[Pause], &[CutOff, Mute, Full, Pause]];
                let faults = kinds.map(|kinds| self.draw(kinds));
                let nodes = [0, 1, 2].map(|next| 1 + (victim + next) % 3);
                self.suffer(&nodes.into_iter().zip(faults).collect::<Vec<_>>());
            }
            Kill | Pause | CutOff | Mute | Apart | Full => self.suffer(&[(victim, fault)]),
        }
    }

    /// Faults that begin together, last a while, and end together.
    fn suffer(&mut self, faults: &[(i32, Fault)]) {
        for (victim, fault) in faults {
            self.begin(*victim, *fault);
        }
        let until = Instant::now() + self.a_while();
        let has_end = faults.iter().any(|(_, fault)| *fault != Kill);
        while has_end && Instant::now() < until {
            for (victim, _) in faults.iter().filter(|(_, fault)| *fault == Full) {
                // What retention frees is taken as well.
                self.cluster.node(*victim).fill_disk();
            }
            sleep(Duration::from_millis(20));
        }
        for (victim, fault) in faults {
            self.end(*victim, *fault);
        }
    }

    fn begin(&mut self, victim: i32, fault: Fault) {
        let others = (1..=3).filter(|id| *id != victim);
        match fault {
            Kill => self.cluster.node(victim).kill(),
            Pause => self.cluster.node(victim).signal("STOP"),
            CutOff => {
                for other in others.chain([CLIENTS]) {
                    self.cut(victim, other);
                    self.cut(other, victim);
                }
            }
            Mute => {
                for other in others.chain([CLIENTS]) {
                    self.cut(victim, other);
                }
            }
            Apart => {
                let other = 1 + victim % 3;
                self.cut(victim, other);
                self.cut(other, victim);
            }
            Full => self.cluster.node(victim).fill_disk(),
            Stop | Blackout | Storm => unreachable!("they have no end"),
        }
    }

    fn end(&mut self, victim: i32, fault: Fault) {
        match fault {
            Pause => self.cluster.node(victim).signal("CONT"),
            CutOff | Mute | Apart => {
                let network = self.cluster.network();
                network.heal().expect("links can be mended");
            }
            Full => self.cluster.node(victim).free_disk(),
            Kill | Stop | Blackout | Storm => {}
        }
    }

    /// Starts nodes that could not go on without room: with another one killed, too few would be left.
    fn revive(&mut self) {
        for id in 1..=3 {
            let node = self.cluster.node(id);
            if node.runs() && node.ended().is_some() {
                self.tally.ended += 1;
                node.start_again();
            }
        }
    }

    fn cut(&self, from: i32, to: i32) {
        let network = self.cluster.network();
        network.cut(from, to).expect("links can be cut");
    }
}
