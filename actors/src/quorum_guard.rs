//! QuorumGuard: the Raft engine's place in the supervision tree.
//!
//! The engine is not an actor and cannot be restarted within a process: everybody holds its handle,
//! and a replica that starts over must read its log again. So its end is the node's end: the guard
//! fails with it, and again at each restart, until `Ground` gives up and the process exits with an
//! error. A guard that is killed by itself only looks again.

use odeon_kernel::TaskGuard;
use odeon_quorum::Quorum;
use ractor::{Actor, ActorProcessingErr, ActorRef};

/// The actor. See the module.
#[derive(Debug)]
pub struct QuorumGuard;

/// The engine ended.
#[derive(Debug)]
pub struct EngineEnded(String);

impl ractor::Message for EngineEnded {}

#[ractor::async_trait]
impl Actor for QuorumGuard {
    type Msg = EngineEnded;
    type State = TaskGuard<()>;
    type Arguments = Quorum;

    async fn pre_start(
        &self,
        myself: ActorRef<EngineEnded>,
        quorum: Quorum,
    ) -> Result<TaskGuard<()>, ActorProcessingErr> {
        Ok(TaskGuard::spawn(async move {
            let mut failed = quorum.failed();
            let reason = match failed.wait_for(Option::is_some).await {
                Ok(reason) => reason.clone().unwrap_or_default(),
                // The engine was shut down in order.
                Err(_) => return,
            };
            let _ = myself.cast(EngineEnded(reason));
        }))
    }

    async fn handle(
        &self,
        _: ActorRef<EngineEnded>,
        EngineEnded(reason): EngineEnded,
        _: &mut TaskGuard<()>,
    ) -> Result<(), ActorProcessingErr> {
        Err(format!("the metadata quorum failed: {reason}").into())
    }
}
