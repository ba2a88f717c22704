//! A command line cut into words as supervisord cuts `command=`: Python's `shlex.split`. Pure.

/// The words. The error is shlex's own.
pub fn split(text: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next().ok_or("No closing quotation")? {
                        '\'' => break,
                        c => word.push(c),
                    }
                }
            }
            '"' => in_double_quotes(&mut characters, word.get_or_insert_default())?,
            '\\' => {
                let escaped = characters.next().ok_or("No escaped character")?;
                word.get_or_insert_default().push(escaped);
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

/// Between double quotes a backslash escapes nothing but a double quote and itself.
fn in_double_quotes(
    characters: &mut std::str::Chars<'_>,
    word: &mut String,
) -> Result<(), &'static str> {
    loop {
        match characters.next().ok_or("No closing quotation")? {
            '"' => return Ok(()),
            '\\' => match characters.next().ok_or("No escaped character")? {
                c @ ('"' | '\\') => word.push(c),
                c => word.extend(['\\', c]),
            },
            c => word.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each answer is that of Python 3.11's `shlex.split`.
    #[test]
    fn words_are_those_of_shlex() {
        for (text, words) in [
            ("", &[][..]),
            ("  a\tb \n", &["a", "b"]),
            ("php artisan 'x y' --q=\"it's\"", &["php", "artisan", "x y", "--q=it's"]),
            ("a'b'\"c\"d", &["abcd"]),
            ("'' \"\"", &["", ""]),
            (r#""a\"b\\c\d$""#, &[r#"a"b\c\d$"#]),
            (r"a\ b \'c \\", &["a b", "'c", "\\"]),
            (r"'a\b'", &[r"a\b"]),
            ("a#b #c", &["a#b", "#c"]),
            ("$HOME ~ * ; |", &["$HOME", "~", "*", ";", "|"]),
        ] {
            assert_eq!(split(text).unwrap(), words, "{text:?}");
        }
        assert_eq!(split("a 'b"), Err("No closing quotation"));
        assert_eq!(split("\"b\\\""), Err("No closing quotation"));
        assert_eq!(split("b\\"), Err("No escaped character"));
        assert_eq!(split("\"b\\"), Err("No escaped character"));
    }
}
