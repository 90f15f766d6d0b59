//! Whole replicas on a disk that fails and loses power.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use odeon_kernel::Rng;
use odeon_kernel::sim::{DiskFault, DiskOp, SimClock, SimDisk};

use super::{Recorder, alone, ready};
use crate::{ProposeError, Quorum, QuorumConfig};

fn on(disk: &SimDisk, recorder: &Recorder) -> QuorumConfig {
    let mut config = alone(Path::new("/meta"), recorder);
    config.disk = Arc::new(disk.clone());
    config.limits.snapshot_entries = 15;
    config.limits.kept_entries = 3;
    config.limits.segment_bytes = 600;
    config
}

fn disk() -> SimDisk {
    SimDisk::new(Arc::new(SimClock::new(0)))
}

/// Proposes until it fails; what was acknowledged is in `acknowledged`.
async fn write(quorum: &Quorum, term: u64, acknowledged: &mut Vec<String>, count: usize) -> bool {
    for _ in 0..count {
        let text = format!("{} in term {term}", acknowledged.len());
        match quorum.propose(term, Bytes::from(text.clone())).await {
            Ok(_) => acknowledged.push(text),
            Err(ProposeError::Unknown | ProposeError::Stopped) => return false,
            Err(ProposeError::NotLeader { .. }) => return false,
            Err(error) => panic!("{error}"),
        }
    }
    true
}

/// Everything acknowledged is there, in order; besides it at most what was under way.
fn assert_kept(found: &[String], acknowledged: &[String]) {
    let mut rest = found.iter();
    for text in acknowledged {
        assert!(
            rest.any(|other| other == text),
            "{text:?} is missing in {found:?}"
        );
    }
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_when_the_power_goes() {
    for seed in 0..6 {
        let (disk, rng) = (disk(), Rng::from_seed(seed));
        let mut acknowledged = Vec::new();
        for cut in 0..5 {
            let recorder = Recorder::default();
            let quorum = Quorum::start(on(&disk, &recorder)).await.unwrap();
            let term = ready(&quorum).await;
            assert_kept(&recorder.texts(), &acknowledged);
            let skip = 5 + rng.below(60);
            disk.fail(DiskFault {
                skip,
                times: u64::MAX,
                ..DiskFault::next(DiskOp::SyncData)
            });
            write(&quorum, term, &mut acknowledged, 100).await;
            let mut failed = quorum.failed();
            failed.wait_for(Option::is_some).await.unwrap();
            quorum.shutdown().await;
            disk.clear_faults();
            disk.power_cut(seed * 100 + cut);
        }
        assert!(acknowledged.len() > 10);
    }
}

#[tokio::test]
async fn what_a_failed_sync_left_readable_is_durable_before_it_counts() {
    for skip in 0..8 {
        let disk = disk();
        let mut acknowledged = Vec::new();
        let quorum = Quorum::start(on(&disk, &Recorder::default()))
            .await
            .unwrap();
        let term = ready(&quorum).await;
        disk.fail(DiskFault {
            skip,
            ..DiskFault::next(DiskOp::SyncData)
        });
        assert!(!write(&quorum, term, &mut acknowledged, 100).await);
        quorum.shutdown().await;

        disk.kill_process();
        let recorder = Recorder::default();
        let quorum = Quorum::start(on(&disk, &recorder)).await.unwrap();
        ready(&quorum).await;
        let applied = recorder.texts();
        assert_kept(&applied, &acknowledged);
        quorum.shutdown().await;

        disk.power_cut_losing_all();
        let recorder = Recorder::default();
        let quorum = Quorum::start(on(&disk, &recorder)).await.unwrap();
        ready(&quorum).await;
        assert_eq!(recorder.texts(), applied);
        quorum.shutdown().await;
    }
}
