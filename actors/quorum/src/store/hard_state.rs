//! The small file that says whose log this is, what was voted, and how far it was purged.
//!
//! ```text
//! raft-state := magic "ODNRAFTS" | body length u32 LE | crc32 of the body u32 LE | body (MessagePack map)
//! ```
//!
//! It is replaced as a whole: written beside, synced, renamed, the directory synced.

use std::io;
use std::path::{Path, PathBuf};

use odeon_kernel::disk::SharedDisk;
use serde::{Deserialize, Serialize};

use crate::types::{ReplicaId, StoredLogId, StoredVote};

const MAGIC: &[u8; 8] = b"ODNRAFTS";
const FILE_NAME: &str = "raft-state";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct HardState {
    #[serde(rename = "cluster")]
    pub(crate) cluster_id: String,
    #[serde(rename = "replica")]
    pub(crate) replica: ReplicaId,
    #[serde(rename = "vote")]
    pub(crate) vote: Option<StoredVote>,
    #[serde(rename = "purged")]
    pub(crate) purged: Option<StoredLogId>,
}

impl HardState {
    pub(crate) fn path(dir: &Path) -> PathBuf {
        dir.join(FILE_NAME)
    }

    /// Reads the file; `None` when there is none.
    pub(crate) fn read(disk: &SharedDisk, dir: &Path) -> io::Result<Option<Self>> {
        let path = Self::path(dir);
        if !disk.exists(&path) {
            return Ok(None);
        }
        let bytes = disk.read(&path)?;
        let broken = |what: &str| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{} is damaged: {what}", path.display()),
            )
        };
        let rest = bytes
            .strip_prefix(MAGIC)
            .ok_or_else(|| broken("it starts with other bytes"))?;
        let (len, rest) = rest
            .split_first_chunk::<4>()
            .ok_or_else(|| broken("it is cut"))?;
        let (sum, body) = rest
            .split_first_chunk::<4>()
            .ok_or_else(|| broken("it is cut"))?;
        if body.len() != u32::from_le_bytes(*len) as usize {
            return Err(broken("its length is wrong"));
        }
        if crc32fast::hash(body) != u32::from_le_bytes(*sum) {
            return Err(broken("its checksum is wrong"));
        }
        rmp_serde::from_slice(body)
            .map(Some)
            .map_err(|error| broken(&error.to_string()))
    }

    /// Replaces the file; durable on return.
    pub(crate) fn write(&self, disk: &SharedDisk, dir: &Path) -> io::Result<()> {
        let body = rmp_serde::to_vec_named(self).map_err(io::Error::other)?;
        let len = u32::try_from(body.len()).map_err(io::Error::other)?;
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&len.to_le_bytes());
        bytes.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
        bytes.extend_from_slice(&body);
        disk.write_atomic(&Self::path(dir), &bytes)
    }
}
