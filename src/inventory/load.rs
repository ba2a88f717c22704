//! Finds the inventory and brings its text. The only module of this stage that touches the disk and
//! the environment.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::beside::{Beside, is_match};
use crate::error::CommandError;

/// The largest inventory that is read, in bytes: 16 MiB, far beyond what people write.
pub(super) const LARGEST_BYTES: u64 = 16 << 20;

/// Where the inventory is if nobody says, here or in a folder above.
const FILE_NAME: &str = "deployer.yml";

/// Names standard input in place of a file.
const STDIN: &str = "-";

/// Names the inventory if the command line does not.
const VARIABLE: &str = "SUPERVISOR_SYNC_INVENTORY";

/// An inventory's text and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The file, relative if it was named so.
    pub path: PathBuf,
    /// Checked to be UTF-8, not yet to be YAML.
    pub text: String,
}

impl Loaded {
    /// The file's name for messages.
    pub fn name(&self) -> String {
        match is_stdin(&self.path) {
            true => "stdin".to_owned(),
            false => self.path.display().to_string(),
        }
    }

    /// What lies beside it.
    pub fn folder(&self) -> Folder {
        Folder::of(&self.path)
    }

    /// The file wherever one stands: absolute, links resolved.
    pub fn absolute(&self) -> PathBuf {
        if is_stdin(&self.path) {
            return PathBuf::from("/dev/stdin");
        }
        let real = std::fs::canonicalize(&self.path).or_else(|_| std::path::absolute(&self.path));
        real.unwrap_or_else(|_| self.path.clone())
    }
}

/// The folder of an inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder(PathBuf);

impl Folder {
    /// That of the inventory at this path, which need not be there.
    pub fn of(inventory: &Path) -> Self {
        Self(inventory.parent().map(Path::to_owned).unwrap_or_default())
    }

    /// A path that counts from it.
    pub fn join(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }
}

impl Beside for Folder {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let file = File::open(self.0.join(path)).map_err(|error| error.to_string())?;
        let mut bytes = Vec::new();
        let read = file.take(LARGEST_BYTES + 1).read_to_end(&mut bytes);
        read.map_err(|error| error.to_string())?;
        match bytes.len() as u64 > LARGEST_BYTES {
            true => Err(format!("it is larger than {} MiB", LARGEST_BYTES >> 20)),
            false => Ok(bytes),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "an edge: what lies beside an inventory")]
    fn matching(&self, pattern: &str) -> Result<Vec<String>, String> {
        let (folder, _) = pattern.rsplit_once('/').unwrap_or(("", pattern));
        let names = std::fs::read_dir(self.0.join(folder).join(".")).map_err(|e| e.to_string())?;
        let mut paths = Vec::new();
        for name in names {
            let name = name.map_err(|error| error.to_string())?.file_name();
            let path = Path::new(folder).join(&name);
            let is_file = self.0.join(&path).is_file();
            if let Some(path) = path.to_str().filter(|path| is_file && is_match(pattern, path)) {
                paths.push(path.to_owned());
            }
        }
        paths.sort_unstable();
        Ok(paths)
    }
}

/// Finds and reads the inventory: `explicit` (`--inventory FILE`), else the file that
/// `$SUPERVISOR_SYNC_INVENTORY` names, else `deployer.yml` in the current folder or one above. `-` is
/// standard input; what it names beside itself counts from the current folder.
pub fn load(explicit: Option<&Path>) -> Result<Loaded, CommandError> {
    #[expect(clippy::disallowed_methods, reason = "this is where the inventory is chosen")]
    let variable = std::env::var_os(VARIABLE);
    let path = match chosen(explicit, variable) {
        Some(path) => path,
        None => {
            let folder = std::env::current_dir().map_err(|error| {
                CommandError::refused("cannot tell the current folder").caused_by(&error)
            })?;
            found(&folder)?
        }
    };
    let text = read_text(&path)?;
    Ok(Loaded { path, text })
}

/// Where an inventory is, or would be: as [`load`] looks for it, else `deployer.yml` in the current folder.
/// And what is there.
pub fn load_or_place(explicit: Option<&Path>) -> Result<(PathBuf, Option<Loaded>), CommandError> {
    #[expect(clippy::disallowed_methods, reason = "this is where the inventory is chosen")]
    let variable = std::env::var_os(VARIABLE);
    let folder = std::env::current_dir().map_err(|error| {
        CommandError::refused("cannot tell the current folder").caused_by(&error)
    })?;
    let path = chosen(explicit, variable).or_else(|| found(&folder).ok());
    let path = path.unwrap_or_else(|| PathBuf::from(FILE_NAME));
    if path.symlink_metadata().is_err() {
        return Ok((path, None));
    }
    let text = read_text(&path)?;
    Ok((path.clone(), Some(Loaded { path, text })))
}

/// The file somebody named. An empty variable counts as not set, as shells have no other way to
/// unset it for one command.
fn chosen(explicit: Option<&Path>, variable: Option<OsString>) -> Option<PathBuf> {
    let variable = variable.filter(|value| !value.is_empty()).map(PathBuf::from);
    explicit.map(Path::to_path_buf).or(variable)
}

