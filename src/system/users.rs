//! Users of the operating system, without linking to its name service.
//!
//! `/etc/passwd` is read first; a user who is not there may still come from LDAP or sssd, which
//! `getent` asks, within a time. Calling `getpwnam` in the process itself is the road not taken: a
//! portable build that is linked statically crashes in it.

use std::collections::BTreeSet;
use std::io;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::child;

/// Where the machine's own users and groups are.
pub const ACCOUNT_FILES: [&str; 2] = ["/etc/passwd", "/etc/group"];

/// How long a directory that does not answer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// A user as the system knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Login name, the first field of `/etc/passwd`.
    pub name: String,
    /// User id; several names may share it.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
}

/// Finds a user by name; `None` if there is none. Digits alone are an id, as supervisord has it.
#[expect(clippy::disallowed_methods, reason = "an edge: reads the account database")]
pub fn find(name: &str) -> io::Result<Option<User>> {
    let id: Option<u32> = name.parse().ok();
    let is_meant = |user: &User| id.map_or(user.name == name, |id| user.uid == id);
    let accounts = std::fs::read("/etc/passwd")?;
    if let Some(user) = users(&accounts).into_iter().find(is_meant) {
        return Ok(Some(user));
    }
    let mut getent = Command::new("getent");
    getent.args(["passwd", "--", name]).stderr(Stdio::null());
    match child::output(getent, PATIENCE) {
        Ok(output) => Ok(users(&output).into_iter().find(is_meant)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::TimedOut => {
            let what = format!("`getent passwd {name}` did not answer within {PATIENCE:?}");
            Err(io::Error::new(io::ErrorKind::TimedOut, what))
        }
        Err(error) => Err(error),
    }
}

/// The name of the user with this id, or the id itself.
#[expect(clippy::disallowed_methods, reason = "an edge: reads the account database")]
pub fn name_of(uid: u32) -> String {
    std::fs::read("/etc/passwd")
        .ok()
        .and_then(|accounts| users(&accounts).into_iter().find(|user| user.uid == uid))
        .map_or_else(|| uid.to_string(), |user| user.name)
}

/// The names and ids of the users and groups that the machine's own files tell of: whoever is not
/// among them may come from a directory, and be gone from it any time.
#[expect(clippy::disallowed_methods, reason = "an edge: reads the account database")]
pub fn in_files() -> io::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for path in ACCOUNT_FILES {
        let accounts = std::fs::read(path)?;
        for line in String::from_utf8_lossy(&accounts).lines() {
            let mut fields = line.split(':');
            names.extend(fields.next().into_iter().chain(fields.nth(1)).map(str::to_owned));
        }
    }
    Ok(names)
}

/// The user who runs this process.
pub fn current() -> String {
    name_of(current_uid())
}

/// The person behind this process: who called sudo, else who runs it.
#[expect(clippy::disallowed_methods, reason = "an edge: sudo tells its caller this way")]
pub fn invoker() -> String {
    std::env::var("SUDO_USER").ok().filter(|user| !user.is_empty()).unwrap_or_else(current)
}

/// The id of the person who called sudo, if somebody has.
#[expect(clippy::disallowed_methods, reason = "an edge: sudo tells its caller this way")]
pub fn invoker_uid() -> Option<u32> {
    std::env::var("SUDO_UID").ok()?.parse().ok()
}

/// The effective id of the user who runs this process.
pub fn current_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Whether this process may do everything.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether what belongs to this user is changed by nobody but root and ourselves.
pub fn is_trusted(uid: u32) -> bool {
    uid == 0 || uid == current_uid()
}

/// Whether a group is that of this user alone, as many systems give one to each: named like the
/// user, the user's first one, and nobody else is in it. A group that the files do not tell of is
/// not.
#[expect(clippy::disallowed_methods, reason = "an edge: reads the account database")]
pub fn is_private_group(gid: u32, uid: u32) -> bool {
    let (Ok(accounts), Ok(groups)) = (std::fs::read("/etc/passwd"), std::fs::read("/etc/group"))
    else {
        return false;
    };
    let users = users(&accounts);
    let mut of_group = users.iter().filter(|user| user.gid == gid);
    let (Some(user), None) = (of_group.next(), of_group.next()) else { return false };
    user.uid == uid && String::from_utf8_lossy(&groups).lines().any(|line| is_own(line, user))
}

/// Whether this line of the group file is the group of this user alone.
fn is_own(line: &str, user: &User) -> bool {
    let mut fields = line.split(':');
    let name = fields.next();
    let gid = fields.nth(1).and_then(|gid| gid.parse().ok());
    let members = fields.next().unwrap_or_default();
    name == Some(&user.name)
        && gid == Some(user.gid)
        && members.split(',').all(|member| member.is_empty() || member == user.name)
}

/// The users of an account file. Somebody's full name may be in any encoding.
fn users(accounts: &[u8]) -> Vec<User> {
    String::from_utf8_lossy(accounts).lines().filter_map(parse).collect()
}

fn parse(line: &str) -> Option<User> {
    let mut fields = line.split(':');
    let name = fields.next()?.to_owned();
    let uid = fields.nth(1)?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    Some(User { name, uid, gid })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_existing_users_are_found() {
        assert_eq!(find("root").unwrap().unwrap().uid, 0);
        assert_eq!(find("no-such-user-here").unwrap(), None);
        assert_eq!(find("0").unwrap().unwrap().name, "root");
        assert_eq!(find("4294967294").unwrap(), None);
        assert_eq!(find("99999999999").unwrap(), None);
        assert_eq!(name_of(0), "root");
    }

    #[test]
    fn private_group_has_one_member() {
        let user = User { name: "deployer".into(), uid: 1000, gid: 1000 };
        assert!(is_own("deployer:x:1000:", &user));
        assert!(is_own("deployer:x:1000:deployer", &user));
        for other in
            ["deployer:x:1000:www-data", "deployer:x:1001:", "users:x:1000:", "deployer", ""]
        {
            assert!(!is_own(other, &user), "{other}");
        }
        // Several have it as their first.
        assert!(!is_private_group(65534, 65534));
    }

    /// A name that is no UTF-8 hides nobody.
    #[test]
    fn latin1_name_hides_nobody() {
        let accounts = b"jm:x:7:8:J\xf6rg:/home/jm:/bin/sh\nx:x:9:9::/:/bin/sh\n";
        let found: Vec<_> = users(accounts).into_iter().map(|user| (user.name, user.uid)).collect();
        assert_eq!(found, [("jm".to_owned(), 7), ("x".to_owned(), 9)]);
    }
}
