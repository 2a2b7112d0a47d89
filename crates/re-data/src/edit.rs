//! Changes of a text that keep the spans of its entities exact.

use crate::example::RelationExample;
use crate::span::ByteSpan;

/// A stretch of a text and what it becomes. An empty stretch is a place where something is inserted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// Bytes of the text that go.
    pub span: ByteSpan,
    /// What stands there instead.
    pub text: String,
}

impl RelationExample {
    /// The example with all `edits` made, in any order, and its entities where they now stand; id, types and
    /// label stay.
    ///
    /// An edit lies outside an entity or replaces the whole of it. `None` where one reaches into an entity or cuts
    /// a character, where two overlap, or where an entity would vanish: with overlapping entities, neither can
    /// be replaced.
    ///
    /// ```
    /// # use re_data::{ByteSpan, Entity, RelationExample, edit::Edit};
    /// # let entity = |start, len| Entity::new(ByteSpan::with_len(start, len));
    /// let example = RelationExample::new("1", "Marie loves Pierre.", [entity(0, 5), entity(12, 6)])?;
    /// let edit = Edit { span: ByteSpan::with_len(6, 5), text: "met".to_owned() };
    /// let edited = example.edited([edit]).unwrap();
    /// assert_eq!((edited.text(), edited.surface(1)), ("Marie met Pierre.", "Pierre"));
    /// # Ok::<(), re_data::Error>(())
    /// ```
    pub fn edited(&self, edits: impl IntoIterator<Item = Edit>) -> Option<Self> {
        let mut edits: Vec<Edit> = edits.into_iter().collect();
        edits.sort_by_key(|edit| edit.span);
        let disjoint = edits.windows(2).all(|pair| matches!(pair, [a, b] if a.span.end() <= b.span.start()));
        if !disjoint {
            return None;
        }
        let mut text = String::with_capacity(self.text().len());
        let mut done = 0;
        for Edit { span, text: new } in &edits {
            text.push_str(self.text().get(done..span.start())?);
            text.push_str(new);
            // Checks both ends: they must be character boundaries of the text.
            self.text().get(span.range())?;
            done = span.end();
        }
        text.push_str(self.text().get(done..)?);
        let [subject, object] = self.entities().each_ref().map(|entity| moved(entity.span(), &edits));
        self.in_text(text, [subject?, object?]).ok()
    }
}

/// An entity's span after the edits; `None` where one reaches into it.
fn moved(old: ByteSpan, edits: &[Edit]) -> Option<ByteSpan> {
    let (mut start, mut length) = (old.start(), old.len());
    for Edit { span, text } in edits {
        if span.end() <= old.start() {
            start = (start + text.len()).checked_sub(span.len())?;
        } else if *span == old {
            length = text.len();
        } else if span.start() < old.end() {
            return None;
        }
    }
    Some(ByteSpan::with_len(start, length))
}

/// The words of a text: what stands between white space.
pub fn words(text: &str) -> impl Iterator<Item = ByteSpan> {
    let mut rest = 0;
    text.split_whitespace().filter_map(move |word| {
        let start = rest + text.get(rest..)?.find(word)?;
        rest = start + word.len();
        Some(ByteSpan::with_len(start, word.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Entity;

    fn span(start: usize, end: usize) -> ByteSpan {
        ByteSpan::new(start, end).unwrap()
    }

    fn example(text: &str, a: (usize, usize), b: (usize, usize)) -> RelationExample {
        let entity = |(start, end)| Entity::new(span(start, end));
        RelationExample::new("1", text, [entity(a).with_kind("P"), entity(b)]).unwrap().with_label("l")
    }

    fn edit(start: usize, end: usize, text: &str) -> Edit {
        Edit { span: span(start, end), text: text.to_owned() }
    }

    #[test]
    fn insertions_at_an_entity_stand_outside_of_it() {
        let edited = example("ab cd", (0, 2), (3, 5)).edited([
            edit(0, 0, "< "),
            edit(2, 2, " >"),
            edit(3, 3, "[ "),
            edit(5, 5, " ]"),
        ]);
        let edited = edited.unwrap();
        assert_eq!(edited.text(), "< ab > [ cd ]");
        assert_eq!([edited.surface(0), edited.surface(1)], ["ab", "cd"]);
        assert_eq!((edited.id(), edited.label(), edited.entities()[0].kind()), ("1", Some("l"), Some("P")));
    }

    #[test]
    fn entities_are_replaced_whole_or_not_at_all() {
        let row = example("ab cd", (0, 2), (3, 5));
        let edited = row.edited([edit(3, 5, "x"), edit(0, 2, "long")]).unwrap();
        assert_eq!([edited.text(), edited.surface(0), edited.surface(1)], ["long x", "long", "x"]);
        assert_eq!(row.edited([edit(0, 1, "x")]), None, "a part");
        assert_eq!(row.edited([edit(1, 3, "x")]), None, "a part and more");
        assert_eq!(row.edited([edit(0, 3, "x")]), None, "all and more");
        assert_eq!(row.edited([edit(1, 1, "x")]), None, "an insertion into it");
        assert_eq!(row.edited([edit(0, 2, "")]), None, "nothing is left of it");
        let nested = example("abcd", (0, 4), (1, 2));
        assert_eq!(nested.edited([edit(0, 4, "x")]), None);
        assert_eq!(nested.edited([edit(1, 2, "x")]), None);
        assert_eq!(nested.edited([edit(4, 4, "!")]).unwrap().surface(1), "b");
    }

    #[test]
    fn edits_that_cannot_be_made_are_refused() {
        let row = example("가 b c", (0, 3), (4, 5));
        assert_eq!(row.edited([edit(5, 7, ""), edit(6, 7, "")]), None, "overlapping");
        assert_eq!(row.edited([edit(7, 9, "")]), None, "behind the end");
        let row = example("ab 가", (0, 1), (1, 2));
        assert_eq!(row.edited([edit(4, 6, "")]), None, "half a character");
        assert_eq!(row.edited([]), Some(row));
    }

    #[test]
    fn words_stand_between_white_space() {
        let text = " a\u{3000}가나  나 a";
        let found: Vec<&str> = words(text).map(|word| &text[word.range()]).collect();
        assert_eq!(found, ["a", "가나", "나", "a"]);
        assert_eq!(words("  ").count(), 0);
    }
}
