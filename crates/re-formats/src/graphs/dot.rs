//! Graphviz.

use std::fmt::Write as _;

use re_data::Document;

use super::EntityScope;
use super::entities::{Entities, Nodes};
use crate::documents::{Losses, Lost};

pub(super) const BEGIN: &str =
    "digraph relations {\n  graph [rankdir=LR];\n  node [shape=box, style=rounded];\n";

pub(super) const END: &str = "}\n";

/// The nodes and edges of the document that stands behind `before` others.
pub(super) fn document(
    document: &Document,
    before: usize,
    scope: EntityScope,
    nodes: &mut Nodes,
    losses: &mut Losses,
) -> String {
    let entities = Entities::counted(document, false, losses);
    let numbers = nodes.number(document, &entities, losses);
    let mut dot = String::new();
    let margin = match scope {
        EntityScope::Document => {
            let _ = writeln!(dot, "  subgraph cluster_{before} {{");
            let _ = writeln!(dot, "    label=\"{}\";", escaped(document.id(), Lost::Id, losses));
            "    "
        }
        EntityScope::Corpus => {
            losses.add(Lost::Id, 1);
            "  "
        }
    };
    for (entity, number) in numbers.new_nodes(&entities) {
        let _ = write!(dot, "{margin}n{number} [label=\"{}", escaped(entity.surface, Lost::Surface, losses));
        if let Some(kind) = entity.kind {
            let _ = write!(dot, "\\n{}", escaped(kind, Lost::Name, losses));
        }
        if let Some(id) = entity.id {
            let _ = write!(dot, "\", tooltip=\"{}", escaped(id, Lost::EntityId, losses));
        }
        dot.push_str("\"];\n");
    }
    for relation in document.relations() {
        let Some([subject, object]) = numbers.ends(&entities, relation.pair()) else { continue };
        let label = escaped(relation.label(), Lost::Name, losses);
        let _ = write!(dot, "{margin}n{subject} -> n{object} [label=\"{label}");
        if let Some(score) = relation.score() {
            let _ = write!(dot, "\\n{score}");
        }
        dot.push_str("\"];\n");
    }
    if scope == EntityScope::Document {
        dot.push_str("  }\n");
    }
    dot
}

/// A text between quotes. Graphviz takes backslashes for escapes, reads `&amp;` as HTML does, and ends a text at U+0000;
/// other control characters have no place in what it draws.
fn escaped(text: &str, lost: Lost, losses: &mut Losses) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut replaced = false;
    for character in text.chars() {
        match character {
            '"' => shown.push_str("\\\""),
            '\\' => shown.push_str("\\\\"),
            '&' => shown.push_str("&amp;"),
            '\n' => shown.push_str("\\n"),
            _ if character.is_control() => {
                replaced = true;
                shown.push('_');
            }
            _ => shown.push(character),
        }
    }
    losses.add(lost, usize::from(replaced));
    shown
}
