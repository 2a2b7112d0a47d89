//! KLUE-RE: the benchmark's JSON and its CSV form.

use re_data::RelationExample;
use serde::Serialize;

use super::Spans;
use crate::read::klue::CSV_BLIND;
use crate::read::python_dict::quote;

#[derive(Serialize)]
pub(super) struct KlueItem<'e> {
    guid: &'e str,
    sentence: &'e str,
    subject_entity: KlueEntity<'e>,
    object_entity: KlueEntity<'e>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'e str>,
}

#[derive(Serialize)]
struct KlueEntity<'e> {
    word: &'e str,
    start_idx: usize,
    end_idx: usize,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'e str>,
}

impl<'e> KlueItem<'e> {
    pub(super) fn new(example: &'e RelationExample, [subject, object]: Spans) -> Self {
        let [a, b] = example.entities();
        Self {
            guid: example.id(),
            sentence: example.text(),
            // Ends are inclusive; an entity has at least one character.
            subject_entity: KlueEntity {
                word: example.surface(0),
                start_idx: subject.start(),
                end_idx: subject.end() - 1,
                kind: a.kind(),
            },
            object_entity: KlueEntity {
                word: example.surface(1),
                start_idx: object.start(),
                end_idx: object.end() - 1,
                kind: b.kind(),
            },
            label: example.label(),
            source: example.source(),
        }
    }

    /// The row of the CSV form.
    pub(super) fn columns(&self) -> [String; 6] {
        [
            self.guid.to_owned(),
            self.sentence.to_owned(),
            self.subject_entity.dict(),
            self.object_entity.dict(),
            self.label.unwrap_or(CSV_BLIND).to_owned(),
            self.source.unwrap_or_default().to_owned(),
        ]
    }
}

impl KlueEntity<'_> {
    fn dict(&self) -> String {
        let Self { word, start_idx, end_idx, kind } = self;
        let kind = kind.map(|kind| format!(", 'type': {}", quote(kind))).unwrap_or_default();
        format!("{{'word': {}, 'start_idx': {start_idx}, 'end_idx': {end_idx}{kind}}}", quote(word))
    }
}
