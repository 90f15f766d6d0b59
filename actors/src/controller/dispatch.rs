//! From a command to its decision, and from the decision to the answer that waits.

use odeon_model::{ErrorCode, NodeId};

use super::message::Refusal;
use super::state::{Decisions, Draft};
use super::vocabulary::{Command, Now, Reply};

/// An answer that waits: called once, with what became of the records.
pub(super) type Answer = Box<dyn FnOnce(Result<(), Refusal>) + Send>;

pub(super) fn perhaps() -> Refusal {
    let message = "The controller changed; it is not known whether the request was executed";
    Refusal::new(ErrorCode::RequestTimedOut, message)
}

pub(super) fn not_controller() -> Refusal {
    Refusal::new(
        ErrorCode::NotController,
        "This node is not the active controller",
    )
}

pub(super) fn overloaded() -> Refusal {
    Refusal::new(
        ErrorCode::ThrottlingQuotaExceeded,
        "Too many requests wait for the controller",
    )
}

/// Keeps an answer until its records are committed.
fn later<T: Send + 'static>(reply: Reply<T>, answer: Result<T, Refusal>) -> Answer {
    Box::new(move |written| {
        // A caller that no longer waits is none of our business.
        let _ = reply.send(written.and(answer));
    })
}

pub(super) fn decide(
    decisions: &mut Decisions,
    draft: &mut Draft,
    now: Now,
    own_id: NodeId,
    command: Command,
) -> Answer {
    match command {
        Command::CreateTopics {
            topics,
            validate_only,
            reply,
        } => later(
            reply,
            Ok(decisions.create_topics(draft, topics, validate_only)),
        ),
        Command::DeleteTopics { topics, reply } => {
            later(reply, Ok(decisions.delete_topics(draft, topics)))
        }
        Command::CreatePartitions {
            topics,
            validate_only,
            reply,
        } => later(
            reply,
            Ok(decisions.create_partitions(draft, topics, validate_only)),
        ),
        Command::AlterConfigs { request, reply } => {
            later(reply, Ok(decisions.alter_configs(draft, request)))
        }
        Command::RegisterBroker { request, reply } => {
            later(reply, decisions.register_broker(draft, *request, now))
        }
        Command::BrokerHeartbeat { request, reply } => {
            later(reply, decisions.broker_heartbeat(draft, &request, now))
        }
        Command::BrokerDied {
            id,
            incarnation_id,
            reply,
        } => later(
            reply,
            Ok(decisions.fence_dead_broker(draft, id, incarnation_id)),
        ),
        Command::UnregisterBroker { id, reply } => {
            later(reply, decisions.unregister_broker(draft, id))
        }
        Command::AlterPartition { request, reply } => {
            later(reply, decisions.alter_partition(draft, &request))
        }
        Command::ElectLeaders {
            election,
            partitions,
            reply,
        } => later(
            reply,
            Ok(decisions.elect_leaders(draft, election, partitions)),
        ),
        Command::AllocateProducerIds { broker, reply } => {
            let own = || {
                (
                    own_id,
                    draft.image.broker(own_id).map_or(-1, |broker| broker.epoch),
                )
            };
            let (id, epoch) = broker.unwrap_or_else(own);
            later(reply, decisions.allocate_producer_ids(draft, id, epoch))
        }
        Command::UpdateFeatures {
            updates,
            validate_only,
            reply,
        } => later(
            reply,
            Ok(decisions.update_features(draft, &updates, validate_only)),
        ),
    }
}

impl Command {
    /// Answers without doing anything.
    pub(super) fn refuse(self, refusal: Refusal) {
        match self {
            Self::CreateTopics { reply, .. } => later(reply, Err(refusal))(Ok(())),
            Self::DeleteTopics { reply, .. } => later(reply, Err(refusal))(Ok(())),
            Self::CreatePartitions { reply, .. } => later(reply, Err(refusal))(Ok(())),
            Self::AlterConfigs { reply, .. } => later(reply, Err(refusal))(Ok(())),
            Self::RegisterBroker { reply, .. } => later(reply, Err(refusal))(Ok(())),
            Self::BrokerHeartbeat { reply, .. } => later(reply, Err(refusal))(Ok(())),
            Self::BrokerDied { reply, .. } => later(reply, Err(refusal))(Ok(())),
            Self::UnregisterBroker { reply, .. } => later(reply, Err(refusal))(Ok(())),
            Self::AlterPartition { reply, .. } => later(reply, Err(refusal))(Ok(())),
            Self::ElectLeaders { reply, .. } => later(reply, Err(refusal))(Ok(())),
            Self::AllocateProducerIds { reply, .. } => later(reply, Err(refusal))(Ok(())),
            Self::UpdateFeatures { reply, .. } => later(reply, Err(refusal))(Ok(())),
        }
    }
}
