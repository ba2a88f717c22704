//! A list, page by page: a browser gets a page and not a fleet.

/// One page of a list.
pub(super) struct Paged<T> {
    pub(super) shown: Vec<T>,
    /// How many there are on all pages.
    pub(super) of: usize,
    /// Its number, from 1.
    pub(super) page: usize,
    pub(super) pages: usize,
}

impl<T> Paged<T> {
    /// The page with this number, of so many each; the last one where there are fewer.
    pub(super) fn of(all: Vec<T>, page: usize, size: usize) -> Self {
        let (of, pages) = (all.len(), all.len().div_ceil(size).max(1));
        let page = page.clamp(1, pages);
        let shown = all.into_iter().skip((page - 1) * size).take(size).collect();
        Self { shown, of, page, pages }
    }
}
