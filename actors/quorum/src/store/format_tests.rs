//! What was written by version 0.1 stays readable.

use std::collections::BTreeSet;
use std::path::Path;

use odeon_kernel::sim::{SimClock, SimDisk};
use odeon_model::Uuid;
use openraft::EntryPayload;

use super::*;
use crate::snapshot::SnapshotStore;
use crate::types::{Membership, MembershipAt, log_id};

/// Three entries from index 5 on: a leader's first, a proposal, a membership.
const SEGMENT: &str = concat!(
    "14000000b2c3578082a17300a16582a16c82a17401a16905a170a1622100000021eb973082a1731c",
    "a16582a16c82a17402a16906a17081a17082a17802a165c404746578744f000000d5cd532082a173",
    "45a16582a16c82a17402a16907a17081a16d82a176919182a16e07a164c410090909090909090909",
    "09090909090909a165919282a16e07a164c41009090909090909090909090909090909a0",
);
/// A vote of term 3; purged up to entry 4.
const STATE: &str = concat!(
    "4f444e5241465453650000003151310484a7636c7573746572a7636c7573746572a77265706c6963",
    "6182a16e07a164c41009090909090909090909090909090909a4766f746583a17403a17282a16e07",
    "a164c41009090909090909090909090909090909a163c3a670757267656482a17402a16904",
);
/// A snapshot up to entry 6.
const SNAPSHOT: &str = concat!(
    "4f444e52534e41504f0000000500000000000000a091095283a16c82a17402a16906a16182a17401",
    "a16900a16d82a176919182a16e07a164c41009090909090909090909090909090909a165919282a1",
    "6e07a164c41009090909090909090909090909090909a07374617465",
);

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex
        .as_bytes()
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).unwrap());
    digits
        .map(|pair| u8::from_str_radix(pair, 16).unwrap())
        .collect()
}

fn replica() -> ReplicaId {
    ReplicaId {
        node_id: 7,
        directory_id: Uuid([9; 16]),
    }
}

#[tokio::test]
async fn the_files_of_version_0_1_are_read() {
    let dir = Path::new("/meta");
    let disk: SharedDisk = Arc::new(SimDisk::new(Arc::new(SimClock::new(0))));
    disk.create_dir_all(dir).unwrap();
    for (name, hex) in [
        ("00000000000000000005.raft", SEGMENT),
        ("raft-state", STATE),
        ("00000000000000000006-0000000002.snapshot", SNAPSHOT),
    ] {
        disk.write_atomic(&dir.join(name), &bytes(hex)).unwrap();
    }
    let options = StoreOptions::default();
    let mut store = LogStore::open(Arc::clone(&disk), dir, "cluster", replica(), options).unwrap();
    let voters = Membership::new_with_defaults(vec![BTreeSet::from([replica()])], []);
    let entries = store.try_get_log_entries(..).await.unwrap();
    let ids: Vec<LogId> = entries.iter().map(|entry| entry.log_id).collect();
    assert_eq!(ids, [log_id(1, 5), log_id(2, 6), log_id(2, 7)]);
    assert_eq!(entries[0].payload, EntryPayload::Blank);
    let EntryPayload::Normal(proposal) = &entries[1].payload else {
        panic!("{:?}", entries[1])
    };
    assert_eq!(
        (&proposal.entry[..], proposal.expected_term),
        (&b"text"[..], 2)
    );
    assert_eq!(entries[2].payload, EntryPayload::Membership(voters.clone()));
    assert_eq!(store.purged(), Some(log_id(2, 4)));
    let vote = store.read_vote().await.unwrap();
    assert_eq!(vote, Some(Vote::new_committed(3, replica())));

    let (meta, data) = SnapshotStore::open(disk, dir)
        .unwrap()
        .load()
        .unwrap()
        .unwrap();
    assert_eq!(meta.last_log_id, Some(log_id(2, 6)));
    assert_eq!(
        meta.last_membership,
        MembershipAt::new(Some(log_id(1, 0)), voters)
    );
    assert_eq!(&data[..], b"state");
}
