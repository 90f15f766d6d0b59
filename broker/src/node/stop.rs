//! A planned stop: what others can go on with is handed over first.

use std::time::Duration;

use odeon_actors::broker::BrokerStatus;
use odeon_actors::node::NodeHandle;
use odeon_kernel::clock::timeout;
use odeon_kernel::{Watch, watch};

/// How long the controller may take to move what this broker leads.
const HAND_OVER_LIMIT: Duration = Duration::from_secs(10);

/// Lets the controller move the partitions that this broker leads, if there is another broker that
/// could take one, and `controlled.shutdown.enable` is on.
pub(super) async fn hand_over(
    node: &NodeHandle,
    stopping: &watch::Sender<bool>,
    status: &Watch<BrokerStatus>,
) {
    let image = node.image.get();
    let mut others = image.brokers().filter(|broker| broker.id != node.node_id);
    let wanted = node.broker_text("controlled.shutdown.enable");
    if wanted.is_some_and(|text| text == "false") || !others.any(|broker| broker.is_active()) {
        return;
    }
    stopping.send_replace(true);
    let mut status = status.clone();
    let may_stop = status.wait_for(|status| status.may_stop);
    match timeout(&*node.clock, HAND_OVER_LIMIT, may_stop).await {
        Ok(Ok(_)) => tracing::info!("others lead what this broker led"),
        _ => tracing::warn!("stops before others lead what this broker led"),
    }
}
