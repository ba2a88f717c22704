//! Where a screen's output goes.

/// Where output goes.
#[derive(Debug)]
pub(super) enum Destination {
    /// Standard output and standard error.
    Streams,
    /// A page that is shown later.
    Page(Page),
    /// Whoever reads along.
    #[cfg(feature = "web")]
    Transcript(super::Transcript),
}

/// What is to be shown of one of many hosts when it has its turn. It is written where the answer of the
/// host arrives, and is a fraction of that answer.
#[derive(Debug, Default)]
pub(crate) struct Page(Vec<(OutputStream, String)>);

#[derive(Debug, Clone, Copy)]
pub(super) enum OutputStream {
    Out,
    Err,
}

impl Page {
    /// All of it as text.
    pub(super) fn text(&self) -> String {
        self.0.iter().map(|(_, text)| text.as_str()).collect()
    }

    /// Each part, with the stream that it is for.
    pub(super) fn into_parts(self) -> Vec<(OutputStream, String)> {
        self.0
    }
}

impl Destination {
    /// Keeps the text, unless it is for the streams.
    pub(super) fn keeps(&mut self, stream: OutputStream, text: &str) -> bool {
        match self {
            Self::Streams => return false,
            Self::Page(Page(page)) => page.push((stream, text.to_owned())),
            #[cfg(feature = "web")]
            Self::Transcript(transcript) => transcript.add(text),
        }
        true
    }

    /// The page, if it is one.
    pub(super) fn into_page(self) -> Page {
        match self {
            Self::Page(page) => page,
            _ => Page::default(),
        }
    }
}
