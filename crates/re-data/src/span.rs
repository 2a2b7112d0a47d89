//! Half-open spans that know their unit, so that a byte offset never passes for a character or a token.

use std::cmp::Ordering;
use std::fmt;
use std::marker::PhantomData;

/// Marker of spans counted in UTF-8 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Bytes;
/// Marker of spans counted in Unicode code points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Chars;
/// Marker of spans counted in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tokens;

/// Half-open span in UTF-8 bytes: the unit in which examples store their entities.
pub type ByteSpan = Span<Bytes>;
/// Half-open span in Unicode code points: the unit of most annotated corpora.
pub type CharSpan = Span<Chars>;
/// Half-open span in tokens of one encoded row, special tokens counted.
pub type TokenSpan = Span<Tokens>;

/// A half-open range `start..end` with `start <= end`, in the unit `U`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Span<U> {
    start: usize,
    end: usize,
    unit: PhantomData<U>,
}

impl<U> Span<U> {
    /// The span `start..end`, or `None` where `start > end`.
    pub const fn new(start: usize, end: usize) -> Option<Self> {
        if start <= end { Some(Self { start, end, unit: PhantomData }) } else { None }
    }

    /// The span of `len` units that begins at `start`.
    pub const fn with_len(start: usize, len: usize) -> Self {
        Self { start, end: start + len, unit: PhantomData }
    }

    /// First position inside the span.
    pub const fn start(&self) -> usize {
        self.start
    }

    /// First position behind the span.
    pub const fn end(&self) -> usize {
        self.end
    }

    /// Number of units covered.
    pub const fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether the span covers nothing.
    pub const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The span as a standard range.
    pub const fn range(&self) -> std::ops::Range<usize> {
        self.start..self.end
    }

    /// Whether both spans share at least one unit.
    pub const fn overlaps(&self, other: &Self) -> bool {
        self.start < other.end && other.start < self.end
    }

    /// Whether `other` lies wholly inside this span.
    pub const fn contains(&self, other: &Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    /// The smallest span that covers both.
    pub fn cover(&self, other: &Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end), unit: PhantomData }
    }

    /// The span moved `by` units to the right.
    pub const fn shifted(&self, by: usize) -> Self {
        Self { start: self.start + by, end: self.end + by, unit: PhantomData }
    }
}

impl<U> fmt::Debug for Span<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.start, self.end)
    }
}

impl<U> fmt::Display for Span<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl<U: PartialEq> PartialOrd for Span<U> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some((self.start, self.end).cmp(&(other.start, other.end)))
    }
}

impl<U: Eq> Ord for Span<U> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.start, self.end).cmp(&(other.start, other.end))
    }
}

impl CharSpan {
    /// The same stretch of `text` in bytes, or `None` where the span reaches behind its end.
    pub fn to_bytes(self, text: &str) -> Option<ByteSpan> {
        let mut offsets = text.char_indices().map(|(byte, _)| byte).chain(std::iter::once(text.len()));
        let start = offsets.by_ref().nth(self.start)?;
        let end = if self.is_empty() { start } else { offsets.nth(self.len() - 1)? };
        ByteSpan::new(start, end)
    }
}

impl ByteSpan {
    /// The same stretch of `text` in code points, or `None` where an end is no character boundary of it.
    pub fn to_chars(self, text: &str) -> Option<CharSpan> {
        let start = text.get(..self.start)?.chars().count();
        Some(CharSpan::with_len(start, text.get(self.range())?.chars().count()))
    }
}

/// The bytes `start..end` of `text` without the white space at both ends; nothing where they are no characters of it.
pub(crate) fn without_white_space(text: &str, start: usize, end: usize) -> (usize, usize) {
    let Some(part) = text.get(start..end) else { return (start, end) };
    let end = start + part.trim_end().len();
    (end.min(start + part.len() - part.trim_start().len()), end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn char_and_byte_spans_convert_both_ways() {
        let text = "가a나다";
        let chars = CharSpan::new(1, 3).unwrap();
        let bytes = chars.to_bytes(text).unwrap();
        assert_eq!(&text[bytes.range()], "a나");
        assert_eq!(bytes.to_chars(text), Some(chars));
        assert_eq!(CharSpan::new(3, 4).unwrap().to_bytes(text).unwrap().range(), 7..10);
        assert_eq!(CharSpan::new(4, 4).unwrap().to_bytes(text).unwrap().range(), 10..10);
        assert_eq!(CharSpan::new(3, 5).unwrap().to_bytes(text), None);
        assert_eq!(ByteSpan::new(1, 3).unwrap().to_chars(text), None);
    }

    #[test]
    fn reversed_bounds_are_no_span() {
        assert!(ByteSpan::new(2, 1).is_none());
    }
}
