//! A client: real frames over streams in memory, to whichever node it likes.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use odeon_kernel::clock::timeout;
use odeon_model::NodeId;
use odeon_protocol::{Request, decode_response};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::TestCluster;
use super::history::digest;
use crate::raw::frame_of;

/// How long an answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(12);

/// No answer came: the node is off, went off, or is silent. What was asked may have been done, or
/// may yet be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost;

/// A client of a cluster, with a connection to each node that it talked to.
pub struct ClusterClient {
    cluster: TestCluster,
    name: String,
    connections: BTreeMap<NodeId, DuplexStream>,
    correlation_id: i32,
    epochs: BTreeMap<(String, i32), i32>,
    answer_limit: Duration,
}

impl fmt::Debug for ClusterClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterClient")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl ClusterClient {
    pub(super) fn new(cluster: TestCluster, name: &str) -> Self {
        Self {
            cluster,
            name: name.to_owned(),
            connections: BTreeMap::new(),
            correlation_id: 0,
            epochs: BTreeMap::new(),
            answer_limit: ANSWER_LIMIT,
        }
    }

    /// The cluster.
    pub fn cluster(&self) -> &TestCluster {
        &self.cluster
    }

    /// Sets how long an answer may take.
    #[must_use]
    pub fn answers_within(mut self, limit: Duration) -> Self {
        self.answer_limit = limit;
        self
    }

    /// Whether this leader epoch is older than one that was heard of.
    pub(super) fn is_older(&mut self, topic: &str, partition: i32, epoch: i32) -> bool {
        let known = self.epochs.entry((topic.to_owned(), partition));
        let known = known.or_insert(epoch);
        *known = epoch.max(*known);
        epoch < *known
    }

    /// Asks a node.
    ///
    /// # Errors
    /// [`Lost`], and the connection with it.
    ///
    /// # Panics
    /// The answer cannot be read.
    pub async fn call<R: Request>(
        &mut self,
        node: NodeId,
        version: i16,
        request: &R,
    ) -> Result<R::Response, Lost> {
        self.correlation_id += 1;
        let frame = frame_of(self.correlation_id, version, request);
        let (name, sum) = (&self.name, digest(&frame));
        let cluster = &self.cluster;
        cluster.note(|| format!("{name} asks {node} {} {sum:x}", R::NAME));
        let mut stream = match self.connections.remove(&node) {
            Some(stream) => stream,
            None => self.cluster.connect(node, &self.name).ok_or(Lost)?,
        };
        let answer = async {
            stream.write_all(&frame).await.ok()?;
            let length = stream.read_i32().await.ok()?;
            let mut bytes = BytesMut::zeroed(usize::try_from(length).expect("a length"));
            stream.read_exact(&mut bytes).await.ok()?;
            Some(bytes.freeze())
        };
        let clock = self.cluster.clock();
        let answer: Option<Bytes> = timeout(&*clock, self.answer_limit, answer)
            .await
            .unwrap_or(None);
        cluster.note(|| {
            let sum = answer.as_ref().map_or(0, |answer| digest(answer));
            format!("{name} hears {node} {} {sum:x}", R::NAME)
        });
        let answer = answer.ok_or(Lost)?;
        self.connections.insert(node, stream);
        match decode_response::<R>(answer, version) {
            Ok((_, response)) => Ok(response),
            Err(error) => panic!("{} v{version}: {error}", R::NAME),
        }
    }
}
