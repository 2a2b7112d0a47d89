//! From what a format says about a row to a checked example.

use super::ReadOptions;
use super::place::{Field, Place};
use super::report::ReadReport;
use crate::error::Result;
use crate::example::{Entity, RelationExample};
use crate::span::{ByteSpan, CharSpan};

/// A row as its format spells it, before anything in it is checked against anything else.
pub(crate) struct Row {
    /// Line on which the row begins, from 1.
    pub(crate) line: u64,
    /// Number of the row from 1, where several can stand on one line.
    pub(crate) item: Option<u64>,
    pub(crate) id: String,
    pub(crate) text: String,
    pub(crate) entities: [RawEntity; 2],
    pub(crate) label: Option<String>,
    /// Where the format keeps label and text, for messages.
    pub(crate) label_field: Field,
    pub(crate) text_field: Field,
    pub(crate) source: Option<String>,
    /// Names of what the row holds besides, for which examples have no place.
    pub(crate) unread: Vec<String>,
}

/// An entity as its format spells it.
pub(crate) struct RawEntity {
    /// First code point and the one behind the last.
    pub(crate) chars: [usize; 2],
    /// Surface form, where the format repeats it.
    pub(crate) surface: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) field: Field,
}

impl Row {
    /// Checks the row and makes an example of it; notes in `report` what was special about it.
    pub(crate) fn into_example(
        self,
        place: Place<'_>,
        options: &ReadOptions,
        report: &mut ReadReport,
    ) -> Result<RelationExample> {
        let Self { id, text, entities, label, source, .. } = self;
        if text.is_empty() {
            return Err(place.error(self.text_field, "an empty text", "a sentence"));
        }
        let label = label.filter(|label| !options.blind.contains(label));
        if let (Some(labels), Some(label)) = (&options.labels, &label)
            && labels.id(label).is_none()
        {
            let expected = format!("one of the {} labels of the label set", labels.len());
            return Err(place.error(self.label_field, format!("label {label:?}"), expected));
        }
        let [first, second] = entities;
        let (a, first_moved) = first.locate(&text, options.max_shift, &place)?;
        let (b, second_moved) = second.locate(&text, options.max_shift, &place)?;
        let (repaired, overlapping) = (first_moved || second_moved, a.overlaps(&b));
        if repaired && mistaken([&first, &second], [a, b], &text) {
            let moved = if first_moved { &first } else { &second };
            let [start, end] = moved.chars;
            let surface = moved.surface.as_deref().unwrap_or_default();
            let expected = format!("those of {surface:?}, which stands where the other entity is");
            return Err(place.error(moved.field, format!("characters {start}..{end}"), expected));
        }
        let entities = [first.at(a), second.at(b)];
        let example = RelationExample::new(id, text, entities)?;
        for (happened, tally) in [
            (repaired, &mut report.repaired),
            (overlapping, &mut report.overlapping),
            (label.is_none(), &mut report.unlabelled),
        ] {
            if happened {
                tally.add(|| example.id().to_owned());
            }
        }
        report.rows += 1;
        self.unread.into_iter().for_each(|name| report.add_unread(name));
        let example = match source.filter(|source| !source.is_empty()) {
            Some(source) => example.with_source(source),
            None => example,
        };
        Ok(match label {
            Some(label) => example.with_label(label),
            None => example,
        })
    }
}

/// Whether corrected offsets are a guess at which entity is which: entities that were apart share characters, or have
/// changed places.
fn mistaken(entities: [&RawEntity; 2], found: [ByteSpan; 2], text: &str) -> bool {
    let [Some(stated_a), Some(stated_b)] = entities.map(|entity| {
        let [start, end] = entity.chars;
        CharSpan::new(start, end)
    }) else {
        return false;
    };
    let [Some(a), Some(b)] = found.map(|span| span.to_chars(text)) else { return false };
    let apart = !stated_a.overlaps(&stated_b);
    apart && (a.overlaps(&b) || (a.overlaps(&stated_b) && b.overlaps(&stated_a)))
}

impl RawEntity {
    fn at(self, span: ByteSpan) -> Entity {
        // Layouts with columns do not tell an empty field from none.
        match self.kind.filter(|kind| !kind.is_empty()) {
            Some(kind) => Entity::new(span).with_kind(kind),
            None => Entity::new(span),
        }
    }

