//! The Kafka edge: listeners, connections, framing and one handler a Kafka API.
//!
//! The gateway decides nothing: a handler decodes, asks the [`Authorizer`], asks an actor or reads a
//! published view, and encodes. What a topic, a group or a partition may do is decided in
//! `odeon-actors`.
//!
//! | module | what |
//! |---|---|
//! | [`listener`] | accepts, limits, starts connections |
//! | [`door`] | gives connections that are not for Kafka away |
//! | [`connection`] | one client: read, order, answer |
//! | [`frame`] | length-prefixed frames under a byte budget |
//! | [`dispatch`] | from an API key and version to a handler |
//! | [`context`] | what a handler knows about its request |
//! | [`authorizer`] | who may do what |
//! | [`hooks`] | the one throttle hook and the one metrics hook |
//! | [`response`] | what the hooks need of a response |
//! | [`handlers`] | one file a Kafka API |
//! | [`session`] | incremental fetch sessions (KIP-227) |
//! | [`turnaround`] | how much an answer is worth on a client's link |

pub mod authorizer;
pub mod connection;
pub mod context;
pub mod dispatch;
pub mod door;
pub mod frame;
pub mod handlers;
pub mod hooks;
pub mod listener;
pub mod pace;
pub mod response;
pub mod session;
pub mod turnaround;

pub use authorizer::{AllowAll, Authorizer, Operation, Resource, ResourceKind};
pub use context::{GatewayState, RequestContext};
pub use door::Takeover;
pub use listener::{Listener, ListenerConfig, Listening};
