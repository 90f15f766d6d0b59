//! The error codes of the Kafka protocol, as of Kafka 4.4.
//!
//! Source: `org.apache.kafka.common.protocol.Errors`.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! error_codes {
    ($($(#[$attribute:meta])* $code:literal $variant:ident $name:literal $retriable:literal $message:literal;)*) => {
        /// What a response says about a request, a topic, a partition or a member.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
        #[repr(i16)]
        pub enum ErrorCode {
            $(
                #[doc = concat!("`", $name, "`: ", $message, ".")]
                $(#[$attribute])*
                $variant = $code,
            )*
        }

        impl ErrorCode {
            /// Every code, in rising order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The code for a number; a number that Kafka 4.4 does not know becomes
            /// [`ErrorCode::UnknownServerError`], as in Kafka's clients.
            pub const fn from_code(code: i16) -> Self {
                match code {
                    $($code => Self::$variant,)*
                    _ => Self::UnknownServerError,
                }
            }

            /// Kafka's name of the code, such as `OFFSET_OUT_OF_RANGE`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// Whether the same request may succeed later without a change.
            pub const fn is_retriable(self) -> bool {
                match self {
                    $(Self::$variant => $retriable,)*
                }
            }

            /// One sentence for people, in our words.
            pub const fn message(self) -> &'static str {
                match self {
                    $(Self::$variant => $message,)*
                }
            }
        }
    };
}

error_codes! {
    -1 UnknownServerError "UNKNOWN_SERVER_ERROR" false "an unexpected failure inside the server; its log says more";
    #[default]
    0 None "NONE" false "no error";
    1 OffsetOutOfRange "OFFSET_OUT_OF_RANGE" false "the offset lies outside the partition's log";
    2 CorruptMessage "CORRUPT_MESSAGE" true "a record batch is damaged: its checksum, length or key does not fit";
    3 UnknownTopicOrPartition "UNKNOWN_TOPIC_OR_PARTITION" true "this server knows no such topic or partition";
    4 InvalidFetchSize "INVALID_FETCH_SIZE" false "the fetch size is not valid";
    5 LeaderNotAvailable "LEADER_NOT_AVAILABLE" true "the partition has no leader just now: an election is under way";
    6 NotLeaderOrFollower "NOT_LEADER_OR_FOLLOWER" true "this broker is not the partition's leader, or not a replica of it";
    7 RequestTimedOut "REQUEST_TIMED_OUT" true "the request ran out of time";
    8 BrokerNotAvailable "BROKER_NOT_AVAILABLE" false "the broker is not available";
    9 ReplicaNotAvailable "REPLICA_NOT_AVAILABLE" true "the replica is not available here";
    10 MessageTooLarge "MESSAGE_TOO_LARGE" false "a record batch is larger than the broker accepts";
    11 StaleControllerEpoch "STALE_CONTROLLER_EPOCH" false "the controller has moved to another node";
    12 OffsetMetadataTooLarge "OFFSET_METADATA_TOO_LARGE" false "the metadata of a committed offset is too large";
    13 NetworkException "NETWORK_EXCEPTION" true "the connection ended before an answer came";
    14 CoordinatorLoadInProgress "COORDINATOR_LOAD_IN_PROGRESS" true "the coordinator is still loading its state";
    15 CoordinatorNotAvailable "COORDINATOR_NOT_AVAILABLE" true "no coordinator is available";
    16 NotCoordinator "NOT_COORDINATOR" true "this broker is not the coordinator asked for";
    17 InvalidTopicException "INVALID_TOPIC_EXCEPTION" false "the operation is not allowed on this topic, or its name is not valid";
    18 RecordListTooLarge "RECORD_LIST_TOO_LARGE" false "the record batch is larger than a log segment";
    19 NotEnoughReplicas "NOT_ENOUGH_REPLICAS" true "too few replicas are in sync; nothing was written";
    20 NotEnoughReplicasAfterAppend "NOT_ENOUGH_REPLICAS_AFTER_APPEND" true "the records were written, but to too few in-sync replicas";
    21 InvalidRequiredAcks "INVALID_REQUIRED_ACKS" false "the requested acks value is not -1, 0 or 1";
    22 IllegalGeneration "ILLEGAL_GENERATION" false "the generation is not the group's current one";
    23 InconsistentGroupProtocol "INCONSISTENT_GROUP_PROTOCOL" false "the member's protocols do not agree with the group's, or are missing";
    24 InvalidGroupId "INVALID_GROUP_ID" false "the group id is not valid";
    25 UnknownMemberId "UNKNOWN_MEMBER_ID" false "the coordinator knows no such member";
    26 InvalidSessionTimeout "INVALID_SESSION_TIMEOUT" false "the session timeout lies outside the broker's bounds (group.min.session.timeout.ms to group.max.session.timeout.ms)";
    27 RebalanceInProgress "REBALANCE_IN_PROGRESS" false "the group is rebalancing; the member must rejoin";
    28 InvalidCommitOffsetSize "INVALID_COMMIT_OFFSET_SIZE" false "the offset commit is too large";
    29 TopicAuthorizationFailed "TOPIC_AUTHORIZATION_FAILED" false "not authorized for the topic";
    30 GroupAuthorizationFailed "GROUP_AUTHORIZATION_FAILED" false "not authorized for the group";
    31 ClusterAuthorizationFailed "CLUSTER_AUTHORIZATION_FAILED" false "not authorized for the cluster";
    32 InvalidTimestamp "INVALID_TIMESTAMP" false "a record's timestamp lies outside the accepted range";
    33 UnsupportedSaslMechanism "UNSUPPORTED_SASL_MECHANISM" false "the SASL mechanism is not supported here";
    34 IllegalSaslState "ILLEGAL_SASL_STATE" false "the request does not fit the state of the SASL exchange";
    35 UnsupportedVersion "UNSUPPORTED_VERSION" false "this version of the API is not supported";
    36 TopicAlreadyExists "TOPIC_ALREADY_EXISTS" false "a topic of that name exists already";
    37 InvalidPartitions "INVALID_PARTITIONS" false "the number of partitions is not valid";
    38 InvalidReplicationFactor "INVALID_REPLICATION_FACTOR" false "the replication factor is below 1 or above the number of available brokers";
    39 InvalidReplicaAssignment "INVALID_REPLICA_ASSIGNMENT" false "the replica assignment is not valid";
    40 InvalidConfig "INVALID_CONFIG" false "the configuration is not valid";
    41 NotController "NOT_CONTROLLER" true "this node is not the active controller";
    42 InvalidRequest "INVALID_REQUEST" false "the request is malformed, or its fields contradict each other";
    43 UnsupportedForMessageFormat "UNSUPPORTED_FOR_MESSAGE_FORMAT" false "the message format of the partition does not support the request";
    44 PolicyViolation "POLICY_VIOLATION" false "the request breaks a policy of this cluster";
    45 OutOfOrderSequenceNumber "OUT_OF_ORDER_SEQUENCE_NUMBER" false "the producer's sequence number is out of order";
    46 DuplicateSequenceNumber "DUPLICATE_SEQUENCE_NUMBER" false "the producer's sequence number was seen before";
    47 InvalidProducerEpoch "INVALID_PRODUCER_EPOCH" false "the producer's epoch is not its current one";
    48 InvalidTxnState "INVALID_TXN_STATE" false "the transaction's state does not allow the operation";
    49 InvalidProducerIdMapping "INVALID_PRODUCER_ID_MAPPING" false "the producer id does not belong to this transactional id";
    50 InvalidTransactionTimeout "INVALID_TRANSACTION_TIMEOUT" false "the transaction timeout is larger than the broker allows (transaction.max.timeout.ms)";
    51 ConcurrentTransactions "CONCURRENT_TRANSACTIONS" true "another operation on the same transaction is still under way";
    52 TransactionCoordinatorFenced "TRANSACTION_COORDINATOR_FENCED" false "the sender of the transaction markers is no longer the producer's coordinator";
    53 TransactionalIdAuthorizationFailed "TRANSACTIONAL_ID_AUTHORIZATION_FAILED" false "not authorized for the transactional id";
    54 SecurityDisabled "SECURITY_DISABLED" false "security features are switched off";
    55 OperationNotAttempted "OPERATION_NOT_ATTEMPTED" false "the operation was not attempted because another one of the same request failed";
    56 KafkaStorageError "KAFKA_STORAGE_ERROR" true "the disk failed while a log was read or written";
    57 LogDirNotFound "LOG_DIR_NOT_FOUND" false "the broker has no such log directory";
    58 SaslAuthenticationFailed "SASL_AUTHENTICATION_FAILED" false "SASL authentication failed";
    59 UnknownProducerId "UNKNOWN_PRODUCER_ID" false "the broker has no state of this producer id; it may have expired";
    60 ReassignmentInProgress "REASSIGNMENT_IN_PROGRESS" false "a reassignment of the partition is in progress";
    61 DelegationTokenAuthDisabled "DELEGATION_TOKEN_AUTH_DISABLED" false "delegation tokens are switched off";
    62 DelegationTokenNotFound "DELEGATION_TOKEN_NOT_FOUND" false "the server knows no such delegation token";
    63 DelegationTokenOwnerMismatch "DELEGATION_TOKEN_OWNER_MISMATCH" false "the principal is neither owner nor renewer of the delegation token";
    64 DelegationTokenRequestNotAllowed "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED" false "delegation token requests are not allowed over this connection";
    65 DelegationTokenAuthorizationFailed "DELEGATION_TOKEN_AUTHORIZATION_FAILED" false "not authorized for the delegation token";
    66 DelegationTokenExpired "DELEGATION_TOKEN_EXPIRED" false "the delegation token has expired";
    67 InvalidPrincipalType "INVALID_PRINCIPAL_TYPE" false "the principal's type is not supported";
    68 NonEmptyGroup "NON_EMPTY_GROUP" false "the group still has members";
    69 GroupIdNotFound "GROUP_ID_NOT_FOUND" false "no group of that id exists";
    70 FetchSessionIdNotFound "FETCH_SESSION_ID_NOT_FOUND" true "the broker knows no such fetch session";
    71 InvalidFetchSessionEpoch "INVALID_FETCH_SESSION_EPOCH" true "the fetch session's epoch is not the expected one";
    72 ListenerNotFound "LISTENER_NOT_FOUND" true "the leader has no listener of the name the request came in through";
    73 TopicDeletionDisabled "TOPIC_DELETION_DISABLED" false "topic deletion is switched off";
    74 FencedLeaderEpoch "FENCED_LEADER_EPOCH" true "the request's leader epoch is older than the broker's";
    75 UnknownLeaderEpoch "UNKNOWN_LEADER_EPOCH" true "the request's leader epoch is newer than the broker's";
    76 UnsupportedCompressionType "UNSUPPORTED_COMPRESSION_TYPE" false "the client does not support the partition's compression type";
    77 StaleBrokerEpoch "STALE_BROKER_EPOCH" false "the broker's epoch has changed";
    78 OffsetNotAvailable "OFFSET_NOT_AVAILABLE" true "the new leader cannot answer yet: its high watermark is still catching up";
    79 MemberIdRequired "MEMBER_ID_REQUIRED" false "the member must join again with the member id it was given";
    80 PreferredLeaderNotAvailable "PREFERRED_LEADER_NOT_AVAILABLE" true "the preferred leader is not available";
    81 GroupMaxSizeReached "GROUP_MAX_SIZE_REACHED" false "the group holds as many members as it may";
    82 FencedInstanceId "FENCED_INSTANCE_ID" false "another member has taken over this group instance id";
    83 EligibleLeadersNotAvailable "ELIGIBLE_LEADERS_NOT_AVAILABLE" true "no eligible leader is available for the partition";
    84 ElectionNotNeeded "ELECTION_NOT_NEEDED" true "the partition needs no election";
    85 NoReassignmentInProgress "NO_REASSIGNMENT_IN_PROGRESS" false "no reassignment of the partition is in progress";
    86 GroupSubscribedToTopic "GROUP_SUBSCRIBED_TO_TOPIC" false "the group is subscribed to the topic, so its offsets cannot be deleted";
    87 InvalidRecord "INVALID_RECORD" false "the broker refused a record as not valid";
    88 UnstableOffsetCommit "UNSTABLE_OFFSET_COMMIT" true "the offset belongs to a transaction that is not finished yet";
    89 ThrottlingQuotaExceeded "THROTTLING_QUOTA_EXCEEDED" true "a quota is used up; try again later";
    90 ProducerFenced "PRODUCER_FENCED" false "a newer producer with the same transactional id has taken over";
    91 ResourceNotFound "RESOURCE_NOT_FOUND" false "the request names a resource that does not exist";
    92 DuplicateResource "DUPLICATE_RESOURCE" false "the request names the same resource twice";
    93 UnacceptableCredential "UNACCEPTABLE_CREDENTIAL" false "the credential does not meet the requirements";
    94 InconsistentVoterSet "INCONSISTENT_VOTER_SET" false "sender or receiver is not among the expected voters";
    95 InvalidUpdateVersion "INVALID_UPDATE_VERSION" false "the update's version is not valid";
    96 FeatureUpdateFailed "FEATURE_UPDATE_FAILED" false "the feature update failed inside the server";
    97 PrincipalDeserializationFailure "PRINCIPAL_DESERIALIZATION_FAILURE" false "the forwarded principal could not be read";
    98 SnapshotNotFound "SNAPSHOT_NOT_FOUND" false "no such snapshot exists";
    99 PositionOutOfRange "POSITION_OUT_OF_RANGE" false "the position lies outside the snapshot";
    100 UnknownTopicId "UNKNOWN_TOPIC_ID" true "this server knows no topic of that id";
    101 DuplicateBrokerRegistration "DUPLICATE_BROKER_REGISTRATION" false "the broker id is in use by another broker";
    102 BrokerIdNotRegistered "BROKER_ID_NOT_REGISTERED" false "no broker of that id is registered";
    103 InconsistentTopicId "INCONSISTENT_TOPIC_ID" true "the topic id does not match the one in the log";
    104 InconsistentClusterId "INCONSISTENT_CLUSTER_ID" false "the cluster id is not this cluster's";
    105 TransactionalIdNotFound "TRANSACTIONAL_ID_NOT_FOUND" false "no such transactional id exists";
    106 FetchSessionTopicIdError "FETCH_SESSION_TOPIC_ID_ERROR" true "the fetch session mixes topic ids and topic names";
    107 IneligibleReplica "INELIGIBLE_REPLICA" false "a replica of the proposed in-sync set is not eligible";
    108 NewLeaderElected "NEW_LEADER_ELECTED" false "the partition changed as asked, and its leader moved with it";
    109 OffsetMovedToTieredStorage "OFFSET_MOVED_TO_TIERED_STORAGE" false "the offset now lives in tiered storage";
    110 FencedMemberEpoch "FENCED_MEMBER_EPOCH" false "the coordinator has fenced this member's epoch; the member must give up its partitions and rejoin";
    111 UnreleasedInstanceId "UNRELEASED_INSTANCE_ID" false "another member of the group still holds this instance id";
    112 UnsupportedAssignor "UNSUPPORTED_ASSIGNOR" false "the group does not support this assignor, or not in this version";
    113 StaleMemberEpoch "STALE_MEMBER_EPOCH" false "the member's epoch is out of date; retry after the next heartbeat";
    114 MismatchedEndpointType "MISMATCHED_ENDPOINT_TYPE" false "the request reached an endpoint of the wrong kind";
    115 UnsupportedEndpointType "UNSUPPORTED_ENDPOINT_TYPE" false "this kind of endpoint is not supported";
    116 UnknownControllerId "UNKNOWN_CONTROLLER_ID" false "no controller of that id is known";
    117 UnknownSubscriptionId "UNKNOWN_SUBSCRIPTION_ID" false "the telemetry subscription is unknown or out of date";
    118 TelemetryTooLarge "TELEMETRY_TOO_LARGE" false "the telemetry push is larger than the broker accepts";
    119 InvalidRegistration "INVALID_REGISTRATION" false "the controller refused the broker's registration";
    120 TransactionAbortable "TRANSACTION_ABORTABLE" false "the transaction met an error; abort it to go on with this transactional id";
    121 InvalidRecordState "INVALID_RECORD_STATE" false "the record's state does not allow this acknowledgement";
    122 ShareSessionNotFound "SHARE_SESSION_NOT_FOUND" true "the broker knows no such share session";
    123 InvalidShareSessionEpoch "INVALID_SHARE_SESSION_EPOCH" true "the share session's epoch is not the expected one";
    124 FencedStateEpoch "FENCED_STATE_EPOCH" false "the state epoch does not match the coordinator's";
    125 InvalidVoterKey "INVALID_VOTER_KEY" false "the voter key is not the receiving replica's";
    126 DuplicateVoter "DUPLICATE_VOTER" false "the voter is in the voter set already";
    127 VoterNotFound "VOTER_NOT_FOUND" false "the voter is not in the voter set";
    128 InvalidRegularExpression "INVALID_REGULAR_EXPRESSION" false "the regular expression is not valid";
    129 RebootstrapRequired "REBOOTSTRAP_REQUIRED" false "the client's metadata is too old; it must bootstrap again";
    130 StreamsInvalidTopology "STREAMS_INVALID_TOPOLOGY" false "the topology is not valid";
    131 StreamsInvalidTopologyEpoch "STREAMS_INVALID_TOPOLOGY_EPOCH" false "the topology's epoch is not valid";
    132 StreamsTopologyFenced "STREAMS_TOPOLOGY_FENCED" false "the topology's epoch is out of date";
    133 ShareSessionLimitReached "SHARE_SESSION_LIMIT_REACHED" true "the broker holds as many share sessions as it may";
    134 GroupDeletionFailed "GROUP_DELETION_FAILED" false "a group could not be deleted; its own error message says why";
    135 StreamsTopologyDescriptionUpdateFailed "STREAMS_TOPOLOGY_DESCRIPTION_UPDATE_FAILED" false "the topology description could not be updated; the error message says why";
    136 ControllerIdNotRegistered "CONTROLLER_ID_NOT_REGISTERED" false "no controller of that id is registered";
}

impl ErrorCode {
    /// The number on the wire.
    pub const fn code(self) -> i16 {
        self as i16
    }

    /// Whether this is [`ErrorCode::None`].
    pub const fn is_none(self) -> bool {
        matches!(self, Self::None)
    }

    /// Whether this is an error, that is, not [`ErrorCode::None`].
    pub const fn is_error(self) -> bool {
        !self.is_none()
    }
}

impl From<ErrorCode> for i16 {
    fn from(code: ErrorCode) -> Self {
        code.code()
    }
}

impl From<i16> for ErrorCode {
    fn from(code: i16) -> Self {
        Self::from_code(code)
    }
}

/// Its number.
impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i16(self.code())
    }
}

impl<'de> Deserialize<'de> for ErrorCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        i16::deserialize(deserializer).map(Self::from_code)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name(), self.message())
    }
}

impl std::error::Error for ErrorCode {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back() {
        for code in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_code(code.code()), *code);
            assert!(!code.message().is_empty());
        }
        assert_eq!(ErrorCode::ALL.len(), 138);
    }

    #[test]
    fn an_unknown_code_is_an_unknown_server_error() {
        assert_eq!(ErrorCode::from_code(-2), ErrorCode::UnknownServerError);
        assert_eq!(
            ErrorCode::from_code(i16::MAX),
            ErrorCode::UnknownServerError
        );
    }

    #[test]
    fn the_names_are_kafkas() {
        assert_eq!(ErrorCode::from_code(6).name(), "NOT_LEADER_OR_FOLLOWER");
        assert_eq!(ErrorCode::from_code(17).name(), "INVALID_TOPIC_EXCEPTION");
        assert!(ErrorCode::NotLeaderOrFollower.is_retriable());
        assert!(!ErrorCode::OffsetOutOfRange.is_retriable());
    }
}
