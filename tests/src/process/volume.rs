//! File systems of their own for log directories: one that fills up, and one that blocks.
//!
//! They take root, and Linux's `mount`.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is special about a log directory's file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Volume {
    /// Nothing.
    Shared,
    /// It has room for this many MB, in memory.
    Small(u32),
    /// Writes to it can be blocked: ext4 in a file of this many MB.
    Blockable(u32),
}

/// A file system that is mounted on a directory. Dropping it unmounts it.
#[derive(Debug)]
pub(super) struct Mount {
    at: PathBuf,
    is_blocked: bool,
    keeps: bool,
}

impl Mount {
    /// Mounts a volume on a directory, which is made; nothing for a shared one.
    ///
    /// # Errors
    /// This machine does not allow it.
    pub(super) fn new(volume: Volume, at: &Path) -> io::Result<Option<Self>> {
        let mut mount = Command::new("mount");
        match volume {
            Volume::Shared => return Ok(None),
            Volume::Small(mb) => {
                let size = format!("size={mb}m");
                mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]);
            }
            Volume::Blockable(mb) => {
                let image = at.with_extension("ext4");
                File::create(&image)?.set_len(u64::from(mb) << 20)?;
                super::run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image))?;
                mount.args(["-o", "loop"]).arg(image);
            }
        }
        fs::create_dir_all(at)?;
        super::run(mount.arg(at))?;
        // A log directory of its own holds nothing else.
        let _ = fs::remove_dir(at.join("lost+found"));
        Ok(Some(Self {
            at: at.to_owned(),
            is_blocked: false,
            keeps: false,
        }))
    }

    /// Blocks all writes, or lets them go on.
    ///
    /// # Errors
    /// The file system cannot do that.
    pub(super) fn block(&mut self, block: bool) -> io::Result<()> {
        if block != self.is_blocked {
            let flag = if block { "--freeze" } else { "--unfreeze" };
            super::run(Command::new("fsfreeze").arg(flag).arg(&self.at))?;
            self.is_blocked = block;
        }
        Ok(())
    }

    /// Takes all the room that is left.
    ///
    /// # Errors
    /// Anything but that there is no room.
    pub(super) fn fill(&self) -> io::Result<()> {
        let mut ballast = File::options()
            .create(true)
            .append(true)
            .open(self.ballast())?;
        for size in [1 << 20, 4096] {
            let bytes = vec![0; size];
            loop {
                match ballast.write(&bytes) {
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::StorageFull => break,
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// Gives back what `fill` took.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub(super) fn free(&self) -> io::Result<()> {
        fs::remove_file(self.ballast())
    }

    fn ballast(&self) -> PathBuf {
        self.at.join(".ballast")
    }

    /// What is on it outlives the mount, for a person to look at.
    pub(super) fn keep(&mut self) {
        self.keeps = true;
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = self.block(false);
        if self.keeps {
            let copy = self.at.with_extension("kept");
            let _ = super::run(Command::new("cp").arg("-a").arg(&self.at).arg(copy));
        }
        let _ = super::run(Command::new("umount").arg(&self.at));
    }
}
