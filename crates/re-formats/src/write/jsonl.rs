//! This project's own layout.

use re_data::{CharSpan, Entity, RelationExample};
use serde::Serialize;

use super::Spans;

#[derive(Serialize)]
pub(super) struct JsonRow<'e> {
    id: &'e str,
    text: &'e str,
    entities: [JsonEntity<'e>; 2],
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'e str>,
}

#[derive(Serialize)]
struct JsonEntity<'e> {
    start: usize,
    end: usize,
    surface: &'e str,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'e str>,
}

impl<'e> JsonRow<'e> {
    pub(super) fn new(example: &'e RelationExample, [a, b]: Spans) -> Self {
        let [first, second] = example.entities();
        let entity = |at: usize, span: CharSpan, entity: &'e Entity| JsonEntity {
            start: span.start(),
            end: span.end(),
            surface: example.surface(at),
            kind: entity.kind(),
        };
        Self {
            id: example.id(),
            text: example.text(),
            entities: [entity(0, a, first), entity(1, b, second)],
            label: example.label(),
            source: example.source(),
        }
    }
}
