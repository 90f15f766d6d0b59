//! Records on their way out: a queue of batches per partition. Pure: time comes as an argument.
//!
//! A batch leaves its queue when it is sent and comes back, at its old place, when it has to be
//! sent again. Then it goes alone: nothing of its partition is in flight beside it, so that
//! batches arrive in order and sequence numbers have no gap.
//!
//! Source: `org.apache.kafka.clients.producer.internals.RecordAccumulator`.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use odeon_kernel::Permit;
use odeon_kernel::watch;
use odeon_model::{NodeId, TopicPartition};

use super::batch::{Batch, Identity, Stamp};
use super::record::{Delivery, Outcome, Record};
use crate::ClientError;

/// The settings that decide what leaves when.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    /// A batch takes records up to this size.
    pub(super) batch_bytes: usize,
    /// How long a batch waits for more records.
    pub(super) linger: Duration,
    /// How long a batch may take from its first record to its end.
    pub(super) delivery_timeout: Duration,
    /// Most batches of one partition, and requests to one broker, in flight.
    pub(super) max_in_flight: usize,
    /// Most bytes of batches in one request.
    pub(super) max_request_bytes: usize,
}

/// What became of a record that was to be added.
#[derive(Debug)]
pub(super) enum Appended {
    /// It is in a batch. `news` says that the sender should look.
    Done { delivery: Delivery, news: bool },
    /// It needs a new batch: come back with memory for one.
    NeedsMemory,
}

/// Where a partition's batches go now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// To this broker.
    Node(NodeId),
    /// To a broker that takes no more at the moment.
    Busy,
    /// Nobody knows: metadata is wanted.
    Unknown,
}

/// What can leave now.
#[derive(Debug, Default)]
pub(super) struct Drained {
    /// At most one batch of each partition, with the stamp it must carry.
    pub(super) requests: BTreeMap<NodeId, Vec<(Batch, Option<Stamp>)>>,
    /// Topics with batches that have nowhere to go.
    pub(super) unknown: BTreeSet<Arc<str>>,
    /// When to look again, unless something happens before.
    pub(super) wake: Option<Duration>,
}

#[derive(Debug)]
struct Queue {
    partition: TopicPartition,
    batches: VecDeque<Batch>,
    /// The orders of the batches in flight.
    in_flight: Vec<u64>,
    next_sequence: i32,
}

/// All queues of a producer.
#[derive(Debug, Default)]
pub(super) struct Accumulator {
    queues: Vec<Queue>,
    places: HashMap<TopicPartition, usize>,
    /// The queue that is looked at first; moves on, so that none is left behind.
    cursor: usize,
    next_order: u64,
    /// Whoever flushes or waits for memory: nothing lingers then.
    pub(super) urgent: usize,
    /// No more records are taken.
    pub(super) closed: bool,
    /// What flushes wait for, by order.
    unfinished: BTreeMap<u64, watch::Receiver<Outcome>>,
}

impl Accumulator {
    /// Adds a record to its partition's last batch, or to a new one in `memory`.
    pub(super) fn append(
        &mut self,
        partition: &TopicPartition,
        record: &Record,
        rules: &Rules,
        (now, now_ms): (Duration, i64),
        memory: &mut Option<Permit>,
    ) -> Result<Appended, ClientError> {
        if self.closed {
            return Err(ClientError::Closed);
        }
        let place = self.place(partition);
        let queue = &mut self.queues[place];
        let bytes = record.size_bytes();
        let mut news = false;
        if let Some(last) = queue.batches.back_mut()
            && !last.has_room(bytes, rules.batch_bytes)
            && !last.is_sealed()
        {
            last.seal();
            news = true;
        }
        if queue.batches.back().is_none_or(Batch::is_sealed) {
            let Some(permit) = memory.take() else {
                return Ok(Appended::NeedsMemory);
            };
            let batch = Batch::new(partition.clone(), self.next_order, now, permit);
            self.unfinished.insert(self.next_order, batch.watch());
            self.next_order += 1;
            queue.batches.push_back(batch);
            news = true;
        }
        let last = queue
            .batches
            .back_mut()
            .expect("a batch was just made sure of");
        let delivery = last.push(record, now_ms)?;
        if last.size_bytes() >= rules.batch_bytes {
            last.seal();
            news = true;
        }
        Ok(Appended::Done { delivery, news })
    }

    fn place(&mut self, partition: &TopicPartition) -> usize {
        if let Some(place) = self.places.get(partition) {
            return *place;
        }
        let place = self.queues.len();
        self.places.insert(partition.clone(), place);
        self.queues.push(Queue {
            partition: partition.clone(),
            batches: VecDeque::new(),
            in_flight: Vec::new(),
            next_sequence: 0,
        });
        place
    }

