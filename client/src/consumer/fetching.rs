//! Which fetches are under way, and what becomes of their answers.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use odeon_model::{ErrorCode, NodeId, TopicPartition};
use odeon_protocol::messages::FetchRequest;

use super::fetch::{self, Fetched, Wanted};
use super::{ConsumedRecord, Consumer, Done, Position};
use crate::ClientError;

impl Consumer {
    /// Sends a fetch to every broker that leads an idle partition and has none under way. Returns
    /// how long to wait at most before this is to be done again.
    ///
    /// A broker whose answer is not polled to its end waits too: a fetch of the polled partitions
    /// alone might find nothing and hold up the others.
    pub(super) async fn fetch(&mut self) -> Result<Duration, ClientError> {
        let now = self.client.clock().monotonic();
        let mut again = Duration::from_secs(3600);
        let cluster = self.client.cluster();
        let leader = |one: &TopicPartition| Some(cluster.leader(&one.topic, one.partition)?.0);
        let unread: HashSet<_> = self
            .buffered
            .iter()
            .filter_map(|one| leader(&one.partition))
            .collect();
        let buffered: HashSet<_> = self
            .buffered
            .iter()
            .map(|one| one.partition.clone())
            .collect();
        let mut idle = Vec::new();
        for (partition, position) in &self.positions {
            let Some(next) = position.next else { continue };
            if position.in_flight || buffered.contains(partition) {
                continue;
            }
            if position.not_before > now {
                again = again.min(position.not_before.saturating_sub(now));
                continue;
            }
            idle.push((partition.clone(), next));
        }
        let mut by_leader: HashMap<NodeId, Wanted> = HashMap::new();
        for (partition, next) in idle {
            match self.client.leader_of(&partition).await {
                Ok(leader) => {
                    by_leader.entry(leader).or_default().insert(partition, next);
                }
                Err(ClientError::NoLeader(_)) => again = again.min(self.postpone(&partition)),
                Err(error) => return Err(error),
            }
        }
        for (leader, wanted) in by_leader {
            if !unread.contains(&leader) && self.busy.insert(leader) {
                self.send(leader, wanted);
            }
        }
        Ok(again)
    }

    fn send(&mut self, node: NodeId, wanted: Wanted) {
        for partition in wanted.keys() {
            if let Some(position) = self.positions.get_mut(partition) {
                position.in_flight = true;
            }
        }
        let cluster = self.client.cluster();
        let (request, newest) = fetch::build(&wanted, &cluster, &self.config);
        let timeout = self.client.config().request_timeout + self.config.max_wait;
        let (pool, done) = (Arc::clone(&self.pool), self.done_in.clone());
        odeon_kernel::spawn(async move {
            let answer = async {
                let address = cluster.address(node).ok_or(ClientError::Closed)?;
                let connection = pool.get(address).await?;
                let version = connection.version_up_to::<FetchRequest>(newest)?;
                connection.call_at(&request, version, timeout).await
            };
            let answer = answer.await;
            // A consumer that is gone does not care.
            let _ = done.send(Done {
                node,
                wanted,
                cluster,
                answer,
            });
        });
    }

    /// Not to be fetched for a moment.
    fn postpone(&mut self, partition: &TopicPartition) -> Duration {
        let pause = self.client.backoff().next(self.client.rng());
        if let Some(position) = self.positions.get_mut(partition) {
            position.not_before = self.client.clock().monotonic() + pause;
        }
        pause
    }

    pub(super) fn take(&mut self, done: Done) -> Result<(), ClientError> {
        self.busy.remove(&done.node);
        for partition in done.wanted.keys() {
            if let Some(position) = self.positions.get_mut(partition) {
                position.in_flight = false;
            }
        }
        let response = match done.answer {
            Ok(response) if response.error_code == 0 => response,
            Ok(response) => {
                return Err(ClientError::refused("fetch", response.error_code, None));
            }
            Err(error) if error.is_retriable() => {
                tracing::debug!(%error, broker = done.node, "no fetch");
                for partition in done.wanted.keys() {
                    self.client.forget_topic(&partition.topic);
                    self.postpone(partition);
                }
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        for fetched in fetch::take_apart(response, &done.wanted, &done.cluster) {
            let Some(position) = self.positions.get_mut(&fetched.partition) else {
                continue;
            };
            if position.next != Some(fetched.asked) {
                continue;
            }
            if fetched.code.is_none() {
                position.high_watermark = Some(fetched.high_watermark);
                if !fetched.records.is_empty() {
                    self.buffered.push_back(fetched);
                }
                continue;
            }
            self.refused(&fetched)?;
        }
        Ok(())
    }

    fn refused(&mut self, fetched: &Fetched) -> Result<(), ClientError> {
        let (partition, code) = (&fetched.partition, fetched.code);
        if code == ErrorCode::OffsetOutOfRange {
            let start = self.config.reset.start(partition)?;
            tracing::warn!(%partition, offset = fetched.asked, "outside the log; starts anew");
            self.positions
                .insert(partition.clone(), Position::new(start));
            return Ok(());
        }
        if code.is_retriable() || code == ErrorCode::UnknownServerError {
            self.client.forget_topic(&partition.topic);
            self.postpone(partition);
            return Ok(());
        }
        Err(ClientError::refused(
            format!("read {partition}"),
            code.code(),
            None,
        ))
    }

    pub(super) fn read(&mut self, fetched: &Fetched) -> Result<Vec<ConsumedRecord>, ClientError> {
        let Some(position) = self.positions.get_mut(&fetched.partition) else {
            return Ok(Vec::new());
        };
        if position.next != Some(fetched.asked) {
            return Ok(Vec::new());
        }
        let read = fetch::read(fetched, &self.config)?;
        position.next = Some(read.next);
        Ok(read.records)
    }
}
