//! A disk that knows what would still be there after a power cut.
//!
//! Everything is done on the real disk, and noted until a sync of its file system. At a power cut each
//! noted change may have reached the disk or not. So may the bytes of a file that was written, also when it
//! has got another name since: a file system need not bring bytes to the disk before a name.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use supervisor_sync::system::Disk;
use supervisor_sync::system::files::{Entry, FileContent, FileEnd, Files};

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    Folder(u32),
    File { bytes: Vec<u8>, mode: u32 },
}

/// Everything in the folders of the host that count.
pub(super) type Tree = BTreeMap<PathBuf, Node>;

/// The folders of a host, each on a file system of its own.
pub(super) const FILE_SYSTEMS: [&str; 4] = ["conf.d", "logrotate.d", "log", "state"];

/// What has become of the bytes of a file that was never synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bytes {
    Whole,
    Half,
    None,
}

/// A change that is not on the disk for certain.
#[derive(Debug, Clone)]
enum Change {
    Write { path: PathBuf, node: Node },
    Rename { from: PathBuf, to: PathBuf, node: Node },
    Remove { path: PathBuf },
    Folders { made: Vec<(PathBuf, u32)> },
}

/// Thrown when the power goes.
pub(super) struct PowerCut;

/// The disk, see the module.
pub(super) struct FragileDisk {
    root: PathBuf,
    /// After how many changes the power goes.
    cut_after: usize,
    count: RefCell<usize>,
    durable: RefCell<Tree>,
    pending: RefCell<Vec<Change>>,
}

impl FragileDisk {
    pub(super) fn new(root: &Path, cut_after: usize) -> Self {
        Self {
            root: root.to_owned(),
            cut_after,
            count: RefCell::new(0),
            durable: RefCell::new(tree(root)),
            pending: RefCell::default(),
        }
    }

    /// How many changes may be lost.
    pub(super) fn pending(&self) -> usize {
        self.pending.borrow().len()
    }

    /// What is there when the power comes back, if these changes were kept.
    pub(super) fn after(&self, kept: &[bool], bytes: impl Fn(usize) -> Bytes) -> Tree {
        let mut tree = self.durable.borrow().clone();
        for (index, change) in self.pending.borrow().iter().enumerate().filter(|(i, _)| kept[*i]) {
            match change.clone() {
                Change::Write { path, node } => {
                    tree.insert(path, node.with(bytes(index)));
                }
                Change::Rename { from, to, node } => {
                    tree.remove(&from);
                    // Bytes that were not synced before the rename may be lost behind it.
                    let node = match self.unsynced(&from, index) {
                        Some(written) => node.with(bytes(written)),
                        None => node,
                    };
                    tree.insert(to, node);
                }
                Change::Remove { path } => {
                    tree.remove(&path);
                }
                Change::Folders { made } => {
                    tree.extend(made.into_iter().map(|(path, mode)| (path, Node::Folder(mode))));
                }
            }
        }
        let folders: Vec<PathBuf> = tree
            .iter()
            .filter(|(_, node)| matches!(node, Node::Folder(_)))
            .map(|(path, _)| path.clone())
            .collect();
        let is_there = |folder: &Path| folder == self.root || folders.iter().any(|f| f == folder);
        let reachable =
            |path: &Path| path.ancestors().skip(1).take_while(|a| *a != self.root).all(is_there);
        tree.retain(|path, _| reachable(path));
        tree
    }

    /// Which change before this one has written a file that is not synced.
    fn unsynced(&self, path: &Path, before: usize) -> Option<usize> {
        let pending = self.pending.borrow();
        let writes = |change: &Change| matches!(change, Change::Write { path: p, .. } if p == path);
        pending[..before].iter().rposition(writes)
    }

    fn note(&self, change: Change) {
        self.pending.borrow_mut().push(change);
        let count = *self.count.borrow() + 1;
        *self.count.borrow_mut() = count;
        if count == self.cut_after {
            std::panic::resume_unwind(Box::new(PowerCut));
        }
    }

    fn file_system(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.root).unwrap().components().take(1).collect()
    }
}

impl Change {
    fn path(&self) -> &Path {
        match self {
            Self::Write { path, .. } | Self::Remove { path } => path,
            Self::Rename { to, .. } => to,
            Self::Folders { made } => &made[0].0,
        }
    }
}

