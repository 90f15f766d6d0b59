use std::io::IoSlice;

use bytes::Bytes;
use odeon_kernel::disk::{Disk, OpenMode, RealDisk};
use odeon_kernel::sim::{SimClock, SimDisk};
use openraft::storage::RaftLogStorageExt;
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::{EntryPayload, StorageError};
use tokio::sync::Notify;

use super::*;
use crate::machine::Machine;
use crate::snapshot::SnapshotStore;
use crate::tests::Recorder;
use crate::types::{Proposal, log_id};

struct Builder;

struct Lenient;

impl crate::StateMachine for Lenient {
    fn apply(&mut self, _: u64, _: u64, _: &[u8]) {}
    fn snapshot(&self) -> Bytes {
        Bytes::new()
    }
    fn restore(&mut self, _: u64, _: u64, _: &[u8]) {}
}

fn replica() -> ReplicaId {
    ReplicaId::from(1)
}

fn open_at(disk: SharedDisk, dir: &Path, segment_bytes: u64) -> Result<LogStore, OpenError> {
    // No cache: everything is read from the files.
    let options = StoreOptions {
        segment_bytes,
        cache_bytes: 0,
        ..StoreOptions::default()
    };
    LogStore::open(disk, dir, "cluster", replica(), options)
}

fn open(dir: &Path) -> LogStore {
    open_at(Arc::new(RealDisk), dir, 400).unwrap()
}

impl StoreBuilder<Types, LogStore, Machine> for Builder {
    async fn build(&self) -> Result<((), LogStore, Machine), StorageError<Types>> {
        // In memory: the suite syncs some thousand times.
        let disk: SharedDisk = Arc::new(SimDisk::new(Arc::new(SimClock::new(0))));
        let dir = Path::new("/meta");
        let snapshots = SnapshotStore::open(Arc::clone(&disk), dir).unwrap();
        let notify = Arc::new(Notify::new());
        let machine = Machine::new(
            Box::new(Lenient),
            snapshots,
            Blocking::Pool,
            u64::MAX,
            notify,
        );
        let store = open_at(disk, dir, 400).unwrap();
        Ok(((), store, machine))
    }
}

#[test]
fn the_store_passes_the_librarys_own_suite() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(Suite::test_all(Builder)).unwrap();
}

fn entry(term: u64, index: u64, text: &str) -> Entry {
    let entry = Bytes::copy_from_slice(text.as_bytes());
    let payload = EntryPayload::Normal(Proposal {
        expected_term: term,
        entry,
    });
    Entry {
        log_id: log_id(term, index),
        payload,
    }
}

async fn append(store: &mut LogStore, indexes: std::ops::Range<u64>, term: u64) {
    let entries = indexes.map(|index| entry(term, index, &format!("entry {index} of {term}")));
    store.blocking_append(entries).await.unwrap();
}

async fn held(store: &mut LogStore) -> Vec<(u64, u64)> {
    let entries = store.try_get_log_entries(..).await.unwrap();
    entries
        .iter()
        .map(|entry| (entry.log_id.index, entry.log_id.leader_id.term))
        .collect()
}

fn expected(indexes: std::ops::Range<u64>, term: u64) -> Vec<(u64, u64)> {
    indexes.map(|index| (index, term)).collect()
}

fn last_segment(dir: &Path) -> PathBuf {
    let names = RealDisk.read_dir(dir).unwrap();
    let last = names
        .iter()
        .rfind(|entry| entry.name.ends_with(".raft"))
        .unwrap();
    dir.join(&last.name)
}

#[tokio::test]
async fn entries_votes_truncations_and_purges_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    assert!(store.is_pristine());
    append(&mut store, 0..50, 1).await;
    let vote = Vote::new_committed(3, replica());
    store.save_vote(&vote).await.unwrap();
    store.truncate_after(Some(log_id(1, 29))).await.unwrap();
    append(&mut store, 30..60, 2).await;
    store.purge(log_id(1, 19)).await.unwrap();
    let mut before = expected(20..30, 1);
    before.extend(expected(30..60, 2));
    assert_eq!(held(&mut store).await, before);
    drop(store);

    let mut store = open(dir.path());
    assert_eq!(held(&mut store).await, before);
    assert_eq!(store.read_vote().await.unwrap(), Some(vote));
    let state = store.get_log_state().await.unwrap();
    assert_eq!(state.last_purged_log_id, Some(log_id(1, 19)));
    assert_eq!(state.last_log_id, Some(log_id(2, 59)));
    append(&mut store, 60..61, 4).await;
    assert_eq!(
        store.get_log_state().await.unwrap().last_log_id,
        Some(log_id(4, 60))
    );
}

#[tokio::test]
async fn a_purge_beyond_the_end_leaves_an_empty_log_that_goes_on_there() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    append(&mut store, 0..10, 1).await;
    store.purge(log_id(2, 99)).await.unwrap();
    assert_eq!(
        store.get_log_state().await.unwrap().last_log_id,
        Some(log_id(2, 99))
    );
    append(&mut store, 100..105, 2).await;
    drop(store);
    assert_eq!(held(&mut open(dir.path())).await, expected(100..105, 2));
}

