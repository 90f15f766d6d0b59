use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use odeon_kernel::clock::{Clock, SystemClock};
use odeon_kernel::disk::{Disk, RealDisk};
use odeon_model::Uuid;

use super::{Recorder, alone, ready, until};
use crate::{MAX_ENTRY_BYTES, ProposeError, Quorum, StartError};

fn text(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn temporary() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[tokio::test]
async fn a_single_voter_commits_at_once() {
    let (dir, recorder, clock) = (temporary(), Recorder::default(), SystemClock::new());
    for boot in ["first", "second"] {
        let start = clock.monotonic();
        let quorum = Quorum::start(alone(dir.path(), &recorder)).await.unwrap();
        let term = ready(&quorum).await;
        quorum.propose(term, text(boot)).await.unwrap();
        let took = clock.monotonic() - start;
        println!("{boot} boot: first commit after {took:?}");
        assert!(took < Duration::from_secs(2), "{took:?}");
        assert_eq!(quorum.role().borrow().leader, Some(1));
        quorum.shutdown().await;
        assert_eq!(*quorum.failed().borrow(), None);
        *recorder.0.lock().unwrap() = Default::default();
    }
}

#[tokio::test]
async fn a_restart_keeps_everything_and_begins_a_new_term() {
    let dir = temporary();
    let mut terms = Vec::new();
    for boot in 0..4 {
        let recorder = Recorder::default();
        let quorum = Quorum::start(alone(dir.path(), &recorder)).await.unwrap();
        terms.push(ready(&quorum).await);
        let known: Vec<String> = (0..boot * 10).map(|n| format!("entry {n}")).collect();
        assert_eq!(recorder.texts(), known);
        for n in boot * 10..(boot + 1) * 10 {
            quorum
                .propose(terms[boot], text(&format!("entry {n}")))
                .await
                .unwrap();
        }
        quorum.shutdown().await;
    }
    assert!(terms.is_sorted_by(|a, b| a < b), "{terms:?}");
}

#[tokio::test]
async fn a_restart_behind_a_purged_log_starts_from_the_snapshot() {
    let dir = temporary();
    let limited = |recorder: &Recorder| {
        let mut config = alone(dir.path(), recorder);
        config.limits.snapshot_entries = 20;
        config.limits.kept_entries = 0;
        config.limits.segment_bytes = 512;
        config
    };
    let recorder = Recorder::default();
    let quorum = Quorum::start(limited(&recorder)).await.unwrap();
    let term = ready(&quorum).await;
    for n in 0..200 {
        quorum
            .propose(term, text(&format!("entry {n}")))
            .await
            .unwrap();
    }
    tokio::time::timeout(Duration::from_secs(10), async {
        while quorum.status().snapshot_index < Some(200) {
            quorum.take_snapshot().await.unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await
    .unwrap();
    quorum.shutdown().await;
    let files = RealDisk
        .read_dir(&dir.path().join("__cluster_metadata-0"))
        .unwrap();
    let named = |suffix| {
        files
            .iter()
            .filter(|file| file.name.ends_with(suffix))
            .count()
    };
    assert_eq!(named(".snapshot"), 1, "{files:?}");
    assert!(named(".raft") < 20, "old segments are gone: {files:?}");

    let recorder = Recorder::default();
    let quorum = Quorum::start(limited(&recorder)).await.unwrap();
    assert!(recorder.0.lock().unwrap().restored_at.is_some());
    let term = ready(&quorum).await;
    quorum.propose(term, text("last")).await.unwrap();
    let mut expected: Vec<String> = (0..200).map(|n| format!("entry {n}")).collect();
    expected.push("last".into());
    assert_eq!(recorder.texts(), expected);
    quorum.shutdown().await;

    for file in files.iter().filter(|file| file.name.ends_with(".snapshot")) {
        let path = dir.path().join("__cluster_metadata-0").join(&file.name);
        let _ = RealDisk.remove_file(&path);
    }
    for file in RealDisk
        .read_dir(&dir.path().join("__cluster_metadata-0"))
        .unwrap()
    {
        if file.name.ends_with(".snapshot") {
            RealDisk
                .remove_file(&dir.path().join("__cluster_metadata-0").join(file.name))
                .unwrap();
        }
    }
    let refused = Quorum::start(limited(&Recorder::default())).await;
    assert!(matches!(refused, Err(StartError::Log(_))), "{refused:?}");
}

#[tokio::test]
async fn a_snapshot_is_taken_after_enough_bytes() {
    let (dir, recorder) = (temporary(), Recorder::default());
    let mut config = alone(dir.path(), &recorder);
    config.limits.snapshot_bytes = 10_000;
    let quorum = Quorum::start(config).await.unwrap();
    let term = ready(&quorum).await;
    for _ in 0..12 {
        quorum
            .propose(term, Bytes::from(vec![b'x'; 1_000]))
            .await
            .unwrap();
    }
    tokio::time::timeout(Duration::from_secs(10), async {
        while quorum.status().snapshot_index.is_none() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    quorum.shutdown().await;
}

#[tokio::test]
async fn the_log_of_another_cluster_or_directory_is_refused() {
    let (dir, recorder) = (temporary(), Recorder::default());
    let quorum = Quorum::start(alone(dir.path(), &recorder)).await.unwrap();
    quorum.shutdown().await;

    let mut other = alone(dir.path(), &recorder);
    other.cluster_id = "another".into();
    let refused = Quorum::start(other).await;
    assert!(matches!(&refused, Err(StartError::Foreign(why)) if why.contains("another")));

    let mut other = alone(dir.path(), &recorder);
    other.directory_id = Uuid::ONE;
    other.voters[0].directory_id = Uuid::ONE;
    assert!(matches!(
        Quorum::start(other).await,
        Err(StartError::Foreign(_))
    ));
}

#[tokio::test]
async fn an_entry_decided_in_another_term_is_not_applied() {
    let (dir, recorder) = (temporary(), Recorder::default());
    let quorum = Quorum::start(alone(dir.path(), &recorder)).await.unwrap();
    let term = ready(&quorum).await;
    let early = quorum.propose(term - 1, text("early")).await;
    assert_eq!(early, Err(ProposeError::TermChanged));
    let huge = Bytes::from(vec![0; MAX_ENTRY_BYTES + 1]);
    let refused = quorum.propose(term, huge).await;
    assert_eq!(refused, Err(ProposeError::TooLarge(MAX_ENTRY_BYTES + 1)));
    quorum
        .propose(term, Bytes::from(vec![b'm'; MAX_ENTRY_BYTES]))
        .await
        .unwrap();
    assert_eq!(recorder.0.lock().unwrap().entries.len(), 1);
    quorum.shutdown().await;
    let late = quorum.propose(term, text("late")).await;
    assert!(
        matches!(late, Err(ProposeError::Stopped | ProposeError::Unknown)),
        "{late:?}"
    );
}

#[tokio::test]
async fn what_follows_a_failed_proposal_fails_with_it() {
    let (dir, recorder) = (temporary(), Recorder::default());
    let quorum = Quorum::start(alone(dir.path(), &recorder)).await.unwrap();
    let term = ready(&quorum).await;
    let proposer = quorum.proposer(term);
    let (good, bad) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    for n in 0..10 {
        let (good, bad, sender) = (Arc::clone(&good), Arc::clone(&bad), sender.clone());
        let bytes = if n == 5 { MAX_ENTRY_BYTES + 1 } else { 3 };
        proposer.propose(Bytes::from(vec![b'a'; bytes]), move |outcome| {
            let counter = if outcome.is_ok() { good } else { bad };
            counter.fetch_add(1, Ordering::Relaxed);
            sender.send(()).unwrap();
        });
    }
    for _ in 0..10 {
        receiver.recv().await.unwrap();
    }
    assert!(good.load(Ordering::Relaxed) <= 5);
    assert!(bad.load(Ordering::Relaxed) >= 5);
    assert_eq!(recorder.texts().len(), good.load(Ordering::Relaxed));
    quorum
        .propose(term, text("another proposer goes on"))
        .await
        .unwrap();
    quorum.shutdown().await;
}

#[tokio::test]
async fn many_proposals_keep_their_order_and_share_syncs() {
    let (dir, recorder) = (temporary(), Recorder::default());
    let quorum = Quorum::start(alone(dir.path(), &recorder)).await.unwrap();
    let term = ready(&quorum).await;
    let entries: Vec<Bytes> = (0..2_000).map(|n| text(&n.to_string())).collect();
    let (clock, many) = (SystemClock::new(), entries.clone());
    let start = clock.monotonic();
    let indexes = quorum.propose_many(term, many).await.unwrap();
    println!("2000 entries in {:?}", clock.monotonic() - start);
    assert!(indexes.is_sorted_by(|a, b| a < b));
    let applied: Vec<Bytes> = recorder.texts().iter().map(|entry| text(entry)).collect();
    assert_eq!(applied, entries);
    let read = quorum.read_index().await.unwrap();
    assert!(read >= *indexes.last().unwrap());
    let status = quorum.status();
    assert_eq!((status.leader_id, status.leader_epoch), (1, term));
    assert_eq!(status.voters.len(), 1);
    assert_eq!(status.voters[0].log_end_offset, status.high_watermark);
    assert!(quorum.barrier(term).await.unwrap() > read);
    quorum.shutdown().await;
}

#[tokio::test]
async fn an_entry_the_state_machine_refuses_stops_the_replica_with_its_message() {
    let (dir, recorder) = (temporary(), Recorder::default());
    let quorum = Quorum::start(alone(dir.path(), &recorder)).await.unwrap();
    let term = ready(&quorum).await;
    let mut failed = quorum.failed();
    assert_eq!(
        quorum.propose(term, text("poison")).await,
        Err(ProposeError::Unknown)
    );
    let why = failed
        .wait_for(Option::is_some)
        .await
        .unwrap()
        .clone()
        .unwrap();
    assert!(why.contains("an entry of an unknown kind"), "{why}");
    until(&quorum, |role| !role.ready && role.leader.is_none()).await;
}
