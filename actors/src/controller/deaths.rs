//! Proof that a broker's process is gone, from the mesh to the active controller.
//!
//! Every controller-eligible node tells what it sees: whoever is the active controller hears of it,
//! also one that becomes it because of that death. If it was the active controller that died, the
//! quorum elects another at once.

use odeon_kernel::TaskGuard;
use odeon_mesh::{Incarnation, LinkEvent, incarnation_of};
use odeon_model::NodeId;

use super::actor::ControllerArguments;

/// The most deaths that are being told at once; of more, the end of their sessions tells.
const MAX_TOLD_AT_ONCE: usize = 64;

/// Tells the active controller of every life in the mesh that ends.
pub(super) fn tell(arguments: &ControllerArguments) -> TaskGuard<()> {
    let arguments = arguments.clone();
    TaskGuard::spawn(async move {
        let mut links = arguments.mesh.links();
        let mut telling: Vec<TaskGuard<()>> = Vec::new();
        while let Some(event) = links.recv().await {
            let LinkEvent::Dead(id, incarnation) = event else {
                continue;
            };
            telling.retain(|task| !task.is_finished());
            if telling.len() < MAX_TOLD_AT_ONCE {
                let arguments = arguments.clone();
                telling.push(TaskGuard::spawn(async move {
                    let elected = arguments.quorum.node_died(id);
                    tokio::join!(elected, tell_one(&arguments, id, incarnation));
                }));
            }
        }
    })
}

async fn tell_one(arguments: &ControllerArguments, id: NodeId, incarnation: Incarnation) {
    let incarnation_id = {
        let image = arguments.image.get();
        image.broker(id).map(|broker| broker.incarnation_id)
    };
    let Some(incarnation_id) = incarnation_id.filter(|id| incarnation_of(*id) == incarnation)
    else {
        // Another life is registered by now, or none that anybody counts on.
        return;
    };
    match arguments.controller.broker_died(id, incarnation_id).await {
        Ok(was_live) => tracing::info!(broker = id, was_live, "a broker's process is gone"),
        Err(refusal) => {
            tracing::warn!(broker = id, %refusal, "a death was not told");
        }
    }
}
