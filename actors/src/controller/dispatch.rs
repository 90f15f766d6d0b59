//! From a command to its decision, and from the decision to the answer that waits.

use odeon_model::ErrorCode;

use super::message::Refusal;
use super::state::{Decisions, Draft};
use super::vocabulary::{Command, Decided, Now, Outcome, Reply};

/// An answer that waits: called once, with where its records lie, or what became of them.
pub(super) type Answer = Box<dyn FnOnce(Result<u64, Refusal>) + Send>;

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

/// Keeps a decision until its records are committed.
pub(super) fn later(reply: Reply, decided: Result<Outcome, Refusal>) -> Answer {
    Box::new(move |written| {
        let answer = written.and_then(|index| {
            let outcome = decided?;
            Ok(Decided { outcome, index })
        });
        // A caller that no longer waits is none of our business.
        let _ = reply.send(answer);
    })
}

/// Answers without doing anything.
pub(super) fn refuse(reply: Reply, refusal: Refusal) {
    let _ = reply.send(Err(refusal));
}

pub(super) fn decide(
    decisions: &mut Decisions,
    draft: &mut Draft,
    now: Now,
    command: Command,
) -> Result<Outcome, Refusal> {
    Ok(match command {
        Command::CreateTopics {
            topics,
            validate_only,
        } => Outcome::Created(decisions.create_topics(draft, topics, validate_only)),
        Command::DeleteTopics { topics } => Outcome::Topics(decisions.delete_topics(draft, topics)),
        Command::CreatePartitions {
            topics,
            validate_only,
        } => Outcome::Topics(decisions.create_partitions(draft, topics, validate_only)),
        Command::AlterConfigs(request) => Outcome::Configs(decisions.alter_configs(draft, request)),
        Command::RegisterBroker(request) => {
            Outcome::Registered(decisions.register_broker(draft, *request, now)?)
        }
        Command::BrokerHeartbeat(request) => {
            Outcome::Heartbeat(decisions.broker_heartbeat(draft, &request, now)?)
        }
        Command::BrokerDied { id, incarnation_id } => {
            Outcome::Died(decisions.fence_dead_broker(draft, id, incarnation_id))
        }
        Command::UnregisterBroker { id } => {
            decisions.unregister_broker(draft, id)?;
            Outcome::Done
        }
        Command::AlterPartition(request) => {
            Outcome::Partitions(decisions.alter_partition(draft, &request)?)
        }
        Command::AssignDirectories(request) => {
            decisions.assign_directories(draft, &request)?;
            Outcome::Done
        }
        Command::ElectLeaders {
            election,
            partitions,
        } => Outcome::Elections(decisions.elect_leaders(draft, election, partitions)),
        Command::Reassign {
            partitions,
            allow_replication_factor_change: may_change,
        } => Outcome::Reassignments(decisions.alter_reassignments(draft, &partitions, may_change)),
        Command::AllocateProducerIds {
            broker_id,
            broker_epoch,
        } => {
            Outcome::ProducerIds(decisions.allocate_producer_ids(draft, broker_id, broker_epoch)?)
        }
        Command::UpdateFeatures {
            updates,
            validate_only,
        } => Outcome::Features(decisions.update_features(draft, &updates, validate_only)),
    })
}
