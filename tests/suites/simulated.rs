//! Simulated clusters, and a node whose instructions are counted. Apart from the other suites, so that
//! it is built quickly with optimizations.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by a panic"
)]
#![allow(
    unreachable_pub,
    reason = "nothing is reached from outside a test binary"
)]

mod clustersim;
mod counted;
