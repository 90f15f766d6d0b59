//! Messages beside the log: who is there, and what only a leader can answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::wire::{Answer, Inquiry, Message, Reply, Standing, decode, encode};
use super::{CallFuture, Handler, Peers};

/// How a node stands; `None` when it does not say.
pub(crate) async fn ask(peers: &dyn Peers, node: i32, deadline: Duration) -> Option<Standing> {
    let request = encode(&Message::Hello).ok()?;
    let reply = peers.call(node, request, deadline).await.ok()?;
    match decode(&reply) {
        Ok(Reply::Standing(standing)) => Some(standing),
        _ => None,
    }
}

/// What a node says to a question for the leader; `None` when it says nothing.
pub(crate) async fn inquire(
    peers: &dyn Peers,
    node: i32,
    inquiry: Inquiry,
    deadline: Duration,
) -> Option<Answer> {
    let request = encode(&Message::Ask(inquiry)).ok()?;
    let reply = peers.call(node, request, deadline).await.ok()?;
    match decode(&reply) {
        Ok(Reply::Answer(answer)) => Some(answer),
        _ => None,
    }
}

/// Answers for a node that has no replica yet.
pub(crate) fn answer_with(standing: Standing) -> Handler {
    Arc::new(move |request: Bytes| -> CallFuture<Bytes> {
        let reply = match decode(&request) {
            Ok(Message::Hello) => Reply::Standing(standing.clone()),
            Ok(Message::Replica(_) | Message::Ask(_)) => {
                Reply::Refused("this node has not started yet".into())
            }
            Err(why) => Reply::Refused(why),
        };
        // Nothing in a reply can fail to encode; an empty one is refused by the sender.
        Box::pin(std::future::ready(encode(&reply).unwrap_or_default()))
    })
}
