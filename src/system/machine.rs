//! What tells this machine from all others.

use std::sync::LazyLock;

/// A key that is this machine's until it is started anew, and that nobody elsewhere can guess: its
/// `machine-id` and the number of its start, both random. It is never shown, only hashed with.
#[expect(clippy::disallowed_methods, reason = "an edge: reads who this machine is")]
pub fn key() -> &'static [u8] {
    static KEY: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let sources = ["/etc/machine-id", "/proc/sys/kernel/random/boot_id"];
        sources.iter().filter_map(|path| std::fs::read(path).ok()).flatten().collect()
    });
    &KEY
}

/// The machine's id, which stays as long as the machine is installed; none where it has none. It is never shown,
/// only hashed with.
#[expect(clippy::disallowed_methods, reason = "an edge: reads who this machine is")]
pub fn id() -> Option<Vec<u8>> {
    let id = std::fs::read("/etc/machine-id").ok()?;
    let id = id.trim_ascii();
    // systemd writes so while it is not known yet.
    (!id.is_empty() && id != b"uninitialized").then(|| id.to_vec())
}

/// What the machine is called by its kernel; empty where that cannot be told.
#[expect(clippy::disallowed_methods, reason = "an edge: reads who this machine is")]
pub fn name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machine_key_stays() {
        assert!(key().len() >= 32, "{} bytes", key().len());
        assert_eq!(key(), key());
    }

    #[test]
    fn machine_name_is_one_line() {
        let name = name();
        assert!(!name.is_empty() && !name.contains('\n'), "{name:?}");
    }
}
