//! A shell script cut into its commands, as far as checks need it: no expansion, no meaning. What it cannot
//! tell it leaves out, so that no check speaks of it.

/// One simple command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Command {
    /// The line it begins in, from 1.
    pub(super) line: u32,
    /// The reserved words before it: `while`, `do`, `then`, `!`.
    pub(super) before: Vec<&'static str>,
    /// Its words, quotes taken off.
    pub(super) words: Vec<String>,
    /// Whether its output or input goes somewhere else.
    pub(super) is_redirected: bool,
    /// What stands behind it.
    pub(super) end: End,
}

/// What ends a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// A line's end, or `;`.
    Line,
    /// `&&` or `||`.
    Condition,
    /// `|`.
    Pipe,
    /// `&`: it runs in the background.
    Background,
}

/// Words that begin no command of their own.
const RESERVED: [&str; 16] = [
    "!", "case", "do", "done", "elif", "else", "esac", "fi", "for", "function", "if", "then",
    "until", "while", "{", "}",
];

impl Command {
    /// What it runs, without the folder; nothing where it only sets variables.
    pub(super) fn name(&self) -> &str {
        let first = self.words.iter().find(|word| !is_assignment(word));
        let first = first.map(String::as_str).unwrap_or_default();
        first.rsplit('/').next().unwrap_or_default()
    }
}

