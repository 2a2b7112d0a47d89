//! TACRED's JSON: texts cut into tokens.

use re_data::RelationExample;
use serde::Serialize;

use crate::tokens::{Cut, Edges};

#[derive(Serialize)]
pub(super) struct TacredItem<'e> {
    id: &'e str,
    #[serde(skip_serializing_if = "Option::is_none")]
    docid: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    relation: Option<&'e str>,
    token: Vec<&'e str>,
    subj_start: usize,
    subj_end: usize,
    obj_start: usize,
    obj_end: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    subj_type: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    obj_type: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    space_after: Option<Vec<bool>>,
}

impl<'e> TacredItem<'e> {
    pub(super) fn new(example: &'e RelationExample) -> Self {
        let [subject, object] = example.entities();
        let spans = [subject.span(), object.span()];
        let cut = Cut::of(example.text(), 0..example.text().len(), &Edges::of(&spans));
        let [[subj_start, subj_end], [obj_start, obj_end]] =
            spans.map(|span| cut.span(span).unwrap_or_default());
        let space_after = cut.unusual_spaces().map(<[bool]>::to_vec);
        Self {
            id: example.id(),
            docid: example.source(),
            relation: example.label(),
            token: cut.tokens,
            subj_start,
            subj_end,
            obj_start,
            obj_end,
            subj_type: subject.kind(),
            obj_type: object.kind(),
            space_after,
        }
    }
}
