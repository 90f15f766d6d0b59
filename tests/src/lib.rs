//! What the suites share: a node in this process, and a connection that sends any request.

// A harness may panic: that is how a test fails.
#![allow(clippy::unwrap_used, clippy::expect_used)]

pub mod cluster;
pub mod node;
pub mod process;
pub mod raw;
pub mod records;
pub mod requests;

pub use cluster::{ClusterBuilder, ClusterClient, TestCluster};
pub use node::{NodeBuilder, TestNode};
pub use raw::{RawConnection, frame_of};
