//! Suites against a whole node.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by a panic")]

mod cli;
mod crash;
mod gateway;
