//! What must hold, one file each.

use super::World;

pub mod acknowledged;
pub mod commits;
pub mod durable;
pub mod groups;
pub mod insync;
pub mod leaders;
pub mod liveness;
pub mod metadata;
pub mod order;
pub mod panics;
pub mod quorum;
pub mod replicas;

/// Everything that can be looked at once the cluster has healed.
pub async fn check(world: &World) -> Result<(), String> {
    let logs = replicas::check(world).await?;
    acknowledged::check(world, &logs)?;
    order::check(&logs)?;
    commits::check_all(world).await
}
