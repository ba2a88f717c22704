//! supervisord's INI dialect, as Python's `RawConfigParser` reads it for supervisord 4.

/// A parsed file: its sections in order, duplicates kept apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ini {
    /// The sections in the file's order.
    pub sections: Vec<Section>,
}

/// One `[name]` with its options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// The text between the brackets, e.g. `program:web`.
    pub name: String,
    /// Its line, from 1.
    pub line: u32,
    /// The options in order; keys are lower-cased, values trimmed, inline comments cut,
    /// continuation lines joined by `\n`.
    pub entries: Vec<Entry>,
}

/// One `key = value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Lower-cased.
    pub key: String,
    /// As supervisord would see it before expansion of `%`.
    pub value: String,
    /// The line of its key, from 1.
    pub line: u32,
}
