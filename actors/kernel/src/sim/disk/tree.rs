//! Names and what they lead to, now and after a power cut.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::path::{Component, Path};

use super::content::Content;

/// A file or directory, however it is called.
pub(super) type InodeId = u64;

const ROOT: InodeId = 0;

#[derive(Debug, Clone)]
pub(super) struct FileInode {
    pub(super) content: Content,
    pub(super) modified_ms: i64,
}

#[derive(Debug, Clone)]
enum Inode {
    File(FileInode),
    Dir {
        now: BTreeMap<String, InodeId>,
        durable: BTreeMap<String, InodeId>,
    },
}

/// A creation, removal or rename that no sync has made durable.
#[derive(Debug, Clone)]
struct NameOp {
    /// Directory, name, and what the name leads to afterwards.
    changes: Vec<(InodeId, String, Option<InodeId>)>,
    /// What is created, removed or renamed.
    subject: InodeId,
}

/// The whole file system.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    inodes: HashMap<InodeId, Inode>,
    next_inode: InodeId,
    pending: Vec<NameOp>,
    pub(super) used_bytes: u64,
}

fn not_found(path: &Path) -> io::Error {
    io::Error::new(
        io::ErrorKind::NotFound,
        format!("{} does not exist", path.display()),
    )
}

fn error(kind: io::ErrorKind, path: &Path) -> io::Error {
    io::Error::new(kind, path.display().to_string())
}

impl Tree {
    pub(super) fn new() -> Self {
        let mut inodes = HashMap::new();
        inodes.insert(
            ROOT,
            Inode::Dir {
                now: BTreeMap::new(),
                durable: BTreeMap::new(),
            },
        );
        Self {
            inodes,
            next_inode: 1,
            pending: Vec::new(),
            used_bytes: 0,
        }
    }

    pub(super) fn find(&self, path: &Path) -> io::Result<InodeId> {
        let mut inode = ROOT;
        for component in path.components() {
            let name = match component {
                Component::RootDir | Component::CurDir => continue,
                Component::Normal(name) => name.to_string_lossy(),
                _ => return Err(error(io::ErrorKind::InvalidInput, path)),
            };
            let entries = self.entries(inode, path)?;
            inode = *entries.get(&*name).ok_or_else(|| not_found(path))?;
        }
        Ok(inode)
    }

    /// The directory that holds the last name of `path`, and that name.
    fn parent(&self, path: &Path) -> io::Result<(InodeId, String)> {
        let name = path
            .file_name()
            .ok_or_else(|| error(io::ErrorKind::InvalidInput, path))?;
        let parent = self.find(path.parent().unwrap_or(Path::new("")))?;
        self.entries(parent, path)?;
        Ok((parent, name.to_string_lossy().into_owned()))
    }

    fn entries(&self, inode: InodeId, path: &Path) -> io::Result<&BTreeMap<String, InodeId>> {
        match self.inodes.get(&inode) {
            Some(Inode::Dir { now, .. }) => Ok(now),
            Some(Inode::File(_)) => Err(error(io::ErrorKind::NotADirectory, path)),
            None => Err(not_found(path)),
        }
    }

    pub(super) fn is_dir(&self, inode: InodeId) -> bool {
        matches!(self.inodes.get(&inode), Some(Inode::Dir { .. }))
    }

    pub(super) fn list(&self, path: &Path) -> io::Result<Vec<(String, bool)>> {
        let entries = self.entries(self.find(path)?, path)?;
        Ok(entries
            .iter()
            .map(|(name, id)| (name.clone(), self.is_dir(*id)))
            .collect())
    }

