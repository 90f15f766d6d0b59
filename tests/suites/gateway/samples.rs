//! Requests of every API in every version: sensible ones about things that exist, empty ones, and
//! ones about things that do not exist or may not be done.

use bytes::Bytes;
use odeon_gateway::dispatch::versions_of;
use odeon_model::Uuid;
use odeon_protocol::messages as m;
use odeon_protocol::{ApiKey, Request, decode_response};
use odeon_tests::records::batch;
use odeon_tests::{TestNode, frame_of};

mod admin;
mod data;
mod groups;

/// What exists on the node that samples are sent to.
#[derive(Debug, Clone)]
pub struct World {
    /// The id of [`TOPIC`], two partitions, records in the first.
    pub topic_id: Uuid,
}

/// A topic with records.
pub const TOPIC: &str = "plain";
/// A topic that is not there.
pub const MISSING: &str = "missing";
/// An id of no topic.
pub const MISSING_ID: Uuid = Uuid([7; 16]);
/// A group that has committed offsets and no members.
pub const GROUP: &str = "known";

impl World {
    /// Makes the topics, the records and the group.
    pub async fn make(node: &TestNode) -> Self {
        let topic_id = node.create_topic(TOPIC, 2, &[]).await;
        node.create_group_coordinators().await;
        for round in 0..3 {
            let answer = node
                .produce(TOPIC, 0, batch(1_000 * (round + 1), &["a", "b", "c"]))
                .await;
            assert_eq!(answer.error_code, 0);
        }
        let world = Self { topic_id };
        let commit = groups::commit(&world, 9, "sensible");
        let answer = node.connect().await.call(9, &commit).await;
        assert_eq!(answer.topics[0].partitions[0].error_code, 0, "{answer:?}");
        world
    }
}

/// A request on its way to the node.
#[derive(Clone)]
pub struct Sample {
    /// Its API.
    pub key: ApiKey,
    /// Its version.
    pub version: i16,
    /// What is special about it.
    pub label: &'static str,
    /// Its bytes, length included.
    pub frame: Vec<u8>,
    /// Reads its answer to the end.
    pub decode: fn(Bytes, i16) -> Result<String, String>,
}

impl std::fmt::Display for Sample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} v{} ({})", self.key.name(), self.version, self.label)
    }
}

/// Builds the list.
#[derive(Default)]
pub struct Samples {
    list: Vec<Sample>,
}

fn decode<R: Request>(frame: Bytes, version: i16) -> Result<String, String> {
    let (_, response) = decode_response::<R>(frame, version).map_err(|error| error.to_string())?;
    Ok(format!("{response:?}"))
}

/// The three kinds of requests most APIs have.
pub const LABELS: [&str; 3] = ["sensible", "empty", "wrong"];

impl Samples {
    /// Adds a request of each kind in each version; "empty" is the default request.
    fn add<R: Request>(&mut self, make: impl Fn(i16, &'static str) -> R) {
        let versions = versions_of(R::KEY).expect("it is served");
        for version in versions {
            for label in LABELS {
                let request = if label == "empty" {
                    R::default()
                } else {
                    make(version, label)
                };
                self.push(version, label, &request);
            }
        }
    }

    /// Adds one request.
    fn push<R: Request>(&mut self, version: i16, label: &'static str, request: &R) {
        let frame = frame_of(1, version, request);
        self.list.push(Sample {
            key: R::KEY,
            version,
            label,
            frame,
            decode: decode::<R>,
        });
    }
}

/// Every sample.
pub fn all(world: &World) -> Vec<Sample> {
    let mut samples = Samples::default();
    data::add(&mut samples, world);
    groups::add(&mut samples, world);
    admin::add(&mut samples, world);
    samples.add(|version, label| m::ApiVersionsRequest {
        client_software_name: if version >= 3 { "odeon-tests" } else { "" }.to_owned(),
        client_software_version: match (version >= 3, label) {
            (false, _) => String::new(),
            (true, "wrong") => "not/a version".to_owned(),
            _ => "1.0".to_owned(),
        },
        ..Default::default()
    });
    samples.list
}

/// A topic's name or id, whichever the version has room for.
fn name_and_id(world: &World, by_id: bool, label: &str) -> (String, Uuid) {
    match (by_id, label == "wrong") {
        (false, false) => (TOPIC.to_owned(), Uuid::ZERO),
        (false, true) => (MISSING.to_owned(), Uuid::ZERO),
        (true, false) => (String::new(), world.topic_id),
        (true, true) => (String::new(), MISSING_ID),
    }
}

/// [`TOPIC`] or [`MISSING`].
fn name(label: &str) -> String {
    if label == "wrong" { MISSING } else { TOPIC }.to_owned()
}

/// A join of a new member.
pub fn join(version: i16, group: &str) -> m::JoinGroupRequest {
    groups::join(version, group, "")
}

/// What moves a replica of a topic's first partition to another directory.
pub fn move_to(path: &str, topic: &str) -> m::AlterReplicaLogDirsRequest {
    admin::move_to(path, topic)
}

/// What moves a topic's first partition to where it is.
pub fn reassign(topic: &str) -> m::AlterPartitionReassignmentsRequest {
    admin::reassign(topic)
}

/// What asks for the metadata quorum.
pub fn quorum() -> m::DescribeQuorumRequest {
    admin::describe_quorum("")
}

/// A client that says who it is.
pub fn api_versions() -> m::ApiVersionsRequest {
    m::ApiVersionsRequest {
        client_software_name: "odeon-tests".to_owned(),
        client_software_version: "1.0".to_owned(),
        ..Default::default()
    }
}

pub use data::{fetch_sensible as fetch, list_one_offset as list_offsets, metadata_of as metadata};
pub use groups::{all_offsets, commit_sensible as commit, fetch_committed as offset_fetch};
pub use groups::{leave, sync};
