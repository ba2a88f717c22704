//! Users of the operating system, without linking to its name service.
//!
//! `/etc/passwd` is read first; a user who is not there may still come from LDAP or sssd, which
//! `getent` asks. Calling `getpwnam` in the process itself is the road not taken: a portable build
//! that is linked statically crashes in it.

use std::io;
use std::process::{Command, Stdio};

/// A user as the system knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Login name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
}

/// Finds a user by name; `None` if there is none.
#[expect(clippy::disallowed_methods, reason = "an edge: reads the account database")]
pub fn find(name: &str) -> io::Result<Option<User>> {
    let accounts = std::fs::read("/etc/passwd")?;
    if let Some(user) = users(&accounts).into_iter().find(|user| user.name == name) {
        return Ok(Some(user));
    }
    match Command::new("getent").args(["passwd", "--", name]).stdin(Stdio::null()).output() {
        Ok(output) => Ok(users(&output.stdout).into_iter().find(|user| user.name == name)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
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

/// The user who runs this process.
pub fn current() -> String {
    name_of(current_uid())
}

/// The person behind this process: who called sudo, else who runs it.
#[expect(clippy::disallowed_methods, reason = "an edge: sudo tells its caller this way")]
pub fn invoker() -> String {
    std::env::var("SUDO_USER").ok().filter(|user| !user.is_empty()).unwrap_or_else(current)
}

/// The effective id of the user who runs this process.
pub fn current_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Whether this process may do everything.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
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
    fn root_is_found_and_nobody_of_that_name_is_not() {
        assert_eq!(find("root").unwrap().unwrap().uid, 0);
        assert_eq!(find("no-such-user-here").unwrap(), None);
        assert_eq!(name_of(0), "root");
    }

    #[test]
    fn a_name_that_is_no_utf_8_hides_nobody() {
        let accounts = b"jm:x:7:8:J\xf6rg:/home/jm:/bin/sh\nx:x:9:9::/:/bin/sh\n";
        let found: Vec<_> = users(accounts).into_iter().map(|user| (user.name, user.uid)).collect();
        assert_eq!(found, [("jm".to_owned(), 7), ("x".to_owned(), 9)]);
    }
}
