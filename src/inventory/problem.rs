//! What is wrong with an inventory, every part of it at once, for people and for machines.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet, Title};
use serde::Serialize;

use crate::error::CommandError;
use crate::system::passwords::without_passwords;
use crate::system::sanitized;

/// One thing to correct in the inventory, with the place where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Problem {
    /// The inventory's file, as it was named.
    pub file: String,
    /// Where it stands.
    #[serde(flatten)]
    pub place: Place,
    /// What is wrong, in one line.
    pub message: String,
    /// What can be done about it: "did you mean", the values that are accepted, an example.
    pub help: Vec<String>,
    /// Other places that belong to it, e.g. where a name was used first.
    pub related: Vec<Place>,
}

/// A place in the inventory with its line. Values of `environment` are shown as `***`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Place {
    /// The line's number, from 1.
    pub line: u32,
    /// The column, from 1, in characters.
    pub column: u32,
    /// The line itself, or the part of a long line around the column.
    pub text: String,
    /// What to see at this place, if the message does not say it.
    pub label: Option<String>,
    /// The marked part of `text`, in bytes.
    #[serde(skip)]
    pub(super) caret: Range<usize>,
}

/// Every problem of an inventory, in the order of its lines. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Problems {
    file: String,
    problems: Vec<Problem>,
    /// How many more there are than are described.
    not_shown: usize,
}

impl Problems {
    /// `problems` must not be empty; they are sorted here.
    pub(super) fn new(file: &str, mut problems: Vec<Problem>, not_shown: usize) -> Self {
        problems.sort_by_key(|problem| (problem.place.line, problem.place.column));
        Self { file: super::suggest::plain(file), problems, not_shown }
    }

    /// The problems in the order of their lines. Beyond the first few hundred they are counted
    /// only.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter()
    }

    /// The message of the first, in one line.
    pub(crate) fn first_message(&self) -> Option<String> {
        self.problems.first().map(|problem| problem.message.clone())
    }

    /// How many there are, described or not.
    pub fn count(&self) -> usize {
        self.problems.len().saturating_add(self.not_shown)
    }

    /// `deployer.yml has 3 problems`.
    pub fn summary(&self) -> String {
        match self.count() {
            1 => format!("{} has a problem", self.file),
            count => format!("{} has {count} problems", self.file),
        }
    }

    /// All of them as text: place, line, mark, help. With ANSI colours if `coloured`.
    pub fn render(&self, coloured: bool) -> String {
        let renderer = if coloured { Renderer::styled() } else { Renderer::plain() };
        let mut text = String::new();
        for problem in &self.problems {
            text.push_str(&problem.render(&renderer));
            text.push('\n');
        }
        if self.not_shown > 0 {
            text.push_str(&format!("… and {} more\n\n", self.not_shown));
        }
        text.truncate(text.trim_end().len());
        text
    }

    /// The refusal without the list, for a caller that shows `render` itself.
    pub fn refusal(&self) -> CommandError {
        CommandError::refused(self.summary())
    }
}

impl Problem {
    /// The message, its line and help; then a note for each related place.
    fn render(&self, renderer: &Renderer) -> String {
        self.render_as(Level::ERROR.primary_title(self.message.as_str()), renderer)
    }

    /// The same as a warning of the check with this name.
    pub(crate) fn warning(&self, check: &str, coloured: bool) -> String {
        let renderer = if coloured { Renderer::styled() } else { Renderer::plain() };
        self.render_as(Level::WARNING.primary_title(self.message.as_str()).id(check), &renderer)
    }

    fn render_as(&self, title: Title<'_>, renderer: &Renderer) -> String {
        let report = title
            .element(self.place.snippet(AnnotationKind::Primary, self.place.label.as_deref()))
            .elements(self.help.iter().map(|help| Level::HELP.message(help.as_str())));
        let mut text = self.with_place(&self.place, &renderer.render(&[report]));
        for place in &self.related {
            let title = place.label.as_deref().unwrap_or("see also");
            let note = Group::with_title(Level::NOTE.secondary_title(title))
                .element(place.snippet(AnnotationKind::Context, None));
            text.push_str(&self.with_place(place, &renderer.render(&[note])));
        }
        text
    }

    /// Puts the `-->` line below the title. The renderer's own would count columns in the text it
    /// shows, and that can be shorter than the real line.
    fn with_place(&self, place: &Place, rendered: &str) -> String {
        let (title, rest) = rendered.split_once('\n').unwrap_or((rendered, ""));
        let indent = " ".repeat(place.line.to_string().len());
        let at = format!("{}:{}:{}", self.file, place.line, place.column);
        format!("{title}\n{indent}--> {at}\n{}\n", rest.trim_end())
    }
}

impl Place {
    /// A whole line of a text that is no inventory; what looks like a password is not shown.
    pub(crate) fn of_line(line: u32, text: &str) -> Self {
        let text = without_passwords(text.trim_end());
        let text = shown_line(&text);
        let begin = text.len() - text.trim_start().len();
        let column = u32::try_from(begin + 1).unwrap_or(u32::MAX);
        let caret = begin..text.len();
        Self { line, column, text, label: None, caret }
    }

    fn snippet<'a>(
        &'a self,
        kind: AnnotationKind,
        label: Option<&'a str>,
    ) -> Snippet<'a, Annotation<'a>> {
        Snippet::source(self.text.as_str())
            .line_start(self.line as usize)
            .annotation(kind.span(self.caret.clone()).label(label))
    }
}

/// A line as far as it is worth showing, without control characters.
fn shown_line(text: &str) -> String {
    const LONGEST: usize = 200;
    let text = sanitized(&text.replace('\t', " "));
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

impl fmt::Display for Problems {
    /// All of them, without colour.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Problems {}

impl From<Problems> for CommandError {
    /// The refusal with the whole list in it, so that `?` loses none.
    fn from(problems: Problems) -> Self {
        Self::refused(format!("{}:\n\n{problems}", problems.summary()))
    }
}