/// `deployer.yml` in `folder` or the nearest folder above it.
fn found(folder: &Path) -> Result<PathBuf, CommandError> {
    found_among(folder.ancestors(), folder)
}

/// The same in these folders, of which the first that has it counts.
fn found_among<'f>(
    mut folders: impl Iterator<Item = &'f Path>,
    folder: &Path,
) -> Result<PathBuf, CommandError> {
    let path = folders.find_map(|one| Some(one.join(FILE_NAME)).filter(|path| path.is_file()));
    path.ok_or_else(|| {
        let error = CommandError::refused(format!(
            "no inventory: there is no {FILE_NAME} in {} or a folder above it",
            folder.display()
        ))
        .hint(format!("name one: --inventory FILE, or set {VARIABLE}"))
        .hint("begin one: supervisor-sync init");
        let newer = Path::new(".deployer").join("inventory.yml");
        if folder.join(&newer).is_file() {
            return error.hint(format!("DeployerPHP's own: --inventory {}", newer.display()));
        }
        error
    })
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new(STDIN)
}

/// Reads a text file that somebody named.
pub(crate) fn read_text(path: &Path) -> Result<String, CommandError> {
    let name = if is_stdin(path) { "stdin".into() } else { path.display().to_string() };
    let mut bytes = Vec::new();
    open(path)
        .and_then(|file| file.take(LARGEST_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| CommandError::refused(format!("cannot read {name}")).caused_by(&error))?;
    if bytes.len() as u64 > LARGEST_BYTES {
        let message = format!("{name} is larger than {} MiB", LARGEST_BYTES >> 20);
        return Err(CommandError::refused(message).hint("is this the right file?"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        CommandError::refused(format!("{name} is not UTF-8 text (line {line})"))
            .hint("save it as UTF-8")
    })
}

/// Standard input by its descriptor: `/dev/stdin` cannot be opened where that is a socket, as under sshd.
fn open(path: &Path) -> io::Result<Box<dyn Read>> {
    Ok(match is_stdin(path) {
        true => Box::new(io::stdin().lock()),
        false => Box::new(File::open(path)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
        let path = folder.join(name);
        std::io::Write::write_all(&mut File::create(&path).unwrap(), bytes).unwrap();
        path
    }

    /// An empty variable counts as none.
    #[test]
    fn command_line_wins_over_variable() {
        let (a, b) = (Path::new("a.yml"), OsString::from("b.yml"));
        assert_eq!(chosen(Some(a), Some(b.clone())), Some(a.to_path_buf()));
        assert_eq!(chosen(None, Some(b)), Some(PathBuf::from("b.yml")));
        assert_eq!(chosen(None, Some(OsString::new())), None);
        assert_eq!(chosen(None, None), None);
    }

    #[test]
    fn nearest_file_above_is_found() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("a/b");
        std::fs::DirBuilder::new().recursive(true).create(deep.join(FILE_NAME)).unwrap();
        let above = file(root.path(), FILE_NAME, b"sites: []\n");
        assert_eq!(found(&deep).unwrap(), above);
        let nearer = file(&root.path().join("a"), FILE_NAME, b"sites: []\n");
        assert_eq!(found(&deep).unwrap(), nearer);
    }

    #[test]
    fn nothing_found_says_what_to_do() {
        let root = tempfile::tempdir().unwrap();
        // Not above it: whoever works on this machine may have an inventory there.
        let found = || found_among(std::iter::once(root.path()), root.path());
        let error = found().unwrap_err();
        assert!(error.message.starts_with("no inventory: there is no deployer.yml in /"));
        assert_eq!(error.hints.len(), 2);
        std::fs::DirBuilder::new().create(root.path().join(".deployer")).unwrap();
        file(root.path(), ".deployer/inventory.yml", b"");
        let error = found().unwrap_err();
        assert_eq!(error.hints[2], "DeployerPHP's own: --inventory .deployer/inventory.yml");
    }

    #[test]
    fn unreadable_file_is_refused_with_reason() {
        let root = tempfile::tempdir().unwrap();
        let message = |path: &Path| load(Some(path)).unwrap_err().to_string();
        assert!(message(root.path()).contains("Is a directory"));
        assert!(message(&root.path().join("none")).contains("No such file"));
        let latin = file(root.path(), "latin.yml", b"a: 1\nb: \xe9\n");
        assert!(message(&latin).contains("is not UTF-8 text (line 2)"));
        let large = file(root.path(), "large.yml", &vec![b'#'; (LARGEST_BYTES + 1) as usize]);
        assert!(message(&large).contains("is larger than 16 MiB"));
        assert!(message(Path::new("/dev/zero")).contains("is larger than 16 MiB"));
        let good = file(root.path(), "good.yml", "sites: [] # ä\n".as_bytes());
        assert_eq!(load(Some(&good)).unwrap().text, "sites: [] # ä\n");
    }
}
