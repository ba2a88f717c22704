//! Text that a caller's console must not obey. DeployerPHP prints what a playbook says through a
//! formatter that takes `<info>` or `<fg=red>` for a style: a closing tag that closes nothing, in a
//! log line of somebody's program, ends the client with an exception and the deployment as failed.

/// The same text with other brackets round whatever that formatter could take for a tag. They are
/// not escaped with a backslash instead: that would be right in one console and odd in every other.
pub(super) fn without_tags(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        shown.push_str(before);
        rest = after;
        if !after.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/') {
            shown.push('<');
            continue;
        }
        // Also one that does not end here: the formatter looks for its end in the next line.
        shown.push('‹');
        let end = after.find(['<', '>']).filter(|end| after[*end..].starts_with('>'));
        if let Some((inside, behind)) = end.map(|end| (&after[..end], &after[end + 1..])) {
            shown.push_str(inside);
            shown.push('›');
            rest = behind;
        }
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Whether Symfony's `OutputFormatter` finds a tag: `<`, not behind a backslash, then a letter and
    /// anything without `<`, `>` or backslash (or a backslash with what follows it), or a slash and,
    /// perhaps, a name; then `>`.
    fn has_tag(text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        (0..text.len()).any(|at| {
            text[at] == '<' && (at == 0 || text[at - 1] != '\\') && is_tag(&text[at + 1..])
        })
    }

    fn is_tag(behind: &[char]) -> bool {
        let (closing, name) = match behind {
            ['/', name @ ..] => (true, name),
            name => (false, name),
        };
        if closing && name.first() == Some(&'>') {
            return true;
        }
        if !name.first().is_some_and(char::is_ascii_alphabetic) {
            return false;
        }
        let mut at = 0;
        while let Some(c) = name.get(at) {
            match c {
                '>' => return true,
                '<' => return false,
                '\\' if !closing => at += 1,
                _ => {}
            }
            at += 1;
        }
        false
    }

    #[test]
    fn tags_get_other_brackets() {
        for (text, shown) in [
            ("plain < 3 > 2, a <- b, <5>", "plain < 3 > 2, a <- b, <5>"),
            ("<info>ok</error>", "‹info›ok‹/error›"),
            ("<fg=red;options=bold>x</>", "‹fg=red;options=bold›x‹/›"),
            ("<INFO>, <br", "‹INFO›, ‹br"),
            ("a<<info>>b", "a<‹info›>b"),
            ("<a<b>", "‹a‹b›"),
            ("\\<info>", "\\‹info›"),
        ] {
            assert_eq!(without_tags(text), shown);
            assert!(!has_tag(shown), "{shown}");
        }
        assert!(["<info>", "x</>", "</error>", "<a\\>b>", "<a\nb>"].into_iter().all(has_tag));
    }

    proptest! {
        #[test]
        fn no_text_keeps_a_tag(lines in proptest::collection::vec("[<>/\\\\a-c= ü]{0,12}", 1..4)) {
            // Each line is treated alone, and the client may read several at once.
            let shown: Vec<String> = lines.iter().map(|line| without_tags(line)).collect();
            prop_assert!(!has_tag(&shown.join("\n")));
        }
    }
}
