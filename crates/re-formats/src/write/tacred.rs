//! TACRED's JSON: texts cut into tokens.

use re_data::RelationExample;
use serde::Serialize;

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
        let Tokens { token, space_after, entities } = Tokens::of(example);
        let [[subj_start, subj_end], [obj_start, obj_end]] = entities;
        let [subject, object] = example.entities();
        let last = space_after.len().saturating_sub(1);
        let usual = space_after.iter().enumerate().all(|(at, space)| *space == (at < last));
        Self {
            id: example.id(),
            docid: example.source(),
            relation: example.label(),
            token,
            subj_start,
            subj_end,
            obj_start,
            obj_end,
            subj_type: subject.kind(),
            obj_type: object.kind(),
            space_after: Some(space_after).filter(|_| !usual),
        }
    }
}

/// A text cut at its spaces and at the edges of its entities.
#[derive(Default)]
struct Tokens<'e> {
    token: Vec<&'e str>,
    space_after: Vec<bool>,
    /// First and last token of each entity.
    entities: [[usize; 2]; 2],
}

impl<'e> Tokens<'e> {
    fn of(example: &'e RelationExample) -> Self {
        let text = example.text();
        let spans = example.entities().each_ref().map(|entity| entity.span());
        let mut edges: Vec<usize> = spans.iter().flat_map(|span| [span.start(), span.end()]).collect();
        edges.extend([0, text.len()]);
        edges.sort_unstable();
        edges.dedup();
        let mut tokens = Self::default();
        for edge in edges.windows(2) {
            let &[start, end] = edge else { continue };
            for (span, entity) in spans.iter().zip(&mut tokens.entities) {
                if span.start() == start {
                    entity[0] = tokens.token.len();
                }
            }
            let edges = [spans.iter().any(|s| s.start() == start), spans.iter().any(|s| s.end() == end)];
            tokens.push(text.get(start..end).unwrap_or_default(), edges);
            for (span, entity) in spans.iter().zip(&mut tokens.entities) {
                if span.end() == end {
                    entity[1] = tokens.token.len().saturating_sub(1);
                }
            }
        }
        tokens
    }

    /// Cuts a stretch without edges inside it; an entity may begin at its start or end at its end. A space there makes
    /// an empty token, so that the entity keeps it; at other edges it belongs to the token before it.
    fn push(&mut self, stretch: &'e str, [begins, ends]: [bool; 2]) {
        let mut pieces = stretch.split(' ').peekable();
        let mut first = true;
        while let Some(piece) = pieces.next() {
            let space = pieces.peek().is_some();
            match self.space_after.last_mut() {
                Some(before) if piece.is_empty() && first && !begins => *before |= space,
                Some(_) if piece.is_empty() && !space && !ends => {}
                _ => {
                    self.token.push(piece);
                    self.space_after.push(space);
                }
            }
            first = false;
        }
    }
}
