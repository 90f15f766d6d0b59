//! IsrChanger: takes what the leaders of this node ask for to the controller, many in one request.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use odeon_kernel::{SharedClock, Watch, spawn};
use odeon_metadata::{MetadataImage, PartitionImage};
use odeon_model::{ErrorCode, NodeId, TopicId};

use crate::controller::{AlterPartition, AlteredPartition, ControllerHandle, PartitionAlteration};

/// Between two attempts to reach a controller.
const RETRY: Duration = Duration::from_millis(50);
/// Alterations in one request.
const MAX_ALTERATIONS: usize = 1_000;

/// What became of an alteration: the controller's answer, or why nobody knows.
pub(crate) type Altered = Result<AlteredPartition, ErrorCode>;

/// An alteration and whom to tell.
struct Waiting {
    alteration: PartitionAlteration,
    reply: Box<dyn FnOnce(Altered) + Send>,
}

/// Sends alterations, one request at a time; leaders ask at their own pace, each for one at a time.
/// Clones are the same.
#[derive(Clone)]
pub struct IsrChanger {
    inner: Arc<Inner>,
}

struct Inner {
    node_id: NodeId,
    controller: ControllerHandle,
    image: Watch<MetadataImage>,
    clock: SharedClock,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Waiting>,
    is_sending: bool,
}

impl std::fmt::Debug for IsrChanger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IsrChanger").finish_non_exhaustive()
    }
}

impl IsrChanger {
    /// A changer for the leaders of a node.
    pub fn new(
        node_id: NodeId,
        controller: ControllerHandle,
        image: Watch<MetadataImage>,
        clock: SharedClock,
    ) -> Self {
        let queue = Mutex::default();
        let inner = Inner {
            node_id,
            controller,
            image,
            clock,
            queue,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Whether a broker may join an ISR under an epoch, as far as this node knows.
    pub(crate) fn may_join(&self, id: NodeId, epoch: i64) -> bool {
        let image = self.inner.image.get();
        image
            .broker(id)
            .is_some_and(|broker| broker.is_active() && (epoch == -1 || broker.epoch == epoch))
    }

    /// A partition as this node's metadata has it.
    pub(crate) fn partition(
        &self,
        topic_id: TopicId,
        partition: i32,
    ) -> Option<Arc<PartitionImage>> {
        let image = self.inner.image.get();
        image.partition_by_id(topic_id, partition).cloned()
    }

    /// Asks the controller; `reply` is called once. An error of [`ErrorCode::RequestTimedOut`] leaves
    /// open whether it happened.
    pub(crate) fn alter(
        &self,
        alteration: PartitionAlteration,
        reply: impl FnOnce(Altered) + Send + 'static,
    ) {
        let mut queue = self.queue();
        let reply = Box::new(reply);
        queue.waiting.push(Waiting { alteration, reply });
        if std::mem::replace(&mut queue.is_sending, true) {
            return;
        }
        let changer = self.clone();
        spawn(async move { changer.send().await });
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        let queue = self.inner.queue.lock();
        queue.unwrap_or_else(PoisonError::into_inner)
    }

    async fn send(&self) {
        loop {
            let waiting: Vec<Waiting> = {
                let mut queue = self.queue();
                let few = queue.waiting.len().min(MAX_ALTERATIONS);
                if few == 0 {
                    queue.is_sending = false;
                    return;
                }
                queue.waiting.drain(..few).collect()
            };
            self.send_batch(waiting).await;
        }
    }

    async fn send_batch(&self, waiting: Vec<Waiting>) {
        let inner = &self.inner;
        let image = inner.image.get();
        let broker_epoch = image
            .broker(inner.node_id)
            .map_or(-1, |broker| broker.epoch);
        let partitions = waiting.iter().map(|one| one.alteration.clone());
        let request = AlterPartition {
            broker_id: inner.node_id,
            broker_epoch,
            partitions: partitions.collect(),
        };
        let answers = inner.controller.alter_partition(request).await;
        let failed = answers.as_ref().err().map(|refusal| refusal.code);
        let mut answers = answers.unwrap_or_default().into_iter();
        for one in waiting {
            // Refused as a whole, or answered short: whether it happened is not known.
            let unknown = || Err(ErrorCode::RequestTimedOut);
            (one.reply)(answers.next().unwrap_or_else(unknown));
        }
        if let Some(code) = failed {
            tracing::debug!(?code, "an ISR was not altered");
            inner.clock.sleep(RETRY).await;
        }
    }
}