    pub(super) fn file(&mut self, inode: InodeId) -> io::Result<&mut FileInode> {
        match self.inodes.get_mut(&inode) {
            Some(Inode::File(file)) => Ok(file),
            Some(Inode::Dir { .. }) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn apply(&mut self, op: NameOp) {
        for (dir, name, target) in &op.changes {
            if let Some(Inode::Dir { now, .. }) = self.inodes.get_mut(dir) {
                match target {
                    Some(inode) => drop(now.insert(name.clone(), *inode)),
                    None => drop(now.remove(name)),
                }
            }
        }
        self.pending.push(op);
    }

    fn create(&mut self, path: &Path, inode: Inode) -> io::Result<InodeId> {
        let (dir, name) = self.parent(path)?;
        if self.entries(dir, path)?.contains_key(&name) {
            return Err(error(io::ErrorKind::AlreadyExists, path));
        }
        let id = self.next_inode;
        self.next_inode += 1;
        self.inodes.insert(id, inode);
        self.apply(NameOp {
            changes: vec![(dir, name, Some(id))],
            subject: id,
        });
        Ok(id)
    }

    pub(super) fn create_file(&mut self, path: &Path, modified_ms: i64) -> io::Result<InodeId> {
        self.create(
            path,
            Inode::File(FileInode {
                content: Content::default(),
                modified_ms,
            }),
        )
    }

    pub(super) fn create_dir_all(&mut self, path: &Path) -> io::Result<()> {
        let mut ancestors: Vec<_> = path.ancestors().collect();
        ancestors.reverse();
        for ancestor in ancestors {
            match self.find(ancestor) {
                Ok(inode) => drop(self.entries(inode, ancestor)?),
                Err(_) => {
                    let dir = Inode::Dir {
                        now: BTreeMap::new(),
                        durable: BTreeMap::new(),
                    };
                    self.create(ancestor, dir)?;
                }
            }
        }
        Ok(())
    }

    fn forget_bytes(&mut self, inode: InodeId) {
        if let Some(Inode::File(file)) = self.inodes.get(&inode) {
            self.used_bytes = self
                .used_bytes
                .saturating_sub(file.content.bytes().len() as u64);
        }
    }

    pub(super) fn remove(&mut self, path: &Path, dir_wanted: bool) -> io::Result<()> {
        let inode = self.find(path)?;
        if dir_wanted {
            if !self.entries(inode, path)?.is_empty() {
                return Err(error(io::ErrorKind::DirectoryNotEmpty, path));
            }
        } else if self.is_dir(inode) {
            return Err(error(io::ErrorKind::IsADirectory, path));
        }
        let (dir, name) = self.parent(path)?;
        self.forget_bytes(inode);
        self.apply(NameOp {
            changes: vec![(dir, name, None)],
            subject: inode,
        });
        Ok(())
    }

    pub(super) fn remove_dir_all(&mut self, path: &Path) -> io::Result<()> {
        for (name, is_dir) in self.list(path)? {
            let inner = path.join(name);
            if is_dir {
                self.remove_dir_all(&inner)?;
            } else {
                self.remove(&inner, false)?;
            }
        }
        self.remove(path, true)
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let inode = self.find(from)?;
        let (from_dir, from_name) = self.parent(from)?;
        let (to_dir, to_name) = self.parent(to)?;
        if (from_dir, &from_name) == (to_dir, &to_name) {
            return Ok(());
        }
        if let Some(replaced) = self.entries(to_dir, to)?.get(&to_name).copied() {
            match (self.is_dir(inode), self.is_dir(replaced)) {
                (false, false) => self.forget_bytes(replaced),
                (true, true) if self.entries(replaced, to)?.is_empty() => {}
                (true, true) => return Err(error(io::ErrorKind::DirectoryNotEmpty, to)),
                (true, false) => return Err(error(io::ErrorKind::NotADirectory, to)),
                (false, true) => return Err(error(io::ErrorKind::IsADirectory, to)),
            }
        }
        if self.is_dir(inode) && to.starts_with(from) {
            return Err(error(io::ErrorKind::InvalidInput, to));
        }
        let changes = vec![(from_dir, from_name, None), (to_dir, to_name, Some(inode))];
        self.apply(NameOp {
            changes,
            subject: inode,
        });
        Ok(())
    }

    /// Makes the pending names of a directory durable, and with them what they build on; but no
    /// rename from or to a name that is `ignored`.
    pub(super) fn sync_dir(
        &mut self,
        path: &Path,
        ignored: &dyn Fn(&str) -> bool,
    ) -> io::Result<()> {
        let dir = self.find(path)?;
        self.entries(dir, path)?;
        let mut touched: HashSet<(InodeId, String)> = HashSet::new();
        let mut subjects: HashSet<InodeId> = HashSet::new();
        let mut durable = Vec::new();
        for op in std::mem::take(&mut self.pending).into_iter().rev() {
            let is_ignored =
                op.changes.len() > 1 && op.changes.iter().any(|(_, name, _)| ignored(name));
            let wanted = op
                .changes
                .iter()
                .any(|(of, name, _)| *of == dir || touched.contains(&(*of, name.clone())))
                || subjects.contains(&op.subject);
            if wanted && !is_ignored {
                touched.extend(op.changes.iter().map(|(of, name, _)| (*of, name.clone())));
                subjects.insert(op.subject);
                durable.push(op);
            } else {
                self.pending.push(op);
            }
        }
        self.pending.reverse();
        for op in durable.into_iter().rev() {
            self.make_durable(&op);
        }
        Ok(())
    }

    fn make_durable(&mut self, op: &NameOp) {
        for (dir, name, target) in &op.changes {
            if let Some(Inode::Dir { durable, .. }) = self.inodes.get_mut(dir) {
                match target {
                    Some(inode) => drop(durable.insert(name.clone(), *inode)),
                    None => drop(durable.remove(name)),
                }
            }
        }
    }

    pub(super) fn is_synced(&self) -> bool {
        let synced = |inode: &Inode| match inode {
            Inode::File(file) => file.content.is_synced(),
            Inode::Dir { .. } => true,
        };
        self.pending.is_empty() && self.inodes.values().all(synced)
    }

    /// Loses power. `choose(n)` picks a number below n; the highest means "the newest survives".
    pub(super) fn cut(&mut self, choose: &mut dyn FnMut(usize) -> usize) {
        let mut lost: HashSet<InodeId> = HashSet::new();
        for op in std::mem::take(&mut self.pending) {
            // What happens to a thing later does not survive what happened to it earlier.
            if !lost.contains(&op.subject) && choose(2) == 1 {
                self.make_durable(&op);
            } else {
                lost.insert(op.subject);
            }
        }
        self.keep_reachable();
        let mut ids: Vec<InodeId> = self.inodes.keys().copied().collect();
        ids.sort_unstable();
        self.used_bytes = 0;
        for id in ids {
            match self.inodes.get_mut(&id) {
                Some(Inode::File(file)) => {
                    file.content.cut(choose);
                    self.used_bytes += file.content.bytes().len() as u64;
                }
                Some(Inode::Dir { now, durable }) => now.clone_from(durable),
                None => {}
            }
        }
    }

    /// Drops what no durable name leads to.
    fn keep_reachable(&mut self) {
        let (mut reachable, mut todo) = (HashSet::new(), vec![ROOT]);
        while let Some(inode) = todo.pop() {
            if reachable.insert(inode)
                && let Some(Inode::Dir { durable, .. }) = self.inodes.get(&inode)
            {
                todo.extend(durable.values());
            }
        }
        self.inodes.retain(|inode, _| reachable.contains(inode));
    }
}