    /// Takes out what can be sent: of each partition the first batch, if it is due.
    pub(super) fn drain(
        &mut self,
        now: Duration,
        rules: &Rules,
        identity: Option<Identity>,
        mut target: impl FnMut(&TopicPartition) -> Target,
    ) -> Drained {
        let mut drained = Drained::default();
        let mut request_bytes: BTreeMap<NodeId, usize> = BTreeMap::new();
        let hurry = self.closed || self.urgent > 0;
        let count = self.queues.len();
        for step in 0..count {
            let queue = &mut self.queues[(self.cursor + step) % count];
            let Some(first) = queue.batches.front() else {
                continue;
            };
            wake_at(&mut drained.wake, first.created + rules.delivery_timeout);
            let due = queue.due(rules, hurry);
            if due > now {
                wake_at(&mut drained.wake, due);
                continue;
            }
            let blocked = first.attempts > 0 && !queue.in_flight.is_empty();
            if blocked || queue.in_flight.len() >= rules.max_in_flight {
                continue;
            }
            let node = match target(&queue.partition) {
                Target::Node(node) => node,
                Target::Busy => continue,
                Target::Unknown => {
                    drained.unknown.insert(Arc::clone(&queue.partition.topic));
                    continue;
                }
            };
            let taken = request_bytes.entry(node).or_default();
            let bytes = first.size_bytes();
            if *taken > 0 && *taken + bytes > rules.max_request_bytes {
                continue;
            }
            *taken += bytes;
            let batch = queue.take(identity);
            drained.requests.entry(node).or_default().push(batch);
        }
        if count > 0 {
            self.cursor = (self.cursor + 1) % count;
        }
        drained
    }

    /// Takes out the batches that have been waiting for too long.
    pub(super) fn expire(&mut self, now: Duration, rules: &Rules) -> Vec<Batch> {
        let mut expired = Vec::new();
        for queue in &mut self.queues {
            while let Some(first) = queue.batches.front()
                && first.created + rules.delivery_timeout <= now
            {
                expired.extend(queue.batches.pop_front());
            }
        }
        self.forget(&expired);
        expired
    }

    /// Takes out everything that is not in flight.
    pub(super) fn take_all(&mut self) -> Vec<Batch> {
        let queues = self.queues.iter_mut();
        let all: Vec<_> = queues.flat_map(|queue| queue.batches.drain(..)).collect();
        self.forget(&all);
        all
    }

    fn forget(&mut self, batches: &[Batch]) {
        for batch in batches {
            self.unfinished.remove(&batch.order);
        }
    }

    /// A batch that was sent is done with, one way or the other.
    pub(super) fn finish(&mut self, batch: &Batch) {
        self.land(batch);
        self.unfinished.remove(&batch.order);
    }

    /// A batch that was sent takes its old place again.
    pub(super) fn requeue(&mut self, batch: Batch) {
        self.land(&batch);
        let place = self.place(&batch.partition);
        let batches = &mut self.queues[place].batches;
        let at = batches.partition_point(|one| one.order < batch.order);
        batches.insert(at, batch);
    }

    fn land(&mut self, batch: &Batch) {
        let place = self.place(&batch.partition);
        self.queues[place]
            .in_flight
            .retain(|order| *order != batch.order);
    }

    /// Whether a batch of the same partition that came before this one is not done with.
    pub(super) fn has_earlier(&self, batch: &Batch) -> bool {
        let place = self.places.get(&batch.partition);
        place.is_some_and(|place| {
            let queue = &self.queues[*place];
            queue.in_flight.iter().any(|order| *order < batch.order)
                || queue
                    .batches
                    .front()
                    .is_some_and(|one| one.order < batch.order)
        })
    }

    /// Sequence numbers begin anew, under a new identity.
    pub(super) fn restart_sequences(&mut self) {
        for queue in &mut self.queues {
            queue.next_sequence = 0;
        }
    }

    /// Whether nothing waits and nothing is in flight.
    pub(super) fn is_idle(&self) -> bool {
        self.nothing_in_flight() && self.queues.iter().all(|queue| queue.batches.is_empty())
    }

    /// Whether nothing is in flight.
    pub(super) fn nothing_in_flight(&self) -> bool {
        self.queues.iter().all(|queue| queue.in_flight.is_empty())
    }

    /// Whether something waits to be sent.
    pub(super) fn has_queued(&self) -> bool {
        self.queues.iter().any(|queue| !queue.batches.is_empty())
    }

    /// What is not done with now, for a flush.
    pub(super) fn unfinished(&self) -> Vec<watch::Receiver<Outcome>> {
        self.unfinished.values().cloned().collect()
    }
}

impl Queue {
    /// When the first batch may leave.
    fn due(&self, rules: &Rules, hurry: bool) -> Duration {
        let Some(first) = self.batches.front() else {
            return Duration::MAX;
        };
        if first.is_sealed() || self.batches.len() > 1 || hurry {
            first.not_before
        } else {
            first.not_before.max(first.created + rules.linger)
        }
    }

    /// Takes the first batch out and into flight. A batch that was sent under this identity before
    /// keeps its stamp; any other gets the next sequence numbers.
    fn take(&mut self, identity: Option<Identity>) -> (Batch, Option<Stamp>) {
        let batch = self.batches.pop_front().expect("the caller saw a batch");
        self.in_flight.push(batch.order);
        let stamp = identity.map(|identity| match batch.stamp {
            Some(stamp) if stamp.identity == identity => stamp,
            _ => {
                let sequence = self.next_sequence;
                self.next_sequence = next_sequence(sequence, batch.len());
                Stamp { identity, sequence }
            }
        });
        (batch, stamp)
    }
}

/// Sequence numbers go from 0 to 2^31 - 1 and round again.
fn next_sequence(sequence: i32, records: i32) -> i32 {
    let next = i64::from(sequence) + i64::from(records);
    let wrapped = next % (i64::from(i32::MAX) + 1);
    i32::try_from(wrapped).unwrap_or(0)
}

fn wake_at(wake: &mut Option<Duration>, at: Duration) {
    *wake = Some(wake.map_or(at, |wake| wake.min(at)));
}

#[cfg(test)]
mod tests;
