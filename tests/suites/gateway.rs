//! The Kafka edge, over real sockets.
//!
//! | module | what |
//! |---|---|
//! | [`samples`] | requests of every API in every version |
//! | [`versions`] | each of them is answered in its version, with the right content |
//! | [`authorization`] | who is asked what, and what a refusal looks like |
//! | [`connections`] | framing, order, limits, closing |
//! | [`hostile`] | ten thousand frames that want to do harm |
//! | [`epochs`] | clients that know an old leader epoch or an old topic |
//! | [`topics`], [`groups`] | the answers of Apache Kafka 4.4 to odd requests, line by line |
//! | [`fetch`], [`produce`] | what consumers and producers rely on |

mod authorization;
mod connections;
mod dynamic;
mod epochs;
mod fetch;
mod groups;
mod hostile;
mod produce;
mod samples;
mod topics;
mod versions;