/// `NAME=value`, whose value may be a secret.
fn is_assignment(word: &str) -> bool {
    let name = word.split_once('=').map_or("", |(name, _)| name);
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The commands of a script, in their order.
pub(super) fn commands(text: &str) -> Vec<Command> {
    let text = text.replace("\r\n", "\n").replace("for ((;;))", "while true");
    let mut lexer = Lexer::new(&text);
    lexer.run();
    lexer.commands
}

struct Lexer<'t> {
    rest: std::iter::Peekable<std::str::Chars<'t>>,
    line: u32,
    word: Option<String>,
    /// Where the word begins.
    word_line: u32,
    command: Option<Command>,
    commands: Vec<Command>,
    /// The ends of the here-documents that begin with the next line.
    documents: Vec<String>,
    /// The next word is where something is redirected to, or the end of a here-document.
    redirection: Option<Redirection>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Redirection {
    File,
    Document,
}

impl<'t> Lexer<'t> {
    fn new(text: &'t str) -> Self {
        Self {
            rest: text.chars().peekable(),
            line: 1,
            word: None,
            word_line: 1,
            command: None,
            commands: Vec::new(),
            documents: Vec::new(),
            redirection: None,
        }
    }

    fn run(&mut self) {
        while let Some(c) = self.next() {
            match c {
                '\n' => {
                    self.end_command(End::Line);
                    self.skip_documents();
                }
                ' ' | '\t' => self.end_word(),
                '#' if self.word.is_none() => self.skip_line(),
                '\\' => match self.next() {
                    Some('\n') | None => {}
                    Some(c) => self.push(c),
                },
                '\'' | '"' => self.quoted(c),
                '`' => self.quoted(c),
                '$' => self.expansion(),
                '&' if self.rest.peek() == Some(&'>') => self.redirected(),
                '>' | '<' => self.redirected_from(c),
                ';' | '&' | '|' => self.operator(c),
                '(' | ')' => self.end_command(End::Line),
                c => self.push(c),
            }
        }
        self.end_command(End::Line);
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        self.line += u32::from(c == '\n');
        Some(c)
    }

    fn push(&mut self, c: char) {
        self.word_mut().push(c);
    }

    fn word_mut(&mut self) -> &mut String {
        if self.word.is_none() {
            self.word_line = self.line;
        }
        self.word.get_or_insert_default()
    }

    fn skip_line(&mut self) {
        while self.rest.peek().is_some_and(|c| *c != '\n') {
            self.next();
        }
    }

    /// Up to the same quote; between single quotes a backslash is one.
    fn quoted(&mut self, quote: char) {
        self.word_mut();
        while let Some(c) = self.next().filter(|c| *c != quote) {
            match (c, quote) {
                ('\\', '"' | '`') => self.next().into_iter().for_each(|c| self.push(c)),
                (c, _) => self.push(c),
            }
        }
    }

    /// `$x`, `${x}`, `$(x)`: as they stand, as a part of the word.
    fn expansion(&mut self) {
        self.push('$');
        let (open, close) = match self.rest.peek() {
            Some('(') => ('(', ')'),
            Some('{') => ('{', '}'),
            _ => return,
        };
        let mut depth = 0_u32;
        while let Some(c) = self.next() {
            self.push(c);
            depth += u32::from(c == open);
            depth -= u32::from(c == close);
            if depth == 0 {
                return;
            }
        }
    }

    /// `&>`: both streams.
    fn redirected(&mut self) {
        self.end_word();
        self.next();
        self.redirected_from('>');
    }

    /// `>`, `>>`, `<`, `<<`, `<<<`, `>&`: what is before it as a number is the stream.
    fn redirected_from(&mut self, sign: char) {
        if self.word.as_deref().is_some_and(|word| word.bytes().all(|b| b.is_ascii_digit())) {
            self.word = None;
        }
        self.end_word();
        let mut signs = 1;
        while self.rest.peek() == Some(&sign) {
            self.next();
            signs += 1;
        }
        if matches!(self.rest.peek(), Some('&' | '|' | '-')) {
            self.next();
        }
        let is_document = sign == '<' && signs == 2;
        if self.command.is_none() {
            self.word_line = self.line;
        }
        self.command_mut().is_redirected = true;
        self.redirection =
            Some(if is_document { Redirection::Document } else { Redirection::File });
    }

    fn operator(&mut self, sign: char) {
        let doubled = self.rest.peek() == Some(&sign);
        if doubled {
            self.next();
        }
        self.end_command(match (sign, doubled) {
            ('&' | '|', true) => End::Condition,
            ('&', false) => End::Background,
            ('|', false) => End::Pipe,
            _ => End::Line,
        });
    }

    fn command_mut(&mut self) -> &mut Command {
        let line = self.word_line;
        self.command.get_or_insert_with(|| Command {
            line,
            before: Vec::new(),
            words: Vec::new(),
            is_redirected: false,
            end: End::Line,
        })
    }

    fn end_word(&mut self) {
        let Some(word) = self.word.take() else { return };
        match self.redirection.take() {
            Some(Redirection::Document) => self.documents.push(word),
            Some(Redirection::File) => {}
            None => {
                let command = self.command_mut();
                let reserved = RESERVED.iter().find(|reserved| **reserved == word);
                match reserved.filter(|_| command.words.is_empty()) {
                    Some(reserved) => command.before.push(reserved),
                    None => command.words.push(word),
                }
            }
        }
    }

    fn end_command(&mut self, end: End) {
        self.end_word();
        // The line's end was read already.
        if let Some(command) = self.command.take() {
            self.commands.push(Command { end, ..command });
        }
    }

    fn skip_documents(&mut self) {
        for end in std::mem::take(&mut self.documents) {
            loop {
                let mut line = String::new();
                let mut is_last = true;
                while let Some(c) = self.next() {
                    if c == '\n' {
                        is_last = false;
                        break;
                    }
                    line.push(c);
                }
                if is_last || line.trim_start_matches('\t') == end {
                    break;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `LINE before* words END`, a line each.
    fn shown(text: &str) -> String {
        let of = |command: &Command| {
            let before: String = command.before.iter().map(|word| format!("<{word}> ")).collect();
            let words = command.words.join("|");
            let redirected = if command.is_redirected { " >" } else { "" };
            format!("{} {before}{words}{redirected} {:?}", command.line, command.end)
        };
        commands(text).iter().map(of).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn script_is_cut_into_commands() {
        let text = "#!/bin/sh\n# a comment\nset -e; cd /x && exec php 'a b' \"c\\\"d\" # more\n\
                    a \\\n  b 2>&1 >/dev/null | tee -a log &\nwhile true; do\n  sleep 1\ndone\n";
        insta::assert_snapshot!(shown(text), @r#"
        3 set|-e Line
        3 cd|/x Condition
        3 exec|php|a b|c"d Line
        4 a|b > Pipe
        5 tee|-a|log Background
        6 <while> true Line
        6 <do>  Line
        7 sleep|1 Line
        8 <done>  Line
        "#);
    }

    #[test]
    fn what_is_quoted_or_a_document_is_no_command() {
        let text = "cat <<EOF >f\nnohup x &\nEOF\necho \"$(a & b)\" ${c:-&} &> log\necho 'x & y'\n";
        insta::assert_snapshot!(shown(text), @r"
        1 cat > Line
        4 echo|$(a & b)|${c:-&} > Line
        5 echo|x & y Line
        ");
    }

    #[test]
    fn name_is_what_runs() {
        let name = |text: &str| commands(text)[0].name().to_owned();
        assert_eq!(name("A=b C='d e' /usr/bin/php x"), "php");
        assert_eq!(name("A=b"), "");
        assert_eq!(name("a/b=c"), "b=c");
    }

    #[test]
    fn unfinished_script_has_an_end() {
        for text in ["'", "\"\\", "$(", "cat <<E", "a \\", "${", "<", "&", "<<", ")("] {
            commands(text);
        }
    }
}
