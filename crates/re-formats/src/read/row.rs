//! From what a format says about a row to a checked example.

use re_data::RelationExample;
use re_data::text::{brief, quoted, trim_invisible};

use super::ReadOptions;
use super::offsets::{Located, Reading, Repair};
use super::place::{Field, Place};
use super::raw::RawEntity;
use super::report::ReadReport;
use crate::error::Result;

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
