//! Taking over topics whose partitions lie in directories of Apache Kafka.
//!
//! First the files, then the topic: a crash in between leaves logs that no topic claims, and those
//! are kept as strays. The controller begins each partition above the newest leader epoch of its
//! log, and the node leads it as it leads any other.

use std::path::PathBuf;
use std::sync::Arc;

use odeon_actors::controller::{NewTopic, Refusal, TopicOrigin};
use odeon_actors::node::{NodeHandle, OFFSETS_TOPIC};
use odeon_kernel::SharedDisk;
use odeon_log::{Adopted, Adoption, LogError, LogManager, LogSource, SourceLock, SourceReport};
use odeon_model::{ErrorCode, Offset, PartitionId, TopicId, TopicPartition, Uuid};

use super::Node;

/// Hears how many bytes more are done.
type Progress = Arc<dyn Fn(u64) + Send + Sync>;

/// A topic to be taken over.
#[derive(Debug, Clone)]
pub struct TopicAdoption {
    /// What it will be called.
    pub name: String,
    /// Its partitions, all of them.
    pub sources: Vec<LogSource>,
    /// The settings it will have.
    pub configs: Vec<(String, String)>,
    /// Whether the folders are moved instead of copied.
    pub moves: bool,
    /// Whether everything is checked and nothing is done.
    pub validate_only: bool,
}

/// A topic that was taken over.
#[derive(Debug)]
pub struct AdoptedTopic {
    /// Its id: that of its folders, unless another topic has it.
    pub topic_id: TopicId,
    /// What was found in each partition.
    pub partitions: Vec<SourceReport>,
    /// Whether it was compacted where it comes from, and its settings here do not compact it.
    pub was_compacted: bool,
    /// Closed segments that retention will delete at its next check.
    pub expired_segments: usize,
    /// Sources that were to be moved and could not be removed, and why.
    pub left_behind: Vec<LogError>,
}

/// Why a topic was not taken over; nothing has changed then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdoptError {
    /// The folders do not make a topic.
    #[error("{0}")]
    Sources(String),
    /// A folder cannot be read, is damaged, or is in use.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The controller refuses the topic.
    #[error("the topic cannot be created: {0}")]
    Refused(#[from] Refusal),
    /// The topic is there and does not show what was taken over.
    #[error("{partition} was taken over up to {wanted} and is served up to {served}")]
    NotServed {
        /// Which partition.
        partition: TopicPartition,
        /// Its log's end.
        wanted: Offset,
        /// What its leader says.
        served: Offset,
    },
}

impl Node {
    /// Takes a topic over: checks every batch, copies or moves the folders, creates the topic. The
    /// sources are locked meanwhile; each of their bytes is counted by `progress` three times. Not
    /// cancel safe: what is half done becomes strays.
    ///
    /// # Errors
    /// See [`AdoptError`].
    pub async fn adopt(
        &self,
        topic: TopicAdoption,
        progress: Progress,
    ) -> Result<AdoptedTopic, AdoptError> {
        let handle = self.handle().clone();
        let sources = in_order(&topic.sources)?;
        let new = new_topic(&handle, &topic, &sources);
        create(&handle, new.clone(), true).await?;
        let disk = self.disk.clone();
        let own = handle.logs.clone();
        let checking = {
            let progress = progress.clone();
            move || check(&disk, &own, sources, &progress)
        };
        let (checked, locks) = handle.blocking.run(checking).await?;
        let reports: Vec<SourceReport> = checked.iter().map(|(_, report)| report.clone()).collect();
        let topic_id = free_id(&handle, &checked, &self.rng);
        let mut left_behind = Vec::new();
        if !topic.validate_only {
            let placing = {
                let (logs, topic) = (handle.logs.clone(), topic.clone());
                move || place(&logs, &topic, topic_id, checked, &progress)
            };
            let adopted = handle.blocking.run(placing).await?;
            let origin = TopicOrigin {
                topic_id,
                latest_epochs: reports
                    .iter()
                    .map(|report| report.latest_epoch.unwrap_or(-1))
                    .collect(),
            };
            let origin = Some(origin);
            let created = create(&handle, NewTopic { origin, ..new }, false).await;
            left_behind = finish(&handle, adopted, created.is_ok()).await;
            created?;
            handle.until_led(&[topic_id]).await;
            served(&handle, &topic.name, topic_id, &reports)?;
        }
        drop(locks);
        let compacts = handle.topic_config(&topic.name).cleanup_policy.compact;
        let was_compacted = reports.iter().any(|report| report.compacted);
        Ok(AdoptedTopic {
            topic_id,
            was_compacted: was_compacted && !compacts && !topic.validate_only,
            expired_segments: expired(&handle, &topic, &reports),
            partitions: reports,
            left_behind,
        })
    }
}

/// The sources by partition: all there, each once, of one topic.
fn in_order(sources: &[LogSource]) -> Result<Vec<LogSource>, AdoptError> {
    let mut sources = sources.to_vec();
    sources.sort_by_key(|source| source.partition.partition);
    for (index, source) in (0..).zip(&sources) {
        let found = source.partition.partition;
        if found < index {
            let shown = source.folder.display();
            let text = format!("partition {found} is there twice, once at {shown}");
            return Err(AdoptError::Sources(text));
        }
        if found > index {
            let text = format!("partition {index} is missing, though {found} is there");
            return Err(AdoptError::Sources(text));
        }
    }
    let mut ids = sources.iter().filter_map(|source| source.topic_id);
    let first = ids.next();
    if ids.any(|id| Some(id) != first) {
        let text = "the folders are of different topics: their topic ids differ".to_owned();
        return Err(AdoptError::Sources(text));
    }
    if sources.is_empty() {
        return Err(AdoptError::Sources("no partition was found".to_owned()));
    }
    Ok(sources)
}

