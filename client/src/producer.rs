//! The producer: records in, batches out, each delivered once and in order, or given up with a
//! reason.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use odeon_kernel::{ByteBudget, Permit, TaskGuard, clock};
use odeon_model::{ErrorCode, PartitionId, TopicPartition};
use odeon_records::{Codec, HEADER_BYTES};
use tokio::sync::Notify;

use crate::partitioner::{Sticky, partition_for_key};
use crate::{Client, ClientError, Topic};

mod accumulator;
mod batch;
mod record;
mod request;
mod sender;

use accumulator::{Accumulator, Appended, Rules, Target};
pub use record::{Delivery, Record, Written};
use sender::Sender;

/// Whose word a producer waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Acks {
    /// Nobody's: records may be lost.
    None,
    /// The leader's.
    Leader,
    /// That of all in-sync replicas.
    #[default]
    All,
}

impl Acks {
    const fn code(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Leader => 1,
            Self::All => -1,
        }
    }
}

/// How a producer behaves.
#[derive(Debug, Clone)]
pub struct ProducerConfig {
    /// Whose word to wait for (all).
    pub acks: Acks,
    /// Whether brokers drop doubles, by producer id and sequence numbers; unset: with acks all.
    pub idempotence: Option<bool>,
    /// How batches are compressed (not at all).
    pub compression: Codec,
    /// How long a batch waits for more records (5 ms).
    pub linger: Duration,
    /// The size up to which records join a batch, in bytes (16 KiB).
    pub batch_bytes: usize,
    /// The memory for records on their way, in bytes (32 MiB).
    pub buffer_bytes: usize,
    /// The largest request, and so the largest record, in bytes (1 MiB).
    pub max_request_bytes: usize,
    /// Most requests to one broker that wait for an answer, 1 to 5 with idempotence (5).
    pub max_in_flight: usize,
    /// How long a broker may take to answer (30 s).
    pub request_timeout: Duration,
    /// How long a record may take from `send` to its end (120 s).
    pub delivery_timeout: Duration,
    /// How long `send` may wait for memory (60 s).
    pub max_block: Duration,
}

impl Default for ProducerConfig {
    fn default() -> Self {
        Self {
            acks: Acks::All,
            idempotence: None,
            compression: Codec::default(),
            linger: Duration::from_millis(5),
            batch_bytes: 16 * 1024,
            buffer_bytes: 32 * 1024 * 1024,
            max_request_bytes: 1024 * 1024,
            max_in_flight: 5,
            request_timeout: Duration::from_secs(30),
            delivery_timeout: Duration::from_secs(120),
            max_block: Duration::from_secs(60),
        }
    }
}

impl ProducerConfig {
    fn is_idempotent(&self) -> bool {
        self.idempotence.unwrap_or(self.acks == Acks::All)
    }

    fn check(&self) -> Result<(), ClientError> {
        let wrong = |message: &str| Err(ClientError::InvalidConfig(message.to_owned()));
        if self.is_idempotent() && self.acks != Acks::All {
            return wrong("idempotence needs acks=all");
        }
        if self.is_idempotent() && !(1..=5).contains(&self.max_in_flight) {
            return wrong("idempotence needs 1 to 5 requests in flight");
        }
        if self.max_in_flight == 0 || self.batch_bytes == 0 {
            return wrong("max_in_flight and batch_bytes must be at least 1");
        }
        Ok(())
    }
}

/// What the handle and the sender share.
struct Shared {
    accumulator: Mutex<Accumulator>,
    wake: Notify,
    memory: ByteBudget,
    rules: Rules,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Accumulator> {
        let guard = self.accumulator.lock();
        guard.unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nothing lingers while one of these lives.
struct Urgent<'a>(&'a Shared);

impl<'a> Urgent<'a> {
    fn new(shared: &'a Shared) -> Self {
        shared.lock().urgent += 1;
        shared.wake.notify_one();
        Self(shared)
    }
}

impl Drop for Urgent<'_> {
    fn drop(&mut self) {
        self.0.lock().urgent -= 1;
    }
}

