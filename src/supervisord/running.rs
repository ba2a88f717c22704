//! A supervisord that runs, as `/proc` tells of it: which process it is, with which environment it was
//! started, and where it listens. Its files may say something else by now: it reads that part of them
//! only when it starts.

#![expect(clippy::disallowed_methods, reason = "an edge: /proc, and whose files are the same")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::net::Ipv4Addr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// Where a process listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ListeningSocket {
    Unix(PathBuf),
    Tcp { host: String, port: u16 },
}

/// The process that runs with this main file. The pidfile says which it may be, else all processes are
/// looked at: where the configuration has none, it lies in a folder that only supervisord knows.
///
/// Anybody can start something of that name, and who works as root would believe it: so only a process
/// of root, of whoever asks, or of the owner of the main file counts. By all of its ids: a set-uid
/// program is root's by the owner of its folder in `/proc`, with the arguments and open sockets of
/// whoever has started it.
pub(super) fn find(main: &Path, pidfile: Option<&Path>) -> Option<i32> {
    let file = fs::metadata(main).ok()?;
    let trusted = [0, rustix::process::geteuid().as_raw(), file.uid()];
    let serves = |pid: &i32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        is_of_one_of(&status, &trusted) && has_main_file(*pid, &file)
    };
    pidfile.and_then(noted).filter(serves).or_else(|| {
        let names = fs::read_dir("/proc").ok()?.filter_map(|entry| Some(entry.ok()?.file_name()));
        // The oldest: supervisord forks before it executes a program.
        names.filter_map(|name| name.to_str()?.parse().ok()).filter(serves).min()
    })
}

/// Whether the real, effective, saved and file system's user of a process, as its `status` has them, are
/// all among these.
fn is_of_one_of(status: &str, trusted: &[u32]) -> bool {
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    let ids: Vec<Option<u32>> =
        ids.unwrap_or_default().split_ascii_whitespace().map(|id| id.parse().ok()).collect();
    ids.len() == 4 && ids.iter().all(|id| id.is_some_and(|id| trusted.contains(&id)))
}

/// What a pidfile says, whether or not that is a process. It may lie where anybody can put a pipe in its
/// place, which is not waited for.
pub(super) fn noted(pidfile: &Path) -> Option<i32> {
    const LONGEST: u64 = 32;
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = fs::OpenOptions::new().read(true).custom_flags(flags).open(pidfile).ok()?;
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Whether a process is a supervisord with this very main file: a container has files of the same name.
fn has_main_file(pid: i32, file: &fs::Metadata) -> bool {
    let Ok(line) = fs::read(format!("/proc/{pid}/cmdline")) else { return false };
    let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
    // Of a script the interpreter is first.
    let at = words.iter().take(4).position(|word| {
        let name = word.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        name.starts_with(b"supervisord") || name.ends_with(b"supervisor.supervisord")
    });
    let Some(at) = at else { return false };
    let root = PathBuf::from(format!("/proc/{pid}/root"));
    let Ok(folder) = fs::read_link(format!("/proc/{pid}/cwd")) else { return false };
    let named = named_file(words.get(at + 1..).unwrap_or_default());
    let names: Vec<&Path> = match &named {
        Some(name) => vec![name],
        None => SEARCHED.iter().map(Path::new).collect(),
    };
    let found = names.into_iter().find_map(|name| {
        let path = folder.join(name);
        fs::metadata(root.join(path.strip_prefix("/").unwrap_or(&path))).ok()
    });
    found.is_some_and(|found| (found.dev(), found.ino()) == (file.dev(), file.ino()))
}

/// Where supervisord looks without `-c`, but for the folders beside itself.
const SEARCHED: [&str; 4] = [
    "supervisord.conf",
    "etc/supervisord.conf",
    "/etc/supervisord.conf",
    "/etc/supervisor/supervisord.conf",
];

/// The value of `-c` among the words of a command line.
fn named_file(words: &[&[u8]]) -> Option<PathBuf> {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        // Flags may stand before it in one word: `-nc FILE`.
        let joined = word.starts_with(b"-n") && word.ends_with(b"c") && !word.starts_with(b"--");
        let named = match *word {
            b"-c" | b"--configuration" => Some(*words.next()?),
            word => word.strip_prefix(b"--configuration=").or_else(|| word.strip_prefix(b"-c")),
        };
        let named = match named {
            None if joined => Some(*words.next()?),
            named => named,
        };
        if let Some(path) = named {
            return Some(PathBuf::from(std::ffi::OsStr::from_bytes(path)));
        }
    }
    None
}

/// The environment a process was started with; `None` where we may not see it.
pub(super) fn environment(pid: i32) -> Option<BTreeMap<String, String>> {
    let bytes = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let variables = bytes.split(|byte| *byte == 0).filter_map(|variable| {
        let text = String::from_utf8_lossy(variable);
        text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
    });
    Some(variables.collect())
}

