//! Which logs got another directory, so that others can be told.

use std::collections::BTreeMap;
use std::sync::Mutex;

use odeon_kernel::Signal;
use odeon_model::{TopicPartition, Uuid};

use super::LogManager;
use crate::files::lock;
use crate::log::Log;

/// The news, until somebody has passed them on.
#[derive(Debug, Default)]
pub(super) struct Homes {
    news: Mutex<BTreeMap<TopicPartition, Uuid>>,
    changed: Signal,
}

impl LogManager {
    /// Notes where a log is. With one directory there is nothing to tell.
    pub(super) fn note_home(&self, log: &Log) {
        if self.dirs.len() > 1 {
            let (partition, dir) = (log.partition().clone(), log.directory().id());
            lock(&self.homes.news).insert(partition, dir);
            self.homes.changed.notify();
        }
    }

    /// The logs that were loaded, made or moved and not [told of](LogManager::homes_told) since, and the
    /// ids of their directories.
    pub fn new_homes(&self) -> Vec<(TopicPartition, Uuid)> {
        let news = lock(&self.homes.news);
        let each = news
            .iter()
            .map(|(partition, dir)| (partition.clone(), *dir));
        each.collect()
    }

    /// These need not be told again, unless they have moved on.
    pub fn homes_told(&self, told: &[(TopicPartition, Uuid)]) {
        let mut news = lock(&self.homes.news);
        for (partition, dir) in told {
            if news.get(partition) == Some(dir) {
                news.remove(partition);
            }
        }
    }

    /// Rings when there are new homes.
    pub fn homes_change(&self) -> &Signal {
        &self.homes.changed
    }
}
