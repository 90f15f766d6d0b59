//! Who may do what: asked by every handler for each resource it touches.

use std::fmt::Debug;

/// What a request wants to do (the codes of Kafka's `AclOperation`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(i8)]
#[expect(missing_docs, reason = "Kafka's own names")]
pub enum Operation {
    Read = 3,
    Write = 4,
    Create = 5,
    Delete = 6,
    Alter = 7,
    Describe = 8,
    ClusterAction = 9,
    DescribeConfigs = 10,
    AlterConfigs = 11,
    IdempotentWrite = 12,
}

/// What kind of thing is touched (the codes of Kafka's `ResourceType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(i8)]
#[expect(missing_docs, reason = "Kafka's own names")]
pub enum ResourceKind {
    Topic = 2,
    Group = 3,
    Cluster = 4,
    TransactionalId = 5,
}

/// A thing that is touched. The cluster's name is always `kafka-cluster`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Resource<'a> {
    /// Its kind.
    pub kind: ResourceKind,
    /// Its name.
    pub name: &'a str,
}

impl<'a> Resource<'a> {
    /// The cluster.
    pub const CLUSTER: Resource<'static> = Resource {
        kind: ResourceKind::Cluster,
        name: "kafka-cluster",
    };

    /// A topic.
    pub fn topic(name: &'a str) -> Self {
        Self {
            kind: ResourceKind::Topic,
            name,
        }
    }

    /// A consumer group.
    pub fn group(name: &'a str) -> Self {
        Self {
            kind: ResourceKind::Group,
            name,
        }
    }

    /// A transactional id.
    pub fn transactional_id(name: &'a str) -> Self {
        Self {
            kind: ResourceKind::TransactionalId,
            name,
        }
    }
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requester<'a> {
    /// `User:NAME`, or `User:ANONYMOUS` on an unauthenticated listener.
    pub principal: &'a str,
    /// The client's address without its port.
    pub host: &'a str,
}

/// Decides whether a requester may do something. Called on every request, so it must not block.
pub trait Authorizer: Send + Sync + Debug + 'static {
    /// Whether `requester` may do `operation` to `resource`.
    fn allows(
        &self,
        requester: Requester<'_>,
        operation: Operation,
        resource: Resource<'_>,
    ) -> bool;
}

/// Everybody may do everything: the default until an authorizer is configured.
#[derive(Debug, Clone, Copy, Default)]
pub struct AllowAll;

impl Authorizer for AllowAll {
    fn allows(&self, _: Requester<'_>, _: Operation, _: Resource<'_>) -> bool {
        true
    }
}

/// The operations that apply to a kind of resource, for the authorised-operations bit field.
pub fn operations_of(kind: ResourceKind) -> &'static [Operation] {
    use Operation::*;
    match kind {
        ResourceKind::Topic => &[
            Read,
            Write,
            Create,
            Delete,
            Alter,
            Describe,
            DescribeConfigs,
            AlterConfigs,
        ],
        ResourceKind::Group => &[Read, Describe, Delete, DescribeConfigs, AlterConfigs],
        ResourceKind::Cluster => &[
            Create,
            Alter,
            Describe,
            ClusterAction,
            DescribeConfigs,
            AlterConfigs,
            IdempotentWrite,
        ],
        ResourceKind::TransactionalId => &[Write, Describe],
    }
}
