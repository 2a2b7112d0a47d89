//! GraphML.

use std::fmt::Write as _;

use re_data::Document;

use super::EntityScope;
use super::entities::{Entities, Nodes};
use crate::documents::{Losses, Lost};

/// Keys are declared before the graph, each with what it belongs to and the type of its values.
pub(super) const BEGIN: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
  <key id="label" for="node" attr.name="label" attr.type="string"/>
  <key id="type" for="node" attr.name="type" attr.type="string"/>
  <key id="entity" for="node" attr.name="entity" attr.type="string"/>
  <key id="document" for="node" attr.name="document" attr.type="string"/>
  <key id="relation" for="edge" attr.name="label" attr.type="string"/>
  <key id="score" for="edge" attr.name="score" attr.type="float"/>
  <key id="source" for="edge" attr.name="document" attr.type="string"/>
  <graph id="relations" edgedefault="directed">
"#;

pub(super) const END: &str = "  </graph>\n</graphml>\n";

/// The nodes and edges of a document; `edges` counts those written so far.
pub(super) fn document(
    document: &Document,
    scope: EntityScope,
    nodes: &mut Nodes,
    edges: usize,
    losses: &mut Losses,
) -> String {
    let entities = Entities::counted(document, false, losses);
    let numbers = nodes.number(document, &entities, losses);
    let id = escaped(document.id(), Lost::Id, losses);
    let mut xml = String::new();
    for (entity, number) in numbers.new_nodes(&entities) {
        let _ = write!(xml, "    <node id=\"n{number}\">");
        data(&mut xml, "label", &escaped(entity.surface, Lost::Surface, losses));
        if let Some(kind) = entity.kind {
            data(&mut xml, "type", &escaped(kind, Lost::Name, losses));
        }
        if let Some(entity) = entity.id {
            data(&mut xml, "entity", &escaped(entity, Lost::EntityId, losses));
        }
        // An entity of all documents is none of one.
        if entity.id.is_none() || scope == EntityScope::Document {
            data(&mut xml, "document", &id);
        }
        xml.push_str("</node>\n");
    }
    for (number, relation) in (edges..).zip(document.relations()) {
        let Some([subject, object]) = numbers.ends(&entities, relation.pair()) else { continue };
        let _ = write!(xml, "    <edge id=\"e{number}\" source=\"n{subject}\" target=\"n{object}\">");
        data(&mut xml, "relation", &escaped(relation.label(), Lost::Name, losses));
        if let Some(score) = relation.score() {
            data(&mut xml, "score", &score.to_string());
        }
        data(&mut xml, "source", &id);
        xml.push_str("</edge>\n");
    }
    xml
}

fn data(xml: &mut String, key: &str, escaped: &str) {
    let _ = write!(xml, "<data key=\"{key}\">{escaped}</data>");
}

/// A text between tags. XML 1.0 has no way to write most control characters, not even as references; carriage returns need
/// one, as a parser makes line feeds of them.
fn escaped(text: &str, lost: Lost, losses: &mut Losses) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut replaced = false;
    for character in text.chars() {
        match character {
            '&' => shown.push_str("&amp;"),
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '\r' => shown.push_str("&#13;"),
            '\t' | '\n' => shown.push(character),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {
                replaced = true;
                shown.push('_');
            }
            _ => shown.push(character),
        }
    }
    losses.add(lost, usize::from(replaced));
    shown
}