/// Where a process listens, as far as we may see it.
pub(super) fn sockets(pid: i32) -> Vec<ListeningSocket> {
    let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    let inodes = files.filter_map(|file| {
        let link = fs::read_link(file.ok()?.path()).ok()?;
        let inode = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
        Some(inode.to_owned())
    });
    let inodes: BTreeSet<String> = inodes.collect();
    let (unix, tcp) = (net_table(pid, "unix"), net_table(pid, "tcp"));
    let unix =
        unix.lines().filter_map(|line| unix_socket(line, &inodes)).map(ListeningSocket::Unix);
    unix.chain(tcp.lines().filter_map(|line| tcp_socket(line, &inodes))).collect()
}

/// The sockets of a kind of the network namespace that a process is in.
fn net_table(pid: i32, name: &str) -> String {
    let text = fs::read(format!("/proc/{pid}/net/{name}")).unwrap_or_default();
    String::from_utf8_lossy(&text).into_owned()
}

/// A line of `/proc/net/unix`: `Num RefCount Protocol Flags Type St Inode Path`.
fn unix_socket(line: &str, inodes: &BTreeSet<String>) -> Option<PathBuf> {
    const LISTENS: &str = "00010000";
    let mut fields = line.split_ascii_whitespace();
    let flags = fields.nth(3)?;
    let inode = fields.nth(2)?;
    let (_, path) = line.split_once(&format!(" {inode} "))?;
    if flags != LISTENS || !inodes.contains(inode) || !path.starts_with('/') {
        return None;
    }
    // supervisord binds it as NAME.PID, then gives it its name.
    let named = path.rsplit_once('.').filter(|(_, pid)| pid.bytes().all(|b| b.is_ascii_digit()));
    let names = named.map(|(name, _)| name).into_iter().chain([path]);
    names
        .into_iter()
        .find(|name| fs::metadata(name).is_ok_and(|file| file.file_type().is_socket()))
        .map(PathBuf::from)
}

/// A line of `/proc/net/tcp`: `sl local_address rem_address st … inode …`.
fn tcp_socket(line: &str, inodes: &BTreeSet<String>) -> Option<ListeningSocket> {
    const LISTENS: &str = "0A";
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let (address, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
    if *state != LISTENS || !inodes.contains(*inode) {
        return None;
    }
    let (host, port) = address.split_once(':')?;
    // In the machine's own order of bytes.
    let host = Ipv4Addr::from(u32::from_str_radix(host, 16).ok()?.to_ne_bytes());
    let host = if host.is_unspecified() { Ipv4Addr::LOCALHOST } else { host };
    Some(ListeningSocket::Tcp { host: host.to_string(), port: u16::from_str_radix(port, 16).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn main_file_is_on_command_line() {
        let named = |line: &str| {
            let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            named_file(&words).map(|path| path.display().to_string())
        };
        for line in
            ["-n -c /a", "-c /a -n", "--configuration /a", "--configuration=/a", "-c/a", "-nc /a"]
        {
            assert_eq!(named(line).as_deref(), Some("/a"), "{line}");
        }
        for line in ["-n", "", "--nodaemon", "-c"] {
            assert_eq!(named(line), None, "{line}");
        }
    }

    #[test]
    fn only_listening_sockets_are_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a b.sock.77");
        let _unix = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let _client = std::os::unix::net::UnixStream::connect(&path).unwrap();
        let pid = std::process::id() as i32;
        let seen = sockets(pid);
        let port = tcp.local_addr().unwrap().port();
        assert!(seen.contains(&ListeningSocket::Unix(path.clone())), "{seen:?}");
        assert!(
            seen.contains(&ListeningSocket::Tcp { host: "127.0.0.1".into(), port }),
            "{seen:?}"
        );
        std::fs::rename(&path, folder.path().join("a b.sock")).unwrap();
        assert!(sockets(pid).contains(&ListeningSocket::Unix(folder.path().join("a b.sock"))));
        assert_eq!(environment(pid).unwrap().get("PATH"), std::env::var("PATH").ok().as_ref());
        assert_eq!(environment(i32::MAX), None);
    }

    /// Opening a pipe that nobody writes to would wait for ever.
    #[test]
    fn pipe_as_pidfile_is_not_awaited() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pid");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        assert_eq!(noted(&pipe), None);
        let file = folder.path().join("file");
        std::fs::write(&file, "77\n").unwrap();
        assert_eq!(noted(&file), Some(77));
    }

    /// A process counts by all of its users: `su` under the name of supervisord is none.
    #[test]
    fn process_counts_by_all_its_users() {
        let of = |ids: &str| is_of_one_of(&format!("Name:\tx\nUid:\t{ids}\nGid:\t0\n"), &[0, 7]);
        assert!(of("0\t0\t0\t0") && of("7\t7\t7\t7"));
        // `su`, started by somebody under the name of supervisord.
        assert!(!of("65534\t0\t0\t0"));
        assert!(!of("0\t0\t0\t8") && !of("0") && !of(""));
        let own = fs::read_to_string("/proc/self/status").unwrap();
        assert!(is_of_one_of(&own, &[rustix::process::geteuid().as_raw()]));
    }

    #[test]
    fn other_process_name_is_no_supervisord() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let pid = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(pid.path(), std::process::id().to_string()).unwrap();
        assert_eq!(find(file.path(), Some(pid.path())), None);
        assert_eq!(find(Path::new("/no/such/file"), None), None);
    }
}