#[tokio::test]
async fn a_torn_tail_is_cut_at_every_byte() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open_at(Arc::new(RealDisk), dir.path(), 1 << 20).unwrap();
    append(&mut store, 0..3, 1).await;
    let path = last_segment(dir.path());
    let whole = RealDisk.read(&path).unwrap().len() as u64;
    append(&mut store, 3..5, 1).await;
    drop(store);
    let full = RealDisk.read(&path).unwrap();
    let whole = usize::try_from(whole).unwrap();
    for (end, zeroed) in (whole..full.len()).flat_map(|end| [(end, true), (end, false)]) {
        let mut bytes = full[..end].to_vec();
        if zeroed {
            bytes.resize(full.len(), 0);
        }
        if bytes == full {
            continue;
        }
        let file = RealDisk.open(&path, OpenMode::ReadWrite).unwrap();
        file.set_len(0).unwrap();
        file.write_all_at(&[IoSlice::new(&bytes)], 0).unwrap();
        let mut store = open_at(Arc::new(RealDisk), dir.path(), 1 << 20).unwrap();
        let found = held(&mut store).await;
        assert!(
            found == expected(0..3, 1) || found == expected(0..4, 1),
            "{end} {zeroed}: {found:?}"
        );
    }
    let mut store = open_at(Arc::new(RealDisk), dir.path(), 1 << 20).unwrap();
    let next = store
        .get_log_state()
        .await
        .unwrap()
        .last_log_id
        .unwrap()
        .index
        + 1;
    append(&mut store, next..next + 2, 2).await;
    drop(store);
    let mut store = open_at(Arc::new(RealDisk), dir.path(), 1 << 20).unwrap();
    assert_eq!(
        store.get_log_state().await.unwrap().last_log_id,
        Some(log_id(2, next + 1))
    );
    assert_eq!(held(&mut store).await.len() as u64, next + 2);
}

fn flip(path: &Path, position: u64) {
    let file = RealDisk.open(path, OpenMode::ReadWrite).unwrap();
    let mut byte = [0];
    file.read_at(&mut byte, position).unwrap();
    file.write_all_at(&[IoSlice::new(&[byte[0] ^ 0x40])], position)
        .unwrap();
}

#[tokio::test]
async fn damage_to_what_was_durable_is_refused_and_damage_to_the_last_write_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open_at(Arc::new(RealDisk), dir.path(), 1 << 20).unwrap();
    append(&mut store, 0..3, 1).await;
    let path = last_segment(dir.path());
    let durable = RealDisk.read(&path).unwrap().len() as u64;
    // One write of three entries: any part of it may be missing after a power cut.
    append(&mut store, 3..6, 1).await;
    drop(store);
    let full = RealDisk.read(&path).unwrap();
    for position in 0..full.len() as u64 {
        flip(&path, position);
        let opened = open_at(Arc::new(RealDisk), dir.path(), 1 << 20);
        if position < durable {
            let Err(OpenError::Io(error)) = opened else {
                panic!("byte {position} is missed")
            };
            assert!(error.to_string().contains("damaged"), "{error}");
        } else {
            let found = held(&mut opened.unwrap()).await;
            assert!((3..6).contains(&found.len()), "byte {position}: {found:?}");
        }
        let file = RealDisk.open(&path, OpenMode::ReadWrite).unwrap();
        file.write_all_at(&[IoSlice::new(&full)], 0).unwrap();
    }
    let state = HardState::path(dir.path());
    flip(&state, 20);
    assert!(open_at(Arc::new(RealDisk), dir.path(), 1 << 20).is_err());
    RealDisk.remove_file(&state).unwrap();
    assert!(open_at(Arc::new(RealDisk), dir.path(), 1 << 20).is_err());
}

#[tokio::test]
async fn a_missing_segment_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    for index in 0..40 {
        append(&mut store, index..index + 1, 1).await;
    }
    drop(store);
    let names = RealDisk.read_dir(dir.path()).unwrap();
    let segments: Vec<_> = names
        .iter()
        .filter(|entry| entry.name.ends_with(".raft"))
        .collect();
    assert!(segments.len() > 4, "{segments:?}");
    for victim in [0, segments.len() / 2] {
        let path = dir.path().join(&segments[victim].name);
        let bytes = RealDisk.read(&path).unwrap();
        RealDisk.remove_file(&path).unwrap();
        assert!(open_at(Arc::new(RealDisk), dir.path(), 400).is_err());
        RealDisk.write_atomic(&path, &bytes).unwrap();
    }
    assert_eq!(held(&mut open(dir.path())).await, expected(0..40, 1));
}

#[tokio::test]
async fn a_read_for_a_message_stops_at_its_size() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open_at(Arc::new(RealDisk), dir.path(), 1 << 20).unwrap();
    let big = "x".repeat(100 * 1024);
    store
        .blocking_append((0..5).map(|index| entry(1, index, &big)))
        .await
        .unwrap();
    assert_eq!(store.limited_get_log_entries(0, 5).await.unwrap().len(), 1);
    assert_eq!(store.limited_get_log_entries(4, 5).await.unwrap().len(), 1);
    assert_eq!(store.try_get_log_entries(0..5).await.unwrap().len(), 5);
}

#[tokio::test]
async fn the_machine_skips_an_entry_of_another_term() {
    let dir = tempfile::tempdir().unwrap();
    let snapshots = SnapshotStore::open(Arc::new(RealDisk), dir.path()).unwrap();
    let recorder = Recorder::default();
    let notify = Arc::new(Notify::new());
    let mut machine = Machine::new(
        Box::new(recorder.clone()),
        snapshots,
        Blocking::Pool,
        u64::MAX,
        notify,
    );
    let mut stale = entry(2, 1, "stale");
    if let EntryPayload::Normal(proposal) = &mut stale.payload {
        proposal.expected_term = 1;
    }
    let entries = [entry(2, 0, "a"), stale, entry(2, 2, "b")].map(|entry| Ok((entry, None)));
    use openraft::storage::RaftStateMachine;
    machine
        .apply(futures_util::stream::iter(entries))
        .await
        .unwrap();
    assert_eq!(recorder.texts(), ["a", "b"]);
    assert_eq!(recorder.0.lock().unwrap().last, Some((2, 2)));
}
