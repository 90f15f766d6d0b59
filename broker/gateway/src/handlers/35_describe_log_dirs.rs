//! DescribeLogDirs (key 35).
//!
//! | version | what it brought |
//! |---|---|
//! | 1 | the oldest served |
//! | 2 | flexible |
//! | 3 | top-level error |
//! | 4 | total and usable bytes (KIP-827) |
//! | 5 | cordoned (KIP-1066) |
//!
//! Deviations: none known.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use odeon_log::Log;
use odeon_model::ErrorCode;
use odeon_protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use odeon_protocol::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse};

use crate::authorizer::Operation;
use crate::context::RequestContext;

/// The versions served.
pub const VERSIONS: RangeInclusive<i16> = 1..=5;

/// Tells what lies in which directory.
pub async fn handle(
    context: &RequestContext,
    request: DescribeLogDirsRequest,
) -> DescribeLogDirsResponse {
    if !context.allows_cluster(Operation::Describe) {
        let error_code = ErrorCode::ClusterAuthorizationFailed.code();
        return DescribeLogDirsResponse {
            error_code,
            ..Default::default()
        };
    }
    let wanted: Option<BTreeMap<String, Vec<i32>>> = request.topics.map(|topics| {
        topics
            .into_iter()
            .map(|topic| (topic.topic, topic.partitions))
            .collect()
    });
    let node = context.node().clone();
    let results = context.node().blocking.run(move || {
        let (logs, moves) = (node.logs.logs(), node.logs.moves());
        node.logs
            .directories()
            .map(|dir| {
                let is_here = |log: &Log| Arc::ptr_eq(&log.directory(), dir);
                let mine = logs.iter().filter(|log| is_here(log));
                let mine = mine.map(|log| (log, None));
                let coming = moves.iter().filter(|one| is_here(&one.future));
                let coming = coming.map(|one| (&one.future, Some(&one.current)));
                let offline = dir.is_offline();
                let (free, total) = node.logs.space_bytes(dir).unwrap_or((u64::MAX, u64::MAX));
                DescribeLogDirsResult {
                    error_code: if offline {
                        ErrorCode::KafkaStorageError.code()
                    } else {
                        0
                    },
                    log_dir: absolute(dir.path()),
                    topics: if offline {
                        Vec::new()
                    } else {
                        topics(mine.chain(coming), wanted.as_ref())
                    },
                    total_bytes: i64::try_from(total).unwrap_or(-1),
                    usable_bytes: i64::try_from(free).unwrap_or(-1),
                    ..Default::default()
                }
            })
            .collect()
    });
    DescribeLogDirsResponse {
        results: results.await,
        ..Default::default()
    }
}

fn absolute(path: &std::path::Path) -> String {
    std::path::absolute(path)
        .unwrap_or_else(|_| path.to_owned())
        .display()
        .to_string()
}

/// The logs of a directory by topic. With each copy that is to take a log's place comes that log.
fn topics<'a>(
    logs: impl Iterator<Item = (&'a Log, Option<&'a Log>)>,
    wanted: Option<&BTreeMap<String, Vec<i32>>>,
) -> Vec<DescribeLogDirsTopic> {
    let mut topics: BTreeMap<Arc<str>, Vec<DescribeLogDirsPartition>> = BTreeMap::new();
    for (log, current) in logs {
        let name = log.partition();
        let asked = wanted.is_none_or(|wanted| {
            wanted
                .get(&*name.topic)
                .is_some_and(|partitions| partitions.contains(&name.partition))
        });
        if asked {
            topics
                .entry(name.topic.clone())
                .or_default()
                .push(DescribeLogDirsPartition {
                    partition_index: name.partition,
                    partition_size: i64::try_from(log.reader().size_bytes()).unwrap_or(i64::MAX),
                    offset_lag: current.map_or(0, |current| {
                        let lag = current.view().log_end() - log.view().log_end();
                        lag.max(0)
                    }),
                    is_future_key: current.is_some(),
                    ..Default::default()
                });
        }
    }
    let topics = topics.into_iter().map(|(name, mut partitions)| {
        partitions.sort_by_key(|partition| partition.partition_index);
        DescribeLogDirsTopic {
            name: name.to_string(),
            partitions,
            ..Default::default()
        }
    });
    topics.collect()
}
