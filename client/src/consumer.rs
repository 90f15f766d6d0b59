//! The consumer: partitions, assigned by hand or by a group, to records.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use odeon_model::{NodeId, Offset, TopicPartition};
use odeon_protocol::messages::FetchResponse;
use tokio::sync::mpsc;

use crate::committed::{self, CommittedOffset, Offsets};
use crate::pool::Pool;
use crate::retry::Deadline;
use crate::{Client, ClientError, Cluster, OffsetSpec};

pub(crate) mod assignor;
mod config;
mod fetch;
mod fetching;
mod group;

pub use assignor::{Assignment, range_assignment};
pub use config::{ConsumedRecord, ConsumerConfig, Isolation, OffsetReset, Start};
use fetch::{Fetched, Wanted};
use group::Group;
pub use group::GroupConfig;

#[derive(Debug)]
struct Position {
    start: Start,
    /// Where the next poll goes on; `None` until it is found.
    next: Option<Offset>,
    high_watermark: Option<Offset>,
    in_flight: bool,
    not_before: Duration,
}

impl Position {
    fn new(start: Start) -> Self {
        Self {
            next: match start {
                Start::At(offset) => Some(offset),
                Start::Find(_) => None,
            },
            start,
            high_watermark: None,
            in_flight: false,
            not_before: Duration::ZERO,
        }
    }
}

/// A fetch that came back.
#[derive(Debug)]
struct Done {
    node: NodeId,
    wanted: Wanted,
    cluster: Arc<Cluster>,
    answer: Result<FetchResponse, ClientError>,
}

/// Reads records. Each broker is asked for all its partitions at once, ahead of the next poll.
#[derive(Debug)]
pub struct Consumer {
    client: Client,
    config: ConsumerConfig,
    pool: Arc<Pool>,
    positions: BTreeMap<TopicPartition, Position>,
    /// Brokers with a fetch under way.
    busy: HashSet<NodeId>,
    buffered: VecDeque<Fetched>,
    done: mpsc::UnboundedReceiver<Done>,
    done_in: mpsc::UnboundedSender<Done>,
    group: Option<Group>,
    committed_at: Duration,
}

impl Consumer {
    pub(crate) fn new(client: Client, config: ConsumerConfig) -> Self {
        let (done_in, done) = mpsc::unbounded_channel();
        Self {
            pool: Arc::new(client.new_pool()),
            client,
            config,
            positions: BTreeMap::new(),
            busy: HashSet::new(),
            buffered: VecDeque::new(),
            done,
            done_in,
            group: None,
            committed_at: Duration::ZERO,
        }
    }

    /// Reads these partitions, and no others any more.
    pub fn assign(&mut self, partitions: impl IntoIterator<Item = (TopicPartition, Start)>) {
        self.buffered.clear();
        let partitions = partitions.into_iter();
        let positions = partitions.map(|(partition, start)| (partition, Position::new(start)));
        self.positions = positions.collect();
    }

    /// Joins a group at the next poll and reads what it is given there.
    pub fn subscribe(&mut self, group: GroupConfig) {
        self.assign([]);
        self.group = Some(Group::new(self.client.clone(), group));
    }

    /// Goes on at another place of a partition that is read; of any other, does nothing.
    pub fn seek(&mut self, partition: &TopicPartition, start: Start) {
        if let Some(position) = self.positions.get_mut(partition) {
            // What is under way from the old place is void when it comes.
            let in_flight = position.in_flight;
            *position = Position::new(start);
            position.in_flight = in_flight;
        }
    }

    /// The partitions that are read now.
    pub fn assignment(&self) -> Vec<TopicPartition> {
        self.positions.keys().cloned().collect()
    }

    /// The offset of the next record of a partition to be polled, once it is known.
    pub fn position(&self, partition: &TopicPartition) -> Option<Offset> {
        self.positions.get(partition)?.next
    }

    /// The end of a partition as of its last fetch.
    pub fn high_watermark(&self, partition: &TopicPartition) -> Option<Offset> {
        self.positions.get(partition)?.high_watermark
    }