/// Writes records. Records of a partition are written in the order they were given.
///
/// Dropping it gives up what is not sent yet; [`Producer::close`] sends it first.
pub struct Producer {
    client: Client,
    config: ProducerConfig,
    shared: Arc<Shared>,
    sticky: Mutex<HashMap<Arc<str>, Sticky>>,
    task: TaskGuard<()>,
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Producer {
    pub(crate) fn start(client: Client, config: ProducerConfig) -> Result<Self, ClientError> {
        config.check()?;
        let shared = Arc::new(Shared {
            accumulator: Mutex::default(),
            wake: Notify::new(),
            memory: ByteBudget::new(config.buffer_bytes as u64),
            rules: Rules {
                batch_bytes: config.batch_bytes,
                linger: config.linger,
                delivery_timeout: config.delivery_timeout,
                max_in_flight: config.max_in_flight,
                max_request_bytes: config.max_request_bytes,
            },
        });
        let sender = Sender::new(client.clone(), config.clone(), Arc::clone(&shared));
        Ok(Self {
            task: TaskGuard::spawn(sender.run()),
            client,
            config,
            shared,
            sticky: Mutex::default(),
        })
    }

    /// Writes a record and waits until it is written.
    ///
    /// Not cancel safe: the record may be written all the same.
    ///
    /// # Errors
    /// As [`Producer::enqueue`] and [`Delivery::wait`].
    pub async fn send(&self, record: Record) -> Result<Written, ClientError> {
        self.enqueue(record).await?.wait().await
    }

    /// Takes a record in; it is sent when its batch is full or has lingered. Waits for the topic's
    /// metadata, which may create the topic, and for memory.
    ///
    /// Cancel safe: the record is not taken in then.
    ///
    /// # Errors
    /// The topic or partition does not exist, the record is too large, or there was no memory for
    /// [`ProducerConfig::max_block`].
    pub async fn enqueue(&self, record: Record) -> Result<Delivery, ClientError> {
        let bytes = record.size_bytes() + HEADER_BYTES;
        if bytes > self.config.max_request_bytes {
            return Err(ClientError::RecordTooLarge {
                bytes,
                limit: self.config.max_request_bytes,
            });
        }
        let topic = self.client.topic(&record.topic, true).await?;
        let partition = TopicPartition {
            partition: self.choose_partition(&topic, &record)?,
            topic: Arc::clone(&topic.name),
        };
        let clock = self.client.clock();
        let mut memory = None;
        loop {
            let at = (clock.monotonic(), clock.now_ms());
            let rules = &self.shared.rules;
            let appended = {
                let mut accumulator = self.shared.lock();
                accumulator.append(&partition, &record, rules, at, &mut memory)?
            };
            match appended {
                Appended::Done { delivery, news } => {
                    if news {
                        self.shared.wake.notify_one();
                    }
                    return Ok(delivery);
                }
                Appended::NeedsMemory => memory = Some(self.memory(bytes).await?),
            }
        }
    }

    async fn memory(&self, bytes: usize) -> Result<Permit, ClientError> {
        let wanted = bytes.max(self.config.batch_bytes) as u64;
        if let Some(permit) = self.shared.memory.try_acquire(wanted) {
            return Ok(permit);
        }
        let _hurry = Urgent::new(&self.shared);
        let wait = self.shared.memory.acquire(wanted);
        let limit = self.config.max_block;
        clock::timeout(&**self.client.clock(), limit, wait)
            .await
            .map_err(|_| ClientError::Timeout {
                what: "the wait for the producer's memory".to_owned(),
                timeout_ms: limit.as_millis(),
            })
    }

    fn choose_partition(&self, topic: &Topic, record: &Record) -> Result<PartitionId, ClientError> {
        let unknown = |index: PartitionId| {
            let partition = TopicPartition::new(Arc::clone(&topic.name), index);
            let code = ErrorCode::UnknownTopicOrPartition.code();
            let last = topic.partitions.last().map_or(-1, |one| one.index);
            let detail = format!("the topic's partitions go from 0 to {last}");
            ClientError::refused(format!("write to {partition}"), code, Some(detail))
        };
        if let Some(index) = record.partition {
            return topic
                .partition(index)
                .map(|one| one.index)
                .ok_or_else(|| unknown(index));
        }
        let count = u32::try_from(topic.partitions.len()).unwrap_or(0);
        if count == 0 {
            return Err(unknown(0));
        }
        if let Some(key) = &record.key {
            return Ok(partition_for_key(key, count));
        }
        let mut sticky = self.sticky.lock().unwrap_or_else(PoisonError::into_inner);
        let sticky = match sticky.get_mut(&topic.name) {
            Some(sticky) => sticky,
            None => sticky
                .entry(Arc::clone(&topic.name))
                .or_insert_with(Sticky::new),
        };
        let (bytes, limit) = (record.size_bytes(), self.config.batch_bytes);
        let chosen = sticky.choose(topic, bytes, limit, self.client.rng());
        chosen.ok_or_else(|| unknown(0))
    }

    /// Sends what was taken in up to now, and waits until all of it is written or given up; the
    /// deliveries say which.
    ///
    /// Cancel safe.
    pub async fn flush(&self) {
        let _hurry = Urgent::new(&self.shared);
        let unfinished = self.shared.lock().unfinished();
        for mut outcome in unfinished {
            // An error means that the batch was given up.
            let _ = outcome.wait_for(Option::is_some).await;
        }
    }

    /// Takes no more records, and waits until all is written or given up.
    ///
    /// Not cancel safe: records not sent by then are given up.
    pub async fn close(mut self) {
        self.shared.lock().closed = true;
        self.shared.wake.notify_one();
        let _ = self.task.join().await;
    }
}