fn new_topic(handle: &NodeHandle, topic: &TopicAdoption, sources: &[LogSource]) -> NewTopic {
    let internal = handle.internal_topic(&topic.name);
    let mut new = NewTopic::automatic(&topic.name, internal);
    new.num_partitions = i32::try_from(sources.len()).unwrap_or(i32::MAX);
    new.replication_factor = 1;
    let given = topic.configs.iter();
    for (key, value) in given {
        new.configs.retain(|(known, _)| known != key);
        new.configs.push((key.clone(), Some(value.clone())));
    }
    new
}

async fn create(
    handle: &NodeHandle,
    topic: NewTopic,
    validate_only: bool,
) -> Result<(), AdoptError> {
    let created = handle
        .controller
        .create_topics(vec![topic], validate_only)
        .await?;
    match created.into_iter().next() {
        Some(created) if created.error == ErrorCode::None => Ok(()),
        Some(created) => Err(AdoptError::Refused(Refusal {
            code: created.error,
            message: created.message,
        })),
        None => Err(AdoptError::Refused(ErrorCode::UnknownServerError.into())),
    }
}

type Checked = Vec<(LogSource, SourceReport)>;

/// Locks the sources' directories, but for the node's own, and checks all that is in the sources.
fn check(
    disk: &SharedDisk,
    logs: &LogManager,
    sources: Vec<LogSource>,
    progress: &Progress,
) -> Result<(Checked, Vec<SourceLock>), LogError> {
    let own: Vec<PathBuf> = logs
        .directories()
        .filter_map(|dir| std::path::absolute(dir.path()).ok())
        .collect();
    let (mut roots, mut locks) = (own, Vec::new());
    for source in &sources {
        if !roots.iter().any(|root| root == source.root()) {
            locks.push(source.lock(disk)?);
            roots.push(source.root().to_owned());
        }
    }
    let checked = sources.into_iter().map(|source| {
        let report = source.check(disk, &mut |bytes| progress(bytes))?;
        Ok((source, report))
    });
    Ok((checked.collect::<Result<_, LogError>>()?, locks))
}

/// The id of the folders if no other topic has it, or a new one.
fn free_id(handle: &NodeHandle, checked: &Checked, rng: &odeon_kernel::Rng) -> TopicId {
    let image = handle.image.get();
    let found = checked.iter().find_map(|(source, _)| source.topic_id);
    let is_free = |id: &TopicId| !id.is_zero() && image.topic_by_id(*id).is_none();
    found
        .filter(is_free)
        .unwrap_or_else(|| Uuid::from_random(rng.bytes16()))
}

/// Takes all partitions in, or none.
fn place(
    logs: &LogManager,
    topic: &TopicAdoption,
    topic_id: TopicId,
    checked: Checked,
    progress: &Progress,
) -> Result<Vec<Adopted>, LogError> {
    let mut adopted = Vec::with_capacity(checked.len());
    for (source, report) in checked {
        let partition = TopicPartition::new(&*topic.name, source.partition.partition);
        let adoption = Adoption {
            source,
            report,
            partition,
            topic_id,
            moves: topic.moves,
        };
        match logs.adopt(&adoption, &mut |bytes| progress(bytes)) {
            Ok(one) => adopted.push(one),
            Err(error) => {
                give_back(logs, adopted);
                return Err(error);
            }
        }
    }
    Ok(adopted)
}

fn give_back(logs: &LogManager, adopted: Vec<Adopted>) {
    for one in adopted {
        if let Err(error) = logs.give_back(one) {
            tracing::error!(%error, "a partition could not be given back; it is kept as a stray");
        }
    }
}

/// Removes what is left of moved sources, or undoes the adoption.
async fn finish(handle: &NodeHandle, adopted: Vec<Adopted>, created: bool) -> Vec<LogError> {
    let logs = handle.logs.clone();
    let work = move || {
        if created {
            let kept = adopted.into_iter().map(|one| logs.keep(one));
            kept.filter_map(Result::err).collect()
        } else {
            give_back(&logs, adopted);
            Vec::new()
        }
    };
    handle.blocking.run(work).await
}

fn served(
    handle: &NodeHandle,
    name: &str,
    topic_id: TopicId,
    reports: &[SourceReport],
) -> Result<(), AdoptError> {
    for (partition, report) in (0..).zip(reports) {
        let index: PartitionId = partition;
        let route = handle.routing.get(topic_id, index);
        let served = route.map_or(-1, |route| route.view.log_end_offset());
        // A coordinator may have written to its log by now.
        if served < report.log_end {
            return Err(AdoptError::NotServed {
                partition: TopicPartition::new(name, index),
                wanted: report.log_end,
                served,
            });
        }
    }
    Ok(())
}

/// How many closed segments are too old for the settings that hold for the topic.
fn expired(handle: &NodeHandle, topic: &TopicAdoption, reports: &[SourceReport]) -> usize {
    if topic.name == OFFSETS_TOPIC || topic.validate_only {
        return 0;
    }
    let config = handle.topic_config(&topic.name);
    if !config.cleanup_policy.delete || config.retention_ms < 0 {
        return 0;
    }
    let oldest = handle.clock.now_ms().saturating_sub(config.retention_ms);
    let segments = reports.iter().flat_map(|report| &report.closed_segments_ms);
    segments
        .filter(|newest| (0..oldest).contains(*newest))
        .count()
}