    /// The offsets behind the last records that can be read now.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub async fn end_offsets(&self) -> Result<BTreeMap<TopicPartition, Offset>, ClientError> {
        let partitions = self.positions.keys().cloned();
        let wanted = partitions.map(|one| (one, OffsetSpec::Latest)).collect();
        let found = self
            .client
            .list_offsets(&wanted, self.config.isolation)
            .await?;
        let known = found.into_iter();
        Ok(known
            .filter_map(|(one, found)| Some((one, found?.offset)))
            .collect())
    }

    /// The next records, all of one partition; none when nothing comes within `max_wait`. In a
    /// group this also joins, which takes as long as the others need, and commits from time to time
    /// what earlier polls returned.
    ///
    /// Cancel safe, but for a rebalance, which starts over.
    ///
    /// # Errors
    /// What cannot be helped by trying again: a topic that is not there or not allowed, a position
    /// outside the log without a reset, a damaged batch, a group that refuses.
    pub async fn poll(&mut self, max_wait: Duration) -> Result<Vec<ConsumedRecord>, ClientError> {
        let deadline = Deadline::after(self.client.clock(), max_wait);
        loop {
            self.tend_group().await?;
            self.find_positions().await?;
            while let Ok(done) = self.done.try_recv() {
                self.take(done)?;
            }
            while let Some(fetched) = self.buffered.pop_front() {
                let records = self.read(&fetched)?;
                if !records.is_empty() {
                    self.fetch().await?;
                    return Ok(records);
                }
            }
            let next_try = self.fetch().await?;
            if deadline.is_over() {
                return Ok(Vec::new());
            }
            let pause = deadline.left().min(next_try);
            let rejoin = self.group.as_ref().map(Group::watch);
            let rejoin = async {
                match rejoin {
                    Some(rejoin) => rejoin.await,
                    None => std::future::pending().await,
                }
            };
            let clock = Arc::clone(self.client.clock());
            tokio::select! {
                done = self.done.recv() => match done {
                    Some(done) => self.take(done)?,
                    None => return Err(ClientError::Closed),
                },
                () = clock.sleep(pause) => {}
                () = rejoin => {}
            }
        }
    }

    /// Commits the positions: everything that polls returned counts as done.
    ///
    /// # Errors
    /// The consumer is in no group, or the group has moved on without it.
    pub async fn commit(&mut self) -> Result<(), ClientError> {
        let offsets = self.polled();
        let Some(group) = &mut self.group else {
            let message = "only a consumer in a group commits".to_owned();
            return Err(ClientError::InvalidConfig(message));
        };
        self.committed_at = self.client.clock().monotonic();
        if !group.is_member() {
            return Ok(());
        }
        let committer = group.committer();
        committed::commit(&mut group.coordinator, &committer, &offsets).await
    }

    /// Commits, if the group commits by itself, and leaves the group.
    ///
    /// # Errors
    /// The commit or the leaving failed; the consumer is closed all the same.
    pub async fn close(mut self) -> Result<(), ClientError> {
        let Some(group) = &self.group else {
            return Ok(());
        };
        let committed = match group.config.auto_commit_interval {
            Some(_) => self.commit().await,
            None => Ok(()),
        };
        let left = match &mut self.group {
            Some(group) => group.leave().await,
            None => Ok(()),
        };
        committed.and(left)
    }

    fn polled(&self) -> Offsets {
        let known = self.positions.iter();
        let known = known.filter_map(|(partition, position)| {
            Some((partition.clone(), CommittedOffset::at(position.next?)))
        });
        known.collect()
    }

    async fn tend_group(&mut self) -> Result<(), ClientError> {
        let Some(group) = &self.group else {
            return Ok(());
        };
        let now = self.client.clock().monotonic();
        let interval = group.config.auto_commit_interval;
        let must_join = group.must_join();
        let due = interval.is_some_and(|interval| now >= self.committed_at + interval);
        if interval.is_some() && (due || must_join) && group.is_member() {
            // Whoever reads on from here may see some records twice; that is all.
            if let Err(error) = self.commit().await {
                tracing::warn!(%error, "offsets are not committed");
            }
        }
        if !must_join {
            return Ok(());
        }
        self.assign([]);
        let Some(group) = &mut self.group else {
            return Ok(());
        };
        let partitions = group.join().await?;
        let known = committed::fetch(&mut group.coordinator, Some(&partitions)).await?;
        let mut starts = Vec::with_capacity(partitions.len());
        for partition in &partitions {
            let start = match known.get(partition) {
                Some(committed) => Start::At(committed.offset),
                None => self.config.reset.start(partition)?,
            };
            starts.push((partition.clone(), start));
        }
        tracing::info!(
            group = group.config.group_id,
            partitions = partitions.len(),
            "joined"
        );
        self.assign(starts);
        self.committed_at = self.client.clock().monotonic();
        Ok(())
    }

    /// Finds the offsets of partitions that begin at a place or a time.
    async fn find_positions(&mut self) -> Result<(), ClientError> {
        let unknown = self
            .positions
            .iter()
            .filter(|(_, position)| position.next.is_none());
        let wanted: BTreeMap<_, _> = unknown
            .filter_map(|(partition, position)| match position.start {
                Start::Find(spec) => Some((partition.clone(), spec)),
                Start::At(_) => None,
            })
            .collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let found = self
            .client
            .list_offsets(&wanted, self.config.isolation)
            .await?;
        for (partition, offset) in found {
            let Some(position) = self.positions.get_mut(&partition) else {
                continue;
            };
            match offset {
                Some(found) => position.next = Some(found.offset),
                None => position.start = Start::Find(OffsetSpec::Latest),
            }
        }
        // A time behind the last record: one more round finds the end.
        let unknown = self
            .positions
            .values()
            .any(|position| position.next.is_none());
        if unknown {
            Box::pin(self.find_positions()).await
        } else {
            Ok(())
        }
    }
}
