//! Suites against a whole node.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by a panic"
)]
#![allow(
    unreachable_pub,
    reason = "nothing is reached from outside a test binary"
)]

mod adopt;
mod cli;
mod cluster;
mod crash;
mod failover;
mod gateway;
mod processes;
mod sim;