    /// Where the entity stands in `text`, and whether its offsets had to be corrected for that.
    pub(crate) fn locate(&self, text: &str, max_shift: usize, place: &Place<'_>) -> Result<(ByteSpan, bool)> {
        let [start, end] = self.chars;
        let Some(chars) = CharSpan::new(start, end).filter(|span| !span.is_empty()) else {
            let found = format!("an entity that begins at character {start} and ends before character {end}");
            return Err(place.error(self.field, found, "at least one character"));
        };
        let stated = chars.to_bytes(text);
        let Some(surface) = &self.surface else {
            return stated.map(|span| (span, false)).ok_or_else(|| {
                let length = text.chars().count();
                place.error(
                    self.field,
                    format!("characters {chars}"),
                    format!("a span in a text of {length}"),
                )
            });
        };
        if surface.is_empty() {
            return Err(place.error(
                self.field,
                "an empty surface form",
                "the entity as it stands in the text",
            ));
        }
        let there = stated.and_then(|span| text.get(span.range()));
        if let Some(span) = stated.filter(|_| there == Some(surface)) {
            return Ok((span, false));
        }
        let misses = (end - start).abs_diff(surface.chars().count());
        if let Some(span) = nearest(text, surface, start, max_shift).filter(|_| misses <= max_shift) {
            return Ok((span, true));
        }
        let found = match there {
            Some(there) => format!("{there:?} at characters {chars}"),
            None => format!("characters {chars} of a text of {}", text.chars().count()),
        };
        let expected = match misses <= max_shift {
            true => format!("{surface:?} there or within {max_shift} characters"),
            false => format!("{surface:?}, which has {} characters", surface.chars().count()),
        };
        Err(place.error(self.field, found, expected))
    }
}

/// The occurrence of `surface` that best explains the stated `start` (in code points): right there, else the
/// nearest one to the left, else the nearest one to the right, none farther than `max_shift` code points.
///
/// Left goes first since the known faults of the competition's files all lie too far right.
fn nearest(text: &str, surface: &str, start: usize, max_shift: usize) -> Option<ByteSpan> {
    let low = start.saturating_sub(max_shift);
    let span = start.saturating_add(max_shift).saturating_add(1).saturating_sub(low);
    let window: Vec<(usize, usize)> =
        text.char_indices().map(|(byte, _)| byte).enumerate().skip(low).take(span).collect();
    let here = |&&(_, byte): &&(usize, usize)| text.get(byte..).is_some_and(|rest| rest.starts_with(surface));
    let left = window.iter().rev().filter(|(at, _)| *at <= start).find(here);
    let right = || window.iter().filter(|(at, _)| *at > start).find(here);
    left.or_else(right).map(|&(_, byte)| ByteSpan::with_len(byte, surface.len()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const FIELD: Field = Field { column: Some(3), name: "entity1" };

    fn locate(
        text: &str,
        chars: [usize; 2],
        surface: Option<&str>,
    ) -> std::result::Result<(String, usize, bool), String> {
        let entity = RawEntity { chars, surface: surface.map(str::to_owned), kind: None, field: FIELD };
        let place = Place::of_line(Path::new("f"), 2, Some("x"));
        entity
            .locate(text, 8, &place)
            .map(|(span, moved)| (text[span.range()].to_owned(), span.to_chars(text).unwrap().start(), moved))
            .map_err(|e| e.to_string())
    }

    #[test]
    fn offsets_are_repaired_to_the_left_first() {
        let at = |start, moved| Ok(("가나".to_owned(), start, moved));
        assert_eq!(locate("가나 가나 가나", [3, 5], Some("가나")), at(3, false));
        // Two too far right, where the next occurrence would be nearer.
        assert_eq!(locate("가나 가나 가나", [5, 7], Some("가나")), at(3, true));
        assert_eq!(locate("x 가나", [1, 3], Some("가나")), at(2, true));
        assert_eq!(locate("x 가나", [4, 6], Some("가나")), at(2, true), "behind the end of the text");
        assert_eq!(locate("가나 가나", [3, 4], Some("가나")), at(3, true), "only the end is wrong");
    }

    #[test]
    fn what_cannot_be_repaired_says_where() {
        let fault = |text, chars, surface| locate(text, chars, surface).unwrap_err();
        assert_eq!(
            fault("하나 둘", [0, 2], Some("셋")),
            "f:2: column 3 (entity1): id x: found \"하나\" at characters 0..2, expected \"셋\" there or within 8 characters"
        );
        assert!(fault("가 23456789 나", [11, 12], Some("가")).contains("\"나\" at characters 11..12"));
        assert!(fault("하나", [usize::MAX - 1, usize::MAX], Some("셋")).contains("of a text of 2"));
        assert!(
            fault("하나 둘", [0, 99], Some("하나"))
                .contains("text of 4, expected \"하나\", which has 2 characters")
        );
        assert!(fault("하나", [1, 1], Some("하")).contains("at least one character"));
        assert!(fault("하나", [2, 0], None).contains("at least one character"));
        assert!(fault("하나", [1, 3], None).contains("characters 1..3, expected a span in a text of 2"));
        assert!(fault("하나", [0, 1], Some("")).contains("an empty surface form"));
    }
}
