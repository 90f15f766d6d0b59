//! The names of files and folders.
//!
//! ```text
//! TOPIC-PARTITION/                       a partition
//! TOPIC-PARTITION.<32 hex>-delete/       a deleted one, removed later
//! TOPIC-PARTITION.<32 hex>-stray/        one that no topic of the cluster claims, kept
//! TOPIC-PARTITION.<32 hex>-future/       a copy that grows until it takes the partition's place
//!   %020d.log .index .timeindex .txnindex   a segment and its indexes, named by its base offset
//!   %020d.snapshot                       the producer state just before that offset
//!   *.deleted                            removed, and soon gone
//!   *.cleaned *.swap                     a compaction's output, unfinished and finished
//! ```

use odeon_model::{Offset, TopicPartition};

pub(crate) const LOG: &str = ".log";
pub(crate) const INDEX: &str = ".index";
pub(crate) const TIME_INDEX: &str = ".timeindex";
pub(crate) const TXN_INDEX: &str = ".txnindex";
pub(crate) const SNAPSHOT: &str = ".snapshot";
pub(crate) const DELETED: &str = ".deleted";
pub(crate) const CLEANED: &str = ".cleaned";
pub(crate) const SWAP: &str = ".swap";
pub(crate) const DELETE_DIR: &str = "-delete";
pub(crate) const STRAY_DIR: &str = "-stray";
pub(crate) const FUTURE_DIR: &str = "-future";

/// `%020d` and a suffix.
pub(crate) fn file_name(offset: Offset, suffix: &str) -> String {
    format!("{offset:020}{suffix}")
}

/// The offset in a name of [`file_name`]'s form.
pub(crate) fn parse_offset(name: &str, suffix: &str) -> Option<Offset> {
    let digits = name.strip_suffix(suffix)?;
    let plain = digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

/// The folder of a partition.
pub(crate) fn dir_name(partition: &TopicPartition) -> String {
    format!("{}-{}", partition.topic, partition.partition)
}

/// The folder of a partition that is not served any more, [`DELETE_DIR`] or [`STRAY_DIR`], or not
/// yet, [`FUTURE_DIR`]; names longer than 255 bytes lose the end of the topic.
pub(crate) fn retired_dir_name(partition: &TopicPartition, id: [u8; 16], suffix: &str) -> String {
    let hex: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    let tail = format!("-{}.{hex}{suffix}", partition.partition);
    let mut topic: String = partition.topic.to_string();
    topic.truncate(255 - tail.len());
    topic + &tail
}

/// The partition whose folder this is; `None` for folders of other kinds.
pub(crate) fn parse_dir_name(name: &str) -> Option<TopicPartition> {
    let (topic, partition) = name.rsplit_once('-')?;
    let plain = !partition.is_empty() && partition.bytes().all(|b| b.is_ascii_digit());
    if !plain || !is_legal_topic(topic) {
        return None;
    }
    Some(TopicPartition::new(topic, partition.parse().ok()?))
}

/// The partition whose folder became this one when it went astray.
pub(crate) fn parse_stray_dir_name(name: &str) -> Option<TopicPartition> {
    parse_retired_dir_name(name, STRAY_DIR)
}

/// The partition of a name of [`retired_dir_name`]'s form.
pub(crate) fn parse_retired_dir_name(name: &str, suffix: &str) -> Option<TopicPartition> {
    let (plain, id) = name.strip_suffix(suffix)?.rsplit_once('.')?;
    let is_id = id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit());
    parse_dir_name(plain).filter(|_| is_id)
}

/// Kafka's rule for topic names, which also keeps a name from leaving its directory.
pub(crate) fn is_legal_topic(topic: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    !topic.is_empty()
        && topic.len() <= 249
        && topic != "."
        && topic != ".."
        && topic.bytes().all(legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        assert_eq!(file_name(42, LOG), "00000000000000000042.log");
        assert_eq!(parse_offset("00000000000000000042.log", LOG), Some(42));
        assert_eq!(parse_offset("00000000000000000042.log.deleted", LOG), None);
        assert_eq!(parse_offset("42.log", LOG), None);
        let partition = TopicPartition::new("a-b.c", 7);
        assert_eq!(
            parse_dir_name(&dir_name(&partition)),
            Some(partition.clone())
        );
        let deleted = retired_dir_name(&partition, [1; 16], DELETE_DIR);
        assert_eq!(parse_dir_name(&deleted), None);
        let stray = retired_dir_name(&partition, [0xab; 16], STRAY_DIR);
        assert_eq!(parse_dir_name(&stray), None);
        assert_eq!(parse_stray_dir_name(&stray), Some(partition));
        assert_eq!(parse_stray_dir_name("a-1.xyz-stray"), None);
        assert_eq!(parse_stray_dir_name(&deleted), None);
        for other in ["x", "-1", "../x-1", "x-", "x-99999999999", "a/b-1"] {
            assert_eq!(parse_dir_name(other), None, "{other}");
        }
    }

    #[test]
    fn a_long_topics_deleted_folder_still_fits_a_file_name() {
        let partition = TopicPartition::new("t".repeat(249), 12345);
        let name = retired_dir_name(&partition, [0xab; 16], DELETE_DIR);
        assert_eq!(name.len(), 255);
    }
}
