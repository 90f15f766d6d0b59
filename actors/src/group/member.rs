//! A member of a classic group.

use bytes::Bytes;
use odeon_schema::group::MemberMetadata;

use super::message::{JoinRequest, JoinedMember};
use super::timers::Deadline;
use super::turn::Token;

/// A member of a classic group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) instance_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) session_timeout_ms: i32,
    pub(crate) rebalance_timeout_ms: i32,
    /// The strategies the member knows, best first; each name once.
    pub(crate) protocols: Vec<(String, Bytes)>,
    pub(crate) assignment: Bytes,
    /// The parked JoinGroup.
    pub(crate) joining: Option<Token>,
    /// The parked SyncGroup.
    pub(crate) syncing: Option<Token>,
    /// The member has not been in any generation yet.
    pub(crate) is_new: bool,
    pub(crate) session: Deadline,
}

impl Member {
    /// A member that joins. `request` has passed [`tidy`].
    pub(crate) fn joining(request: JoinRequest) -> Self {
        Self {
            instance_id: request.instance_id,
            client_id: request.client_id,
            client_host: request.client_host,
            session_timeout_ms: request.session_timeout_ms,
            rebalance_timeout_ms: request.rebalance_timeout_ms,
            protocols: request.protocols,
            assignment: Bytes::new(),
            joining: None,
            syncing: None,
            is_new: true,
            session: Deadline::default(),
        }
    }

    /// A member as the log has it; of its strategies only the chosen one is known.
    pub(crate) fn load(value: MemberMetadata, protocol: Option<&str>) -> Self {
        Self {
            instance_id: value.group_instance_id,
            client_id: value.client_id,
            client_host: value.client_host,
            session_timeout_ms: value.session_timeout,
            rebalance_timeout_ms: match value.rebalance_timeout {
                -1 => value.session_timeout,
                timeout_ms => timeout_ms,
            },
            protocols: vec![(
                protocol.unwrap_or_default().to_owned(),
                Bytes::copy_from_slice(&value.subscription),
            )],
            assignment: Bytes::copy_from_slice(&value.assignment),
            joining: None,
            syncing: None,
            is_new: false,
            session: Deadline::default(),
        }
    }

    /// What the member said under `protocol`.
    pub(crate) fn metadata(&self, protocol: Option<&str>) -> Bytes {
        self.protocols
            .iter()
            .find(|(name, _)| Some(name.as_str()) == protocol)
            .map(|(_, metadata)| metadata.clone())
            .unwrap_or_default()
    }

    /// The member as its leader sees it.
    pub(crate) fn joined(&self, member_id: &str, protocol: Option<&str>) -> JoinedMember {
        JoinedMember {
            member_id: member_id.to_owned(),
            instance_id: self.instance_id.clone(),
            metadata: self.metadata(protocol),
        }
    }

    /// The member as the log gets it.
    pub(crate) fn value(&self, member_id: &str, protocol: Option<&str>) -> MemberMetadata {
        MemberMetadata {
            member_id: member_id.to_owned(),
            group_instance_id: self.instance_id.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            rebalance_timeout: self.rebalance_timeout_ms,
            session_timeout: self.session_timeout_ms,
            subscription: self.metadata(protocol),
            assignment: self.assignment.clone(),
            ..MemberMetadata::default()
        }
    }
}

/// The longest name (client id, instance id) that is kept, in bytes. Kafka's clients allow 249.
const NAME_MAX_BYTES: usize = 1_024;

/// Makes a request fit to be kept: each strategy once, its metadata cut loose from the request's
/// frame, the client id no longer than a name may be. False if something that cannot be cut is
/// too long.
pub(crate) fn tidy(request: &mut JoinRequest) -> bool {
    let mut seen = std::collections::HashSet::new();
    request
        .protocols
        .retain(|(name, _)| seen.insert(name.clone()));
    for (_, metadata) in &mut request.protocols {
        *metadata = Bytes::copy_from_slice(metadata);
    }
    let cut = request.client_id.floor_char_boundary(NAME_MAX_BYTES);
    request.client_id.truncate(cut);
    request.rebalance_timeout_ms = request.rebalance_timeout_ms.max(0);
    let names = request.protocols.iter().map(|(name, _)| name.len());
    names
        .chain(request.instance_id.as_ref().map(String::len))
        .chain([request.protocol_type.len(), request.client_host.len()])
        .all(|bytes| bytes <= NAME_MAX_BYTES)
}
