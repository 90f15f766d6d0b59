//! What the hooks need of every response: its throttle time and its top-level error.

use odeon_protocol::messages as m;
use odeon_schema::Message;

/// The bytes of a message at most. A string of the protocol holds 32,767.
const MESSAGE_BYTES: usize = 1_024;

/// A message for people, cut off where it repeats too much of what the client sent.
pub fn brief(mut message: String) -> String {
    if message.len() > MESSAGE_BYTES {
        message.truncate(message.floor_char_boundary(MESSAGE_BYTES));
        message.push_str("...");
    }
    message
}

/// A response as the hooks see it.
pub trait Response: Message {
    /// Tells the client how long it must wait. A response without that field says nothing; its
    /// connection is muted all the same.
    fn set_throttle_time_ms(&mut self, throttle_time_ms: i32);

    /// The top-level error code, `None` when errors are told per item only.
    fn top_level_error_code(&self) -> Option<i16>;
}

macro_rules! responses {
    ($($name:ident: $($field:ident)*;)*) => {$(
        impl Response for m::$name {
            fn set_throttle_time_ms(&mut self, throttle_time_ms: i32) {
                let _ = throttle_time_ms;
                $(responses!(set $field self throttle_time_ms);)*
            }

            fn top_level_error_code(&self) -> Option<i16> {
                #[allow(unused_mut, unused_assignments, reason = "not every response has the field")]
                let mut code = None;
                $(responses!(get $field self code);)*
                code
            }
        }
    )*};
    (set throttle $self:ident $value:ident) => { $self.throttle_time_ms = $value; };
    (set error $self:ident $value:ident) => {};
    (get throttle $self:ident $code:ident) => {};
    (get error $self:ident $code:ident) => { $code = Some($self.error_code); };
}

responses! {
    ApiVersionsResponse: throttle error;
    MetadataResponse: throttle error;
    ProduceResponse: throttle;
    FetchResponse: throttle error;
    ListOffsetsResponse: throttle;
    OffsetForLeaderEpochResponse: throttle;
    CreateTopicsResponse: throttle;
    DeleteTopicsResponse: throttle;
    CreatePartitionsResponse: throttle;
    DeleteRecordsResponse: throttle;
    DescribeConfigsResponse: throttle;
    IncrementalAlterConfigsResponse: throttle;
    AlterConfigsResponse: throttle;
    DescribeClusterResponse: throttle error;
    DescribeTopicPartitionsResponse: throttle;
    AlterReplicaLogDirsResponse: throttle;
    DescribeLogDirsResponse: throttle error;
    DescribeProducersResponse: throttle;
    DescribeQuorumResponse: error;
    ElectLeadersResponse: throttle error;
    AlterPartitionReassignmentsResponse: throttle error;
    ListPartitionReassignmentsResponse: throttle error;
    UnregisterBrokerResponse: throttle error;
    AddRaftVoterResponse: throttle error;
    RemoveRaftVoterResponse: throttle error;
    InitProducerIdResponse: throttle error;
    FindCoordinatorResponse: throttle error;
    JoinGroupResponse: throttle error;
    SyncGroupResponse: throttle error;
    HeartbeatResponse: throttle error;
    LeaveGroupResponse: throttle error;
    OffsetCommitResponse: throttle;
    OffsetFetchResponse: throttle error;
    OffsetDeleteResponse: throttle error;
    DescribeGroupsResponse: throttle;
    ListGroupsResponse: throttle error;
    DeleteGroupsResponse: throttle;
}
