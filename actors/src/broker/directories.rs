//! Tells the controller in which log directories this broker's replicas are.
//!
//! It runs in a task of its own beside the session. A broker with one directory has nothing to tell.

use std::time::Duration;

use odeon_kernel::Waiter;
use odeon_model::{TopicPartition, Uuid};

use super::actor::BrokerArguments;
use crate::controller::AssignDirectories;

/// Until the next attempt when the controller did not listen, or does not know a partition yet.
const RETRY: Duration = Duration::from_millis(500);

/// Tells what is news, as long as there are any.
pub(super) async fn tell(arguments: BrokerArguments) {
    let mut waiter = Waiter::new();
    waiter.register(arguments.logs.homes_change());
    loop {
        let news = arguments.logs.new_homes();
        if news.is_empty() {
            waiter.wait().await;
            continue;
        }
        if !tell_once(&arguments, &news).await {
            arguments.clock.sleep(RETRY).await;
        }
    }
}

/// Whether the controller knows it all now.
async fn tell_once(arguments: &BrokerArguments, news: &[(TopicPartition, Uuid)]) -> bool {
    let image = arguments.image.get();
    let node = arguments.node_id;
    let own = image.broker(node);
    let Some(own) = own.filter(|own| own.incarnation_id == arguments.incarnation_id) else {
        return false;
    };
    let (mut known, mut replicas) = (Vec::new(), Vec::new());
    for (name, directory) in news {
        let topic = image.topic(&name.topic);
        let partition = topic.and_then(|topic| topic.partition(name.partition));
        match (
            topic,
            partition.and_then(|partition| partition.directory(node)),
        ) {
            (Some(topic), Some(noted)) if noted != *directory => {
                replicas.push((topic.id, name.partition, *directory));
            }
            // Nobody counts on it, or the metadata says so already.
            _ => known.push((name.clone(), *directory)),
        }
    }
    arguments.logs.homes_told(&known);
    if replicas.is_empty() {
        return true;
    }
    let request = AssignDirectories {
        broker_id: node,
        broker_epoch: own.epoch,
        replicas,
    };
    match arguments.controller.assign_directories(request).await {
        Ok(()) => {
            arguments.logs.homes_told(news);
            true
        }
        Err(refusal) => {
            tracing::debug!(%refusal, "the directories of replicas were not noted");
            false
        }
    }
}
