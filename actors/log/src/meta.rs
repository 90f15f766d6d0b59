//! Whose a log directory is.
//!
//! ```text
//! meta.properties      version=1
//!                      cluster.id=4L6g3nShT-eMCtK--X86sw     missing until the node has joined one
//!                      node.id=1
//!                      directory.id=ggqSzwxVCEP5CZ1Ldbr7wg
//! .kafka_cleanshutdown {"version":0,"brokerEpoch":13}      there only after a clean stop
//! .lock                held by the process that uses the directory
//! ```

use std::path::Path;

use odeon_kernel::disk::SharedDisk;
use odeon_model::{NodeId, Uuid};

use crate::checkpoint::read_text;
use crate::error::{At, LogError, Result};

pub(crate) const META: &str = "meta.properties";
pub(crate) const CLEAN_SHUTDOWN: &str = ".kafka_cleanshutdown";
pub(crate) const LOCK: &str = ".lock";

/// The content of `meta.properties`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetaProperties {
    /// The cluster the directory belongs to; `None` until its node has joined one.
    pub cluster_id: Option<String>,
    /// The node it belongs to.
    pub node_id: NodeId,
    /// Its own id; zero in files of old versions of Apache Kafka.
    pub directory_id: Uuid,
}

impl MetaProperties {
    /// Reads a directory's file; `None` if there is none.
    ///
    /// # Errors
    /// `Corrupt` if a key is missing or malformed, `WrongOwner` for an unknown version, `Io`.
    pub fn read(disk: &SharedDisk, dir: &Path) -> Result<Option<Self>> {
        let path = dir.join(META);
        let Some(text) = read_text(disk, &path)? else {
            return Ok(None);
        };
        let value = |key: &str| {
            let lines = text
                .lines()
                .map(str::trim_start)
                .filter(|line| !line.starts_with('#'));
            lines
                .filter_map(|line| line.split_once(['=', ':']))
                .find(|(name, _)| name.trim() == key)
                .map(|(_, value)| value.trim().replace('\\', ""))
        };
        let version = value("version").unwrap_or_default();
        if version != "1" {
            let (key, wanted) = ("version", "1".to_owned());
            return Err(LogError::WrongOwner {
                path,
                key,
                found: version,
                wanted,
            });
        }
        let corrupt = |detail: &str| LogError::Corrupt {
            path: path.clone(),
            detail: detail.into(),
        };
        let cluster_id = value("cluster.id").filter(|id| !id.is_empty());
        let node_id = value("node.id").and_then(|id| id.parse().ok());
        let directory_id = match value("directory.id") {
            Some(id) => id
                .parse()
                .map_err(|_| corrupt("directory.id is not an id"))?,
            None => Uuid::ZERO,
        };
        Ok(Some(Self {
            cluster_id,
            node_id: node_id.ok_or_else(|| corrupt("node.id is missing or not a number"))?,
            directory_id,
        }))
    }

    /// Writes a directory's file, durably.
    ///
    /// # Errors
    /// `Io`.
    pub fn write(&self, disk: &SharedDisk, dir: &Path) -> Result<()> {
        let path = dir.join(META);
        let cluster_id = self.cluster_id.iter();
        let cluster_id: String = cluster_id.map(|id| format!("cluster.id={id}\n")).collect();
        let text = format!(
            "version=1\n{cluster_id}node.id={}\ndirectory.id={}\n",
            self.node_id, self.directory_id
        );
        disk.write_atomic(&path, text.as_bytes())
            .at("writing", &path)
    }

    /// Refuses a directory of another cluster or node.
    pub(crate) fn check(
        &self,
        dir: &Path,
        cluster_id: Option<&str>,
        node_id: NodeId,
    ) -> Result<()> {
        let wrong = |key, found: &str, wanted: &str| {
            let (path, found, wanted) = (dir.join(META), found.to_owned(), wanted.to_owned());
            Err(LogError::WrongOwner {
                path,
                key,
                found,
                wanted,
            })
        };
        if let (Some(found), Some(wanted)) = (self.cluster_id.as_deref(), cluster_id)
            && found != wanted
        {
            return wrong("cluster.id", found, wanted);
        }
        if self.node_id != node_id {
            return wrong("node.id", &self.node_id.to_string(), &node_id.to_string());
        }
        Ok(())
    }
}