impl Node {
    fn with(self, bytes: Bytes) -> Self {
        match (self, bytes) {
            (Self::File { bytes, mode }, Bytes::Half) => {
                Self::File { bytes: bytes[..bytes.len() / 2].to_vec(), mode }
            }
            (Self::File { mode, .. }, Bytes::None) => Self::File { bytes: Vec::new(), mode },
            (node, _) => node,
        }
    }
}

/// What is there now.
pub(super) fn tree(root: &Path) -> Tree {
    fn walk(folder: &Path, tree: &mut Tree) {
        let Ok(entries) = std::fs::read_dir(folder) else { return };
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
        tree.insert(folder.to_owned(), Node::Folder(mode(folder)));
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, tree);
            } else {
                let bytes = std::fs::read(&path).unwrap();
                tree.insert(path.clone(), Node::File { bytes, mode: mode(&path) });
            }
        }
    }
    let mut tree = Tree::new();
    for folder in FILE_SYSTEMS {
        walk(&root.join(folder), &mut tree);
    }
    tree
}

/// Makes it so.
pub(super) fn make(root: &Path, tree: &Tree) {
    for folder in FILE_SYSTEMS {
        let _ = std::fs::remove_dir_all(root.join(folder));
    }
    for (path, node) in tree {
        let mode = match node {
            Node::Folder(mode) => {
                std::fs::create_dir_all(path).unwrap();
                mode
            }
            Node::File { bytes, mode } => {
                std::fs::write(path, bytes).unwrap();
                mode
            }
        };
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(*mode)).unwrap();
    }
}

impl Files for FragileDisk {
    fn read(&self, path: &Path) -> io::Result<Entry> {
        Disk.read(path)
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
        Disk.names(folder)
    }

    fn stage(&self, path: &Path, content: &FileContent) -> io::Result<()> {
        Disk.stage(path, content)?;
        let node = Node::File { bytes: content.bytes.to_vec(), mode: content.mode };
        self.note(Change::Write { path: path.to_owned(), node });
        Ok(())
    }

    fn stage_link(&self, path: &Path, target: &Path) -> io::Result<()> {
        Disk.stage_link(path, target)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Disk.rename(from, to)?;
        let mode = to.metadata()?.permissions().mode() & 0o7777;
        let node = Node::File { bytes: std::fs::read(to)?, mode };
        let (from, to) = (from.to_owned(), to.to_owned());
        self.note(Change::Rename { from, to, node });
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let was_there = path.exists();
        Disk.remove(path)?;
        if was_there {
            self.note(Change::Remove { path: path.to_owned() });
        }
        Ok(())
    }

    fn remove_log(&self, path: &Path) -> io::Result<()> {
        Disk.remove_log(path)
    }

    fn create_folder(&self, path: &Path, mode: u32) -> io::Result<()> {
        let missing: Vec<PathBuf> =
            path.ancestors().take_while(|folder| !folder.exists()).map(Path::to_owned).collect();
        Disk.create_folder(path, mode)?;
        let made: Vec<(PathBuf, u32)> = missing.into_iter().rev().map(|f| (f, mode)).collect();
        if !made.is_empty() {
            self.note(Change::Folders { made });
        }
        Ok(())
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        let was_there = path.exists();
        Disk.remove_folder(path)?;
        if was_there {
            self.note(Change::Remove { path: path.to_owned() });
        }
        Ok(())
    }

    fn end(&self, path: &Path) -> io::Result<FileEnd> {
        Disk.end(path)
    }
    fn tail(&self, path: &Path, bytes: u64, since: Option<FileEnd>) -> io::Result<Vec<u8>> {
        Disk.tail(path, bytes, since)
    }

    fn problem_with_code(&self, path: &Path, executable: bool) -> Option<String> {
        Disk.problem_with_code(path, executable)
    }

    fn sync(&self, folders: &[&Path]) -> io::Result<()> {
        let synced: Vec<PathBuf> = folders.iter().map(|f| self.file_system(f)).collect();
        let mut durable = self.durable.borrow_mut();
        let now = tree(&self.root);
        let is_synced = |path: &Path| synced.contains(&self.file_system(path));
        durable.retain(|path, _| !is_synced(path));
        durable.extend(now.into_iter().filter(|(path, _)| is_synced(path)));
        self.pending.borrow_mut().retain(|change| !is_synced(change.path()));
        Ok(())
    }
}
