//! What lets a user run this program as root through sudo, in words: never a line that would make
//! them root.
//!
//! Who can replace the program that a line names, or a folder above it, is root through that line.
//! So a line names only what is root's alone.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::system::shell;

/// Where a program belongs that is installed by hand.
const INSTALLED: &str = "/usr/local/bin/supervisor-sync";

/// The folders of another machine that are taken to be root's.
const OF_ROOT: [&str; 3] = ["/usr/", "/bin/", "/opt/"];

/// The bits that let somebody else than the owner write. An ACL that does shows as the group's.
const OTHERS_WRITE: u32 = 0o022;

/// How `user` gets to run `binary` of this machine as root.
pub(super) fn hint_here(user: &str, binary: &Path) -> String {
    let shown = binary.to_string_lossy();
    // A path that leads elsewhere through a link is as good as the link's folder and the other's.
    let is_itself = std::fs::canonicalize(binary).is_ok_and(|real| real == binary);
    let is_roots = is_itself && exposed(binary).is_empty();
    let to_fix = if is_roots { Vec::new() } else { exposed(Path::new(INSTALLED)) };
    hint(user, &shown, is_roots, &to_fix)
}

/// How `user` gets to run `binary` of another machine as root.
pub(super) fn hint_there(user: &str, binary: &str) -> String {
    hint(user, binary, is_installed(binary), &[])
}

/// Whether it lies where only root puts programs. All that is known of another machine is the path.
fn is_installed(binary: &str) -> bool {
    OF_ROOT.iter().any(|folder| binary.starts_with(folder))
        && !binary.split('/').any(|part| part == ".." || is_digest(part))
}

fn is_digest(part: &str) -> bool {
    part.len() == 64 && part.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The file and the folders above it that are not root's alone, or cannot be looked at, from the
/// top. What does not exist yet is nobody's.
fn exposed(path: &Path) -> Vec<PathBuf> {
    let mut exposed: Vec<PathBuf> =
        path.ancestors().filter(|path| is_exposed(path)).map(Path::to_owned).collect();
    exposed.reverse();
    exposed
}

fn is_exposed(path: &Path) -> bool {
    match std::fs::metadata(path) {
        Ok(found) => found.uid() != 0 || found.permissions().mode() & OTHERS_WRITE != 0,
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    }
}

/// `to_fix` is what has to become root's alone before anything is allowed.
fn hint(user: &str, binary: &str, is_roots: bool, to_fix: &[PathBuf]) -> String {
    let in_place = is_roots && is_plain(binary);
    let mut steps = Vec::new();
    for path in to_fix {
        let path = shell::path(path);
        steps.push(format!("chown root: {path} && chmod go-w {path}"));
    }
    if !in_place && binary != INSTALLED {
        steps.push(format!("install -m 755 {} {INSTALLED}", shell::word(binary)));
    }
    let allowed = if in_place { binary } else { INSTALLED };
    let begin = if in_place { "allow it there" } else { "install it there and allow it" };
    if !is_plain(user) {
        // How such a name is written depends on where it comes from.
        steps.push("visudo -f /etc/sudoers.d/supervisor-sync".to_owned());
        let steps = steps.join(" && ");
        let line = format!("ALL=(root) NOPASSWD: {allowed} agent");
        return format!("{begin}, as root: {steps}, with the user's name and then: {line}");
    }
    steps.push(format!(
        "echo '{user} ALL=(root) NOPASSWD: {allowed} agent' > /etc/sudoers.d/supervisor-sync"
    ));
    steps.push("chmod 0440 /etc/sudoers.d/supervisor-sync && visudo -c".to_owned());
    format!("{begin}, as root: {}", steps.join(" && "))
}

/// Whether it means itself to sudoers and to a shell.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str =
        "echo 'me ALL=(root) NOPASSWD: /usr/local/bin/supervisor-sync agent' > /etc/sudoers.d/";

    #[test]
    fn sudoers_names_only_roots_paths() {
        // A folder of everybody's, whoever owns it.
        let folder = tempfile::tempdir().unwrap();
        let binary = folder.path().canonicalize().unwrap().join("supervisor-sync");
        std::fs::File::create(&binary).unwrap();
        let mode = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(folder.path(), mode).unwrap();
        let hint = hint_here("me", &binary);
        let install = format!("install -m 755 {} {INSTALLED} && ", binary.display());
        assert!(hint.contains(&install) && hint.contains(LINE), "{hint}");
        assert!(!hint.contains(&format!("NOPASSWD: {}", binary.display())), "{hint}");
        assert!(hint.ends_with("&& chmod 0440 /etc/sudoers.d/supervisor-sync && visudo -c"));
    }

    #[test]
    fn exposed_folder_is_fixed_first() {
        let hint = hint("me", INSTALLED, false, &["/usr/local".into()]);
        let begin = "install it there and allow it, as root: chown root: /usr/local && \
                     chmod go-w /usr/local && echo ";
        assert!(hint.starts_with(begin) && !hint.contains("install -m"), "{hint}");
    }

    #[test]
    fn remote_path_must_be_roots() {
        let hint = hint_there("me", "/opt/x/supervisor-sync");
        assert!(hint.contains("NOPASSWD: /opt/x/supervisor-sync agent"), "{hint}");
        let digest = format!("/usr/{}/supervisor-sync", "0a".repeat(32));
        for path in ["/home/me/bin/supervisor-sync", "/usr/../home/me/x", "/optional/x", &digest] {
            let hint = hint_there("me", path);
            assert!(hint.contains(LINE), "{path}: {hint}");
        }
    }

    /// A path or a name that sudoers would read otherwise is not written.
    #[test]
    fn sudoers_special_characters_are_refused() {
        for path in ["/opt/a b/x", "/opt/a,b", "/opt/*/x", "/opt/a=b", "/opt/a'b"] {
            let hint = hint_there("me", path);
            assert!(hint.contains(LINE) && hint.contains("install -m 755 '"), "{hint}");
        }
        let hint = hint_there("me ALL=(ALL) ALL', x", INSTALLED);
        assert!(!hint.contains("echo") && hint.contains("visudo -f"), "{hint}");
    }
}
