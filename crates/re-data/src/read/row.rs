//! From what a format says about a row to a checked example.

use std::cmp::Ordering;

use super::ReadOptions;
use super::offsets::{Located, Reading, Repair};
use super::place::{Field, Place};
use super::report::ReadReport;
use crate::error::{Error, Result};
use crate::example::{Entity, RelationExample};
use crate::span::ByteSpan;
use crate::text::{brief, quoted, trim_invisible};

/// A row as its format spells it, before anything in it is checked against anything else.
pub(crate) struct Row {
    /// Line on which the row begins, from 1.
    pub(crate) line: u64,
    /// Number of the row from 1, where several can stand on one line.
    pub(crate) item: Option<u64>,
    pub(crate) id: String,
    pub(crate) text: String,
    pub(crate) entities: [RawEntity; 2],
    /// Whether the layout's ends are those of the last character.
    pub(crate) inclusive_ends: bool,
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
    /// Checks the row and makes an example of it; notes in `report` what was special about it, and in `taken` by which
    /// reading of a whole file its offsets were corrected.
    pub(crate) fn into_example(
        self,
        place: Place<'_>,
        options: &ReadOptions,
        report: &mut ReadReport,
        taken: &mut Vec<Reading>,
    ) -> Result<RelationExample> {
        let Self { id, text, entities, label, source, inclusive_ends, .. } = self;
        if text.is_empty() {
            return Err(place.error(self.text_field, "an empty text", "a sentence"));
        }
        let label = label.as_deref().map(trim_invisible);
        let blind = label.is_some_and(|label| !label.is_empty() && options.is_blind(label));
        let label = label.filter(|label| !options.is_blind(label));
        if label == Some("") {
            return Err(place.error(self.label_field, "an empty label", "a name"));
        }
        if let (Some(labels), Some(label)) = (&options.labels, &label)
            && labels.id(label).is_none()
        {
            let expected = format!("one of the {} labels of the label set", labels.len());
            return Err(place.error(self.label_field, format!("label {}", quoted(label)), expected));
        }
        let [first, second] = entities;
        let located = Located {
            text: &text,
            entities: [&first, &second],
            inclusive: inclusive_ends,
            max_shift: options.max_shift,
        };
        let ([a, b], repair) = located.find(taken, &place)?;
        let overlapping = a.overlaps(&b);
        let entities = [first.at(a), second.at(b)];
        let example = RelationExample::new(id, text, entities)?;
        for (happened, tally) in [
            (repair.is_some(), &mut report.repaired),
            (overlapping, &mut report.overlapping),
            (label.is_none(), &mut report.unlabelled),
            (blind, &mut report.blind),
        ] {
            if happened {
                tally.add(|| brief(example.id()));
            }
        }
        if let Some(Repair { reading, of_file }) = repair {
            *report.readings.entry(reading).or_default() += 1;
            taken.extend(of_file.filter(|reading| !taken.contains(reading)));
        }
        report.rows += 1;
        self.unread.iter().for_each(|name| report.add_unread(name));
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

/// The surface form of an entity, and the character at which it is said to begin.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form<'e> {
    pub(super) surface: &'e str,
    pub(super) start: usize,
}

impl RawEntity {
    fn at(self, span: ByteSpan) -> Entity {
        // Layouts with columns do not tell an empty field from none.
        match self.kind.as_deref().map(trim_invisible).filter(|kind| !kind.is_empty()) {
            Some(kind) => Entity::new(span).with_kind(kind),
            None => Entity::new(span),
        }
    }

    /// The form, where it is as long as the offsets say.
    pub(super) fn stated_form(&self) -> Option<Form<'_>> {
        let [start, end] = self.chars;
        let surface = self.surface.as_deref().filter(|surface| !surface.is_empty())?;
        (end.checked_sub(start)? == surface.chars().count()).then_some(Form { surface, start })
    }

    /// What is wrong with the entity whatever the text is.
    pub(super) fn malformed(&self, place: &Place<'_>) -> Option<Error> {
        let [start, end] = self.chars;
        let fault = |found: String| Some(place.error(self.field, found, "at least one character"));
        match start.cmp(&end) {
            Ordering::Greater => {
                fault(format!("an entity that begins at character {start} and ends before character {end}"))
            }
            Ordering::Equal => fault(format!("an empty entity at character {start}")),
            Ordering::Less if self.surface.as_deref() == Some("") => {
                Some(place.error(self.field, "an empty surface form", "the entity as it stands in the text"))
            }
            Ordering::Less => None,
        }
    }
}
