//! SpERT's JSON, in which CoNLL-04 is published.

use std::io::Read;
use std::path::Path;

use re_data::{Document, Pair, Relation};
use serde_json::{Value, json};

use super::raw::{RawDocument, RawMention};
use super::report::Losses;
use super::writer::{Holds, id, kind, put};
use super::{MAX_DOCUMENT, Source};
use crate::error::Result;
use crate::read::json_items::{Item, Items};
use crate::read::place::Place;
use crate::tokens::{Cut, Edges, Joined, space_after};

pub(super) struct Spert<'a>(Items<'a>);

impl<'a> Spert<'a> {
    pub(super) fn new(input: impl Read + Send + 'a, path: &Path) -> Self {
        Self(Items::new(input, path).with_limit(MAX_DOCUMENT))
    }
}

impl Source for Spert<'_> {
    fn next(&mut self) -> Result<Option<RawDocument>> {
        let Some(Item { line, number, mut object }) = self.0.next()? else { return Ok(None) };
        let place = Place::of_item(self.0.path(), line, number);
        let id = object.optional_id(&place, "orig_id")?.unwrap_or_else(|| number.to_string());
        let place = Place { id: Some(&id), ..place };
        let mut joined = Joined::default();
        let tokens = object.strings(&place, "tokens")?;
        joined.add(&tokens, space_after(&mut object, &place, tokens.len())?.as_deref());
        let mut unread = Vec::new();
        let parts = object.objects(&place, "entities")?.unwrap_or_default();
        let mentions = parts.into_iter().enumerate().map(|(number, mut part)| {
            let place = Place { part: Some(("entity", number)), ..place };
            let [start, end] = [part.index(&place, "start")?, part.index(&place, "end")?];
            let kind = part.text(&place, "type")?;
            let chars = joined.chars(start, end).ok_or_else(|| {
                let expected =
                    format!("a stretch of the {} tokens, not empty, the end exclusive", tokens.len());
                place.error(part.field("end"), format!("tokens {start} to {end}"), expected)
            })?;
            unread.extend(part.unread("entities."));
            Ok(RawMention { chars, kind: Some(kind), ..RawMention::default() })
        });
        let mentions = mentions.collect::<Result<Vec<_>>>()?;
        let parts = object.objects(&place, "relations")?.unwrap_or_default();
        let relations = parts.into_iter().enumerate().map(|(number, mut part)| {
            let place = Place { part: Some(("relation", number)), ..place };
            let mut end = |name| -> Result<usize> {
                let entity = part.index(&place, name)?;
                let expected = || format!("the number of one of {} entities, from 0", mentions.len());
                match entity < mentions.len() {
                    true => Ok(entity),
                    false => Err(place.error(part.field(name), entity.to_string(), expected())),
                }
            };
            let pair = Pair { subject: end("head")?, object: end("tail")? };
            let relation = Relation::new(pair, part.text(&place, "type")?);
            unread.extend(part.unread("relations."));
            Ok(relation)
        });
        let relations = relations.collect::<Result<Vec<_>>>()?;
        unread.extend(object.unread(""));
        let text = joined.text;
        let item = Some(number);
        Ok(Some(RawDocument { line, item, text, mentions, relations, unread, id, ..RawDocument::default() }))
    }
}

pub(super) fn value(document: &Document, losses: &mut Losses) -> Value {
    Holds { mentions: true, relations: true, ..Holds::default() }.count(document, losses);
    let spans = document.byte_spans();
    let cut = Cut::of(document.text(), 0..document.text().len(), &Edges::of(spans));
    let entities = document.mentions().iter().zip(spans).map(|(mention, &span)| {
        let [first, last] = cut.span(span).unwrap_or_default();
        json!({"type": kind(mention, losses), "start": first, "end": last + 1})
    });
    let entities: Vec<Value> = entities.collect();
    let relations = document.relations().iter().map(|relation| {
        let Pair { subject, object } = relation.pair();
        json!({"type": relation.label(), "head": subject, "tail": object})
    });
    let mut value = json!({
        "tokens": cut.tokens,
        "entities": entities,
        "relations": relations.collect::<Vec<_>>(),
        "orig_id": id(document.id()),
    });
    put(&mut value, "space_after", cut.unusual_spaces().map(Value::from));
    value
}
