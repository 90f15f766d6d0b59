//! A committed offset never goes back: who committed one finds it, or one that it tried later.

use std::time::Duration;

use odeon_kernel::Clock;

use crate::clustersim::known::{Commit, Known};
use crate::clustersim::{Place, World};

/// How long a coordinator may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Nothing is committed that nobody tried. Less may be where `is_it` is false: a coordinator that is
/// cut off does not know that it has a successor, in Kafka neither.
pub fn check_now(
    known: &mut Known,
    key: &(String, Place),
    commit: Commit,
    found: i64,
    is_it: bool,
) {
    let least = match is_it {
        true => commit.acknowledged,
        false => commit.acknowledged.map(|least| least.min(found)),
    };
    let commit = Commit {
        acknowledged: least,
        ..commit
    };
    check(known, key, commit, found);
}

/// Compares what a coordinator says with what its only committer knows.
fn check(known: &mut Known, key: &(String, Place), commit: Commit, found: i64) {
    let least = commit.acknowledged.unwrap_or(-1);
    if found < least || found > commit.tried.max(least) {
        let what = format!(
            "{key:?}: {found} is committed, {least} was acknowledged and {} tried",
            commit.tried
        );
        known.wrong(what);
    }
}

pub async fn check_all(world: &World) -> Result<(), String> {
    let commits = world.known().commits.clone();
    for (key, commit) in commits {
        let (group, place) = &key;
        let mut client = world.cluster.client("checker");
        let until = world.clock.monotonic() + PATIENCE;
        let found = loop {
            let via = world.pick(&world.cluster.running()).copied();
            let coordinator = match via {
                Some(via) => client.find_coordinator(via, group).await.ok(),
                None => None,
            };
            if let Some(coordinator) = coordinator {
                let found = client
                    .committed(coordinator, group, &place.0, place.1)
                    .await;
                if let Ok(found) = found {
                    break found;
                }
            }
            if world.clock.monotonic() > until {
                return Err(format!("nobody says what {group} has committed"));
            }
            world.pause(100).await;
        };
        let mut known = world.known();
        check(&mut known, &key, commit, found);
        if let Some(wrong) = known.wrong.clone() {
            return Err(wrong);
        }
    }
    Ok(())
}
