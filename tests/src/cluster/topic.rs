//! A topic for tests of five lines: every call finds the leader and tries until it succeeds.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use odeon_model::{ErrorCode, NodeId};

use super::ops::{Tried, Trouble};
use super::{ClusterClient, PATIENCE, TestCluster};
use crate::records::batch_of;

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(10);

/// A topic of a cluster.
#[derive(Debug)]
pub struct TestTopic {
    cluster: TestCluster,
    name: String,
    producer: tokio::sync::Mutex<Producer>,
}

/// An idempotent producer: its id and epoch, and the next sequence of each partition.
#[derive(Debug, Default)]
struct Producer {
    id: Option<(i64, i16)>,
    next: BTreeMap<i32, i32>,
}

impl TestTopic {
    pub(super) async fn create(
        cluster: &TestCluster,
        name: &str,
        partitions: i32,
        copies: i16,
        configs: &[(&str, &str)],
    ) -> Self {
        let topic = Self {
            cluster: cluster.clone(),
            name: name.to_owned(),
            producer: tokio::sync::Mutex::default(),
        };
        let mut client = cluster.client("creator");
        let mut tries = Tries::new(cluster, name);
        loop {
            let via = tries.next().await;
            let created = client
                .create_topic(via, name, partitions, copies, configs)
                .await;
            match created {
                Ok(_) | Err(Trouble::Code(ErrorCode::TopicAlreadyExists)) => break,
                Err(trouble) => tries.trouble = Some(trouble),
            }
        }
        for partition in 0..partitions {
            topic.end(partition).await;
        }
        topic
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The node that leads a partition now.
    ///
    /// # Panics
    /// None does, for too long.
    pub async fn leader(&self, partition: i32) -> NodeId {
        let mut tries = Tries::new(&self.cluster, &self.name);
        loop {
            tries.next().await;
            let leader = self.cluster.leader_of(&self.name, partition);
            if let Some((leader, _)) = leader.filter(|(leader, _)| *leader >= 0) {
                return leader;
            }
        }
    }

    /// Produces a value with acks=all as an idempotent producer, trying until it is acknowledged; its
    /// offset.
    ///
    /// # Panics
    /// It takes too long.
    pub async fn produce(&self, partition: i32, value: &str) -> i64 {
        let mut producer = self.producer.lock().await;
        let id = match producer.id {
            Some(id) => id,
            None => *producer.id.insert(self.init_producer().await),
        };
        let sequence = producer.next.entry(partition).or_default();
        let batch = batch_of((id.0, id.1, *sequence), &[value]);
        *sequence += 1;
        self.produce_batch(partition, batch).await
    }

    async fn init_producer(&self) -> (i64, i16) {
        let mut client = self.cluster.client("tester");
        let mut tries = Tries::new(&self.cluster, &self.name);
        loop {
            let via = tries.next().await;
            match client.init_producer(via).await {
                Ok(id) => return id,
                Err(trouble) => tries.trouble = Some(trouble),
            }
        }
    }

    async fn produce_batch(&self, partition: i32, batch: Bytes) -> i64 {
        let mut asking = Asking::new(self, partition);
        loop {
            let leader = asking.leader().await;
            let client = &mut asking.client;
            let answer = client
                .produce(leader, &self.name, partition, batch.clone())
                .await;
            if let Some(offset) = asking.take(answer) {
                return offset;
            }
        }
    }

    /// The values from an offset to the end of now.
    ///
    /// # Panics
    /// It takes too long.
    pub async fn fetch(&self, partition: i32, from: i64) -> Vec<String> {
        let end = self.end(partition).await;
        let (mut next, mut values) = (from, Vec::new());
        let mut asking = Asking::new(self, partition);
        while next < end {
            let leader = asking.leader().await;
            let client = &mut asking.client;
            let answer = client.fetch(leader, &self.name, partition, next, 100).await;
            for (offset, value) in asking.take(answer).unwrap_or_default().0 {
                next = offset + 1;
                values.push(value);
            }
        }
        values
    }

    /// The offset behind the last record that consumers see.
    ///
    /// # Panics
    /// It takes too long.
    pub async fn end(&self, partition: i32) -> i64 {
        let mut asking = Asking::new(self, partition);
        loop {
            let leader = asking.leader().await;
            let answer = asking
                .client
                .offset(leader, &self.name, partition, -1)
                .await;
            if let Some(end) = asking.take(answer) {
                return end;
            }
        }
    }
}

/// A question to whoever leads a partition, asked until it is answered.
struct Asking<'a> {
    topic: &'a TestTopic,
    partition: i32,
    client: ClusterClient,
    tries: Tries<'a>,
}

impl<'a> Asking<'a> {
    fn new(topic: &'a TestTopic, partition: i32) -> Self {
        Self {
            topic,
            partition,
            client: topic.cluster.client("tester"),
            tries: Tries::new(&topic.cluster, &topic.name),
        }
    }

    async fn leader(&mut self) -> NodeId {
        loop {
            let via = self.tries.next().await;
            let (name, partition) = (&self.topic.name, self.partition);
            match self.client.find_leader(via, name, partition).await {
                Ok(leader) => return leader,
                Err(trouble) => self.tries.trouble = Some(trouble),
            }
        }
    }

    fn take<T>(&mut self, answer: Tried<T>) -> Option<T> {
        match answer {
            Ok(answer) => Some(answer),
            Err(trouble) => {
                self.tries.trouble = Some(trouble);
                None
            }
        }
    }
}

/// Attempts through one running node after the other, with a pause in between, for a bounded time.
struct Tries<'a> {
    cluster: &'a TestCluster,
    what: &'a str,
    until: Duration,
    count: usize,
    trouble: Option<Trouble>,
}

impl<'a> Tries<'a> {
    fn new(cluster: &'a TestCluster, what: &'a str) -> Self {
        Self {
            cluster,
            what,
            until: cluster.clock().monotonic() + PATIENCE,
            count: 0,
            trouble: None,
        }
    }

    /// The node to try next.
    async fn next(&mut self) -> NodeId {
        let clock = self.cluster.clock();
        loop {
            if self.count > 0 {
                clock.sleep(PAUSE).await;
            }
            let (what, trouble) = (self.what, self.trouble);
            assert!(
                clock.monotonic() < self.until,
                "{what}: in vain, {trouble:?}"
            );
            self.count += 1;
            let running = self.cluster.running();
            if !running.is_empty() {
                return running[self.count % running.len()];
            }
        }
    }
}
