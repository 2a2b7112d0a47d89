//! Writing markers around two entities that may stand anywhere, also inside one another.

use std::cmp::Reverse;

use super::MarkedText;
use crate::example::RelationExample;
use crate::span::ByteSpan;

/// What is written before and behind an entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Markers {
    /// Text before the entity, such as `[ENT]`.
    pub open: String,
    /// Text behind the entity, such as `[/ENT]`.
    pub close: String,
}

/// Writes `markers` around the entities of an example; `first` is left empty.
///
/// Of two entities that begin together the longer one opens first, of two that end together the one that began
/// later closes first, and of two that are equal the subject is the outer one. Entities that cross stay as
/// they are: `[a (b a] b)`.
///
/// The span of an entity begins with the first character of its surface form and ends with the last one. Where the
/// other entity lies inside it or crosses it, the markers of that one stand between, unavoidably.
pub fn insert_markers(example: &RelationExample, markers: &[Markers; 2]) -> MarkedText {
    let spans = example.entities().each_ref().map(|entity| entity.span());
    let mut marks: Vec<Mark> = Vec::with_capacity(4);
    for (entity, (span, Markers { open, close })) in spans.iter().zip(markers).enumerate() {
        let (start, end) = (span.start(), span.end());
        marks.push(Mark { at: start, rank: (1, Reverse(end), entity), text: open, entity });
        marks.push(Mark { at: end, rank: (0, Reverse(start), 1 - entity), text: close, entity });
    }
    marks.sort_by_key(|mark| (mark.at, mark.rank));

    let text = example.text();
    let added: usize = marks.iter().map(|mark| mark.text.len()).sum();
    let mut sentence = String::with_capacity(text.len() + added);
    let mut bounds: [Option<ByteSpan>; 2] = [None; 2];
    let mut done = 0;
    for mark in &marks {
        sentence.push_str(text.get(done..mark.at).unwrap_or_default());
        done = mark.at;
        let written = ByteSpan::with_len(sentence.len(), mark.text.len());
        sentence.push_str(mark.text);
        if let Some(bounds) = bounds.get_mut(mark.entity) {
            *bounds = Some(bounds.map_or(written, |b| b.cover(&written)));
        }
    }
    sentence.push_str(text.get(done..).unwrap_or_default());

    let length_of = |counts: &dyn Fn(usize) -> bool| -> usize {
        marks.iter().filter(|mark| counts(mark.at)).map(|mark| mark.text.len()).sum()
    };
    let entities = spans.map(|span| {
        let start = span.start() + length_of(&|at| at <= span.start());
        let end = span.end() + length_of(&|at| at < span.end());
        ByteSpan::with_len(start, end.saturating_sub(start))
    });
    let [subject, object] = entities;
    let [of_subject, of_object] = bounds;
    let marked = [of_subject.unwrap_or(subject), of_object.unwrap_or(object)];
    MarkedText { first: None, sentence, entities, marked }
}

/// One marker at its place in the original text.
struct Mark<'a> {
    at: usize,
    /// Order among markers at the same place: closing before opening, then as documented above.
    rank: (u8, Reverse<usize>, usize),
    text: &'a str,
    entity: usize,
}
