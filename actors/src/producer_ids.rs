//! The producer ids that this node may hand out.

use odeon_model::ProducerId;
use tokio::sync::Mutex;

use crate::controller::{ControllerHandle, ProducerIdBlock, Refusal};

/// What is left of the block that the controller gave to this node. Blocks are never given twice,
/// so what a crash leaves unused stays unused.
#[derive(Debug, Default)]
pub struct ProducerIds {
    left: Mutex<Option<ProducerIdBlock>>,
}

impl ProducerIds {
    /// The next id, from a new block when the last one is used up. Cancel safe.
    ///
    /// # Errors
    /// The controller's refusal.
    pub async fn next(&self, controller: &ControllerHandle) -> Result<ProducerId, Refusal> {
        let mut left = self.left.lock().await;
        let block = match left.take().filter(|block| block.len > 0) {
            Some(block) => block,
            None => controller.allocate_producer_ids().await?,
        };
        *left = Some(ProducerIdBlock {
            first: block.first + 1,
            len: block.len - 1,
        });
        Ok(block.first)
    }
}
