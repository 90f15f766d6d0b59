//! What everything leans on: storage, moves between directories, the mesh, the quorum.

use std::time::Duration;

use odeon_actors::mover::{Mover, MoverArguments};
use odeon_actors::quorum_guard::QuorumGuard;
use odeon_actors::quota::ReplicationQuotas;
use odeon_actors::storage::{Storage, StorageArguments};
use odeon_kernel::Slot;
use odeon_kernel::supervisor::{
    Backoff, ChildSpec, Restart, Supervisor, SupervisorHandle, SupervisorOptions,
};

use super::Ingredients;
use crate::node::mesh::{MeshGuard, MeshGuardArguments};

pub(super) fn ground(
    parts: &Ingredients,
    quotas: &ReplicationQuotas,
    options: SupervisorOptions,
    handle: &SupervisorHandle,
) -> ChildSpec {
    let millis = |setting: i64| Duration::from_millis(u64::try_from(setting).unwrap_or(1));
    let storage = StorageArguments {
        logs: parts.logs.clone(),
        routing: parts.routing.clone(),
        retention_interval: millis(parts.config.logs.retention_check_interval_ms),
        checkpoint_interval: millis(parts.config.logs.flush_offset_checkpoint_interval_ms),
        scrub_bytes: usize::try_from(parts.config.logs.scrub_bytes_per_second).unwrap_or(0),
        blocking: parts.blocking,
        clock: parts.clock.clone(),
    };
    let mover = MoverArguments {
        logs: parts.logs.clone(),
        quota: quotas.directories.clone(),
        blocking: parts.blocking,
        clock: parts.clock.clone(),
    };
    let quorum = parts.quorum.clone();
    let clock = parts.clock.clone();
    let mesh = parts.cluster.clone().map(|mesh| MeshGuardArguments {
        mesh,
        config: parts.config.clone(),
        image: parts.image.clone(),
    });
    Supervisor::child(handle, options, Restart::Permanent, move || {
        let (storage, mover, quorum) = (storage.clone(), mover.clone(), quorum.clone());
        let mesh = mesh.clone().map(|arguments| {
            let slot = Slot::new(clock.clone());
            ChildSpec::actor("Mesh", Restart::Permanent, &slot, move || {
                (MeshGuard, arguments.clone())
            })
        });
        let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10));
        let storage = ChildSpec::actor(
            "Storage",
            Restart::Permanent,
            &Slot::new(clock.clone()),
            move || (Storage, storage.clone()),
        );
        let mover = ChildSpec::actor(
            "Mover",
            Restart::Permanent,
            &Slot::new(clock.clone()),
            move || (Mover, mover.clone()),
        );
        let quorum = ChildSpec::actor(
            "Quorum",
            Restart::Permanent,
            &Slot::new(clock.clone()),
            move || (QuorumGuard, quorum.clone()),
        );
        // Storage and the quorum fail for good: without pauses, the node soon ends.
        let others = [storage, mover.backoff(backoff), quorum];
        mesh.into_iter().chain(others).collect()
    })
}
