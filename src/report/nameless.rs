//! Reasons of hosts without what only one of them has, so that the same one is told once.

/// The same reason with `the host` in place of its address, so that it is the same for all.
pub(super) fn without_address(reason: &str, address: &str) -> String {
    let mut plain = String::with_capacity(reason.len());
    for word in reason.split_inclusive([' ', '\n']) {
        let name = word.trim_end().trim_end_matches([':', ',', ';', '.']);
        match name.rsplit_once('@').map_or(name, |(_, after)| after) == address {
            true => plain.push_str(&word.replace(name, "the host")),
            false => plain.push_str(word),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reason_without_address_is_shared() {
        for (reason, address, expected) in [
            ("root@10.0.0.1 refuses", "10.0.0.1", "the host refuses"),
            (
                "lost: to 10.0.0.1: x\n    | 10.0.0.11",
                "10.0.0.1",
                "lost: to the host: x\n    | 10.0.0.11",
            ),
            ("a cat", "", "a cat"),
            ("a cat at a: x", "at", "a cat the host a: x"),
        ] {
            assert_eq!(without_address(reason, address), expected);
        }
    }
}
