//! Small text files that remember offsets, and the folder's own metadata.
//!
//! ```text
//! recovery-point-offset-checkpoint    0                    format version
//! log-start-offset-checkpoint         2                    entries
//! replication-offset-checkpoint       orders 0 1741        topic, partition, offset
//!                                     orders 1 12
//! partition.metadata                  version: 0
//!                                     topic_id: p1r7PTP2R3uSNnJnWw7BBQ
//! ```

use std::fmt::Write as _;
use std::io::IoSlice;
use std::path::Path;
use std::sync::Arc;

use odeon_kernel::disk::{DiskFile, OpenMode, SharedDisk};
use odeon_model::{Offset, TopicPartition, Uuid};

use crate::checkpoints::Table;
use crate::error::{At, LogError, Result};

/// Everything before this offset is on disk, whatever happens.
pub(crate) const RECOVERY_POINT: &str = "recovery-point-offset-checkpoint";
/// Records before this offset were deleted.
pub(crate) const LOG_START: &str = "log-start-offset-checkpoint";
/// The high watermarks.
pub(crate) const HIGH_WATERMARK: &str = "replication-offset-checkpoint";
pub(crate) const LEADER_EPOCHS: &str = "leader-epoch-checkpoint";
pub(crate) const PARTITION_METADATA: &str = "partition.metadata";

/// The largest checkpoint that is read: 200,000 partitions with the longest names.
const MAX_CHECKPOINT_BYTES: u64 = 64 << 20;

/// The text does not follow the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a checkpoint of version 0")]
pub(crate) struct Malformed;

/// The lines behind the two of the head, as many as the head says.
pub(crate) fn entries(text: &str) -> Result<Vec<&str>, Malformed> {
    let mut lines = text.lines();
    if lines.next().map(str::trim) != Some("0") {
        return Err(Malformed);
    }
    let count: usize = lines
        .next()
        .and_then(|n| n.trim().parse().ok())
        .ok_or(Malformed)?;
    let entries: Vec<&str> = lines.filter(|line| !line.trim().is_empty()).collect();
    if entries.len() == count {
        Ok(entries)
    } else {
        Err(Malformed)
    }
}

/// Head and lines.
pub(crate) fn render(lines: impl ExactSizeIterator<Item = String>) -> String {
    let mut text = format!("0\n{}\n", lines.len());
    for line in lines {
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// Reads a text file; `None` if there is none.
pub(crate) fn read_text(disk: &SharedDisk, path: &Path) -> Result<Option<String>> {
    if !disk.exists(path) {
        return Ok(None);
    }
    let file = disk.open(path, OpenMode::Read).at("opening", path)?;
    let len = file.len().at("measuring", path)?;
    let corrupt = |detail: &str| LogError::Corrupt {
        path: path.into(),
        detail: detail.into(),
    };
    if len > MAX_CHECKPOINT_BYTES {
        return Err(corrupt("too long"));
    }
    let bytes = disk.read(path).at("reading", path)?;
    String::from_utf8(bytes)
        .map(Some)
        .map_err(|_| corrupt("not UTF-8"))
}

/// Reads offsets by partition. A missing or an empty file (Kafka makes them so) has no entries.
///
/// # Errors
/// `Corrupt` if the text is not in the format, `Io` if it cannot be read.
pub(crate) fn read_offsets(disk: &SharedDisk, path: &Path) -> Result<Table> {
    let Some(text) = read_text(disk, path)?.filter(|text| !text.is_empty()) else {
        return Ok(Table::new());
    };
    parse_offsets(&text).map_err(|bad| LogError::Corrupt {
        path: path.to_owned(),
        detail: bad.to_string(),
    })
}

fn parse_offsets(text: &str) -> Result<Table, Malformed> {
    let parse = |line: &str| {
        let mut words = line.split_whitespace();
        let (topic, partition, offset) = (words.next()?, words.next()?, words.next()?);
        let key = TopicPartition::new(topic, partition.parse().ok()?);
        let offset: Offset = offset.parse().ok()?;
        (words.next().is_none() && offset >= 0).then_some((key, offset))
    };
    entries(text)?
        .into_iter()
        .map(|line| parse(line).ok_or(Malformed))
        .collect()
}

/// Replaces a checkpoint; after a crash either the old or the new one is there.
pub(crate) fn write_offsets(disk: &SharedDisk, path: &Path, offsets: &Table) -> Result<()> {
    let mut text = format!("0\n{}\n", offsets.len());
    for (key, offset) in offsets {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{} {} {offset}", key.topic, key.partition);
    }
    disk.write_atomic(path, text.as_bytes()).at("writing", path)
}

/// Reads the topic id of a partition's folder; `None` if the file is missing.
pub(crate) fn read_topic_id(disk: &SharedDisk, folder: &Path) -> Result<Option<Uuid>> {
    let path = folder.join(PARTITION_METADATA);
    let Some(text) = read_text(disk, &path)? else {
        return Ok(None);
    };
    parse_topic_id(&text)
        .map(Some)
        .ok_or_else(|| LogError::Corrupt {
            path,
            detail: "not a partition.metadata of version 0".to_owned(),
        })
}

fn parse_topic_id(text: &str) -> Option<Uuid> {
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key))?;
        line.strip_prefix(':').map(str::trim)
    };
    if value("version")? != "0" {
        return None;
    }
    value("topic_id")?
        .parse()
        .ok()
        .filter(|id: &Uuid| !id.is_zero())
}

/// Writes the topic id of a partition's folder; durable once the file and the folder are synced.
pub(crate) fn write_topic_id(
    disk: &SharedDisk,
    folder: &Path,
    topic_id: Uuid,
) -> Result<Arc<dyn DiskFile>> {
    let path = folder.join(PARTITION_METADATA);
    let text = format!("version: 0\ntopic_id: {topic_id}");
    let file = disk.open(&path, OpenMode::Create).at("creating", &path)?;
    file.set_len(0).at("emptying", &path)?;
    file.write_all_at(&[IoSlice::new(text.as_bytes())], 0)
        .at("writing", &path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kafkas_texts_are_read() {
        let text = "0\n2\nalpha 0 40000\n__consumer_offsets 49 0\n";
        let offsets = parse_offsets(text).unwrap();
        assert_eq!(offsets[&TopicPartition::new("alpha", 0)], 40000);
        assert_eq!(offsets[&TopicPartition::new("__consumer_offsets", 49)], 0);
        let id = parse_topic_id("version: 0\ntopic_id: p1r7PTP2R3uSNnJnWw7BBQ").unwrap();
        assert_eq!(id.to_string(), "p1r7PTP2R3uSNnJnWw7BBQ");
    }

    #[test]
    fn damaged_texts_are_refused() {
        for bad in [
            "x",
            "0\n1\n",
            "0\n1\na 0\n",
            "0\n1\na 0 -1\n",
            "0\n1\na 0 1 2\n",
            "1\n0\n",
        ] {
            assert_eq!(parse_offsets(bad), Err(Malformed), "{bad:?}");
        }
        assert_eq!(
            parse_topic_id("version: 1\ntopic_id: p1r7PTP2R3uSNnJnWw7BBQ"),
            None
        );
        assert_eq!(parse_topic_id("version: 0\ntopic_id: x"), None);
    }
}
