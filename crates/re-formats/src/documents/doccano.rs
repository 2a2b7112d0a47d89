//! doccano's JSON lines.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use re_data::{Document, Pair, Relation};
use serde_json::{Value, json};

use super::raw::{RawDocument, RawMention};
use super::report::Losses;
use super::writer::{Holds, id, kind, put};
use super::{MAX_DOCUMENT, Source};
use crate::error::Result;
use crate::read::jsonl::Jsonl;
use crate::read::object::Object;
use crate::read::place::Place;

pub(super) struct Doccano<'a> {
    records: Jsonl<'a>,
    path: PathBuf,
}

impl<'a> Doccano<'a> {
    pub(super) fn new(input: impl Read + Send + 'a, path: &Path) -> Self {
        Self { records: Jsonl::new(input, path).with_limit(MAX_DOCUMENT), path: path.to_owned() }
    }
}

impl Source for Doccano<'_> {
    fn next(&mut self) -> Result<Option<RawDocument>> {
        let Some((line, mut object)) = self.records.object()? else { return Ok(None) };
        let place = Place::of_line(&self.path, line, None);
        let id = object.optional_id(&place, "id")?.unwrap_or_else(|| line.to_string());
        let place = Place { id: Some(&id), ..place };
        let text = object.text(&place, "text")?;
        let mut mentions = Vec::new();
        for name in ["label", "labels"] {
            let expected = "a list of [start, end, type]";
            mentions.extend(object.list(&place, name, expected, triple)?.unwrap_or_default());
        }
        let (mut known, mut unread) = (HashMap::new(), Vec::new());
        for (number, mut part) in
            object.objects(&place, "entities")?.unwrap_or_default().into_iter().enumerate()
        {
            let place = Place { part: Some(("entity", number)), ..place };
            let id = part.id(&place, "id")?;
            if known.insert(id.clone(), mentions.len()).is_some() {
                return Err(place.error(part.field("id"), id, "an id that no other entity has"));
            }
            mentions.push(RawMention {
                chars: [part.index(&place, "start_offset")?, part.index(&place, "end_offset")?],
                kind: Some(part.text(&place, "label")?),
                ..RawMention::default()
            });
            unread.extend(part.unread("entities."));
        }
        let mut relations = Vec::new();
        for (number, part) in object.objects(&place, "relations")?.unwrap_or_default().into_iter().enumerate()
        {
            let place = Place { part: Some(("relation", number)), ..place };
            relations.push(relation(part, &place, &known, &mut unread)?);
        }
        let source = object.optional_text(&place, "source")?;
        for name in ["Comments", "comments"] {
            let comments = object.list(&place, name, "a list", |value| Some(value.clone()))?;
            if comments.is_some_and(|comments| !comments.is_empty()) {
                unread.push(name.to_owned());
            }
        }
        unread.extend(object.unread(""));
        Ok(Some(RawDocument {
            line,
            text,
            mentions,
            relations,
            source,
            unread,
            id,
            ..RawDocument::default()
        }))
    }
}

fn triple(value: &Value) -> Option<RawMention> {
    let [start, end, Value::String(kind)] = value.as_array()?.as_slice() else { return None };
    let index = |value: &Value| usize::try_from(value.as_u64()?).ok();
    let chars = [index(start)?, index(end)?];
    Some(RawMention { chars, kind: Some(kind.clone()), ..RawMention::default() })
}

fn relation(
    mut part: Object,
    place: &Place<'_>,
    known: &HashMap<String, usize>,
    unread: &mut Vec<String>,
) -> Result<Relation> {
    let mut end = |name| -> Result<usize> {
        let id = part.id(place, name)?;
        let mention = known.get(&id).copied();
        mention.ok_or_else(|| place.error(part.field(name), id, "the id of an entity of this document"))
    };
    let pair = Pair { subject: end("from_id")?, object: end("to_id")? };
    let label = part.text(place, "type")?;
    part.optional_id(place, "id")?;
    unread.extend(part.unread("relations."));
    Ok(Relation::new(pair, label))
}

pub(super) fn value(document: &Document, losses: &mut Losses) -> Value {
    Holds { source: true, mentions: true, relations: true, ..Holds::default() }.count(document, losses);
    let entities = document.mentions().iter().enumerate().map(|(number, mention)| {
        let (start, end) = (mention.span().start(), mention.span().end());
        json!({"id": number, "label": kind(mention, losses), "start_offset": start, "end_offset": end})
    });
    let entities: Vec<Value> = entities.collect();
    let relations = document.relations().iter().enumerate().map(|(number, relation)| {
        let Pair { subject, object } = relation.pair();
        json!({"id": number, "from_id": subject, "to_id": object, "type": relation.label()})
    });
    let mut value = json!({
        "id": id(document.id()),
        "text": document.text(),
        "entities": entities,
        "relations": relations.collect::<Vec<_>>(),
    });
    put(&mut value, "source", document.source().map(Value::from));
    value
}

/// For sequence labelling.
pub(super) fn labels(document: &Document, losses: &mut Losses) -> Value {
    Holds { source: true, mentions: true, ..Holds::default() }.count(document, losses);
    let labels = document
        .mentions()
        .iter()
        .map(|mention| json!([mention.span().start(), mention.span().end(), kind(mention, losses)]));
    let labels: Vec<Value> = labels.collect();
    let mut value = json!({"id": id(document.id()), "text": document.text(), "label": labels});
    put(&mut value, "source", document.source().map(Value::from));
    value
}
