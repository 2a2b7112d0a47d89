//! The JSON of DocRED, whose relations hold between entities.

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::path::Path;

use re_data::{Document, Pair, Relation};
use serde_json::{Value, json};

use super::raw::{RawDocument, RawMention};
use super::report::{Losses, Lost};
use super::sentences::{self, Sentences, Tokens};
use super::writer::{Holds, kind, put};
use super::{MAX_DOCUMENT, Source};
use crate::error::{Error, Result};
use crate::read::json_items::{Item, Items};
use crate::read::object::Object;
use crate::read::place::Place;
use crate::tokens::Joined;

pub(super) struct DocRed<'a>(Items<'a>);

impl<'a> DocRed<'a> {
    pub(super) fn new(input: impl Read + Send + 'a, path: &Path) -> Self {
        Self(Items::new(input, path).with_limit(MAX_DOCUMENT))
    }
}

impl Source for DocRed<'_> {
    fn next(&mut self) -> Result<Option<RawDocument>> {
        let Some(Item { line, number, mut object }) = self.0.next()? else { return Ok(None) };
        let place = Place::of_item(self.0.path(), line, number);
        let id = object.id(&place, "title")?;
        let place = Place { id: Some(&id), ..place };
        let (joined, starts) = sentences::read(&mut object, &place, "sents")?;
        let mut unread = Vec::new();
        let mut mentions: Vec<RawMention> = Vec::new();
        let mut entities: Vec<Vec<usize>> = Vec::new();
        let expected = "a list of entities, which are lists of mentions";
        let sets = object.list(&place, "vertexSet", expected, |value| value.as_array().cloned())?;
        for (entity, set) in sets.unwrap_or_default().into_iter().enumerate() {
            let place = Place { part: Some(("entity", entity)), ..place };
            if set.is_empty() {
                return Err(place.error(object.field("vertexSet"), "no mentions", "at least one"));
            }
            let mut numbers = Vec::with_capacity(set.len());
            for value in set {
                let Value::Object(values) = value else {
                    let expected = "an object with sent_id, pos and type";
                    return Err(place.error(object.field("vertexSet"), value.to_string(), expected));
                };
                numbers.push(mentions.len());
                let mut part = Object::new(values, None);
                let chars = mention(&mut part, &place, &joined, &starts)?;
                let kind = Some(part.text(&place, "type")?);
                // What the mention says.
                part.optional_text(&place, "name")?;
                unread.extend(part.unread("vertexSet."));
                let entity = Some(entity.to_string());
                mentions.push(RawMention { chars, kind, entity, ..RawMention::default() });
            }
            entities.push(numbers);
        }
        let mut relations = Vec::new();
        let labels = object.objects(&place, "labels")?.unwrap_or_default();
        for (number, mut part) in labels.into_iter().enumerate() {
            let place = Place { part: Some(("label", number)), ..place };
            let mut entity = |name| -> Result<&Vec<usize>> {
                let entity = part.index(&place, name)?;
                entities.get(entity).ok_or_else(|| {
                    let expected = format!("the number of one of {} entities, from 0", entities.len());
                    place.error(part.field(name), entity.to_string(), expected)
                })
            };
            let (head, tail) = (entity("h")?, entity("t")?);
            let span = |mention: usize| mentions.get(mention).map(|m| m.chars).unwrap_or_default();
            let pair = closest(head, tail, span).ok_or_else(|| {
                let expected = "another entity, or one with a second mention";
                place.error(part.field("t"), "the entity of h, with one mention", expected)
            })?;
            relations.push(Relation::new(pair, part.text(&place, "r")?));
            let evidence = part.list(&place, "evidence", "a list of sentences", |value| value.as_u64())?;
            if evidence.is_some_and(|evidence| !evidence.is_empty()) {
                unread.push("labels.evidence".to_owned());
            }
            unread.extend(part.unread("labels."));
        }
        unread.extend(object.unread(""));
        let (text, item) = (joined.text, Some(number));
        Ok(Some(RawDocument { line, item, text, mentions, relations, unread, id, ..RawDocument::default() }))
    }
}

/// Where a mention stands, in code points.
fn mention(part: &mut Object, place: &Place<'_>, joined: &Joined, starts: &[usize]) -> Result<[usize; 2]> {
    let sentence = part.index(place, "sent_id")?;
    let Some(&start) = starts.get(sentence) else {
        let expected = format!("one of {} sentences, from 0", starts.len());
        return Err(place.error(part.field("sent_id"), sentence.to_string(), expected));
    };
    let behind = starts.get(sentence + 1).copied().unwrap_or(joined.tokens.len());
    let expected = "a list of two tokens, the end exclusive";
    let pos = part.list(place, "pos", expected, |value| usize::try_from(value.as_u64()?).ok())?;
    let pos = pos.unwrap_or_default();
    let fault = |found: String| -> Error {
        let expected =
            format!("a stretch of the {} tokens of sentence {sentence}, the end exclusive", behind - start);
        place.error(part.field("pos"), found, expected)
    };
    let &[first, end] = pos.as_slice() else { return Err(fault(format!("{} numbers", pos.len()))) };
    let chars = (end <= behind - start).then(|| joined.chars(start + first, start + end)).flatten();
    chars.ok_or_else(|| fault(format!("tokens {first} to {end}")))
}

/// The two different mentions, one of each entity, between which the fewest characters stand; the first such pair.
fn closest(heads: &[usize], tails: &[usize], span: impl Fn(usize) -> [usize; 2]) -> Option<Pair> {
    let pairs = heads.iter().flat_map(|&subject| tails.iter().map(move |&object| Pair { subject, object }));
    let between = |pair: &Pair| {
        let ([a, b], [c, d]) = (span(pair.subject), span(pair.object));
        c.saturating_sub(b).max(a.saturating_sub(d))
    };
    pairs.filter(|pair| pair.subject != pair.object).min_by_key(between)
}

pub(super) fn value(document: &Document, losses: &mut Losses) -> Value {
    Holds { mentions: true, entities: true, relations: true, ..Holds::default() }.count(document, losses);
    let sentences = Sentences::of(document);
    let mentions = document.mentions();
    // The mentions of each entity, and the entity of each mention.
    let mut entities: Vec<(Option<&str>, Vec<usize>)> = Vec::new();
    let mut of_mention: Vec<usize> = Vec::with_capacity(mentions.len());
    let mut known: HashMap<&str, usize> = HashMap::new();
    for (number, mention) in mentions.iter().enumerate() {
        let entity = mention.entity().and_then(|id| known.get(id).copied()).unwrap_or(entities.len());
        if let Some((_, numbers)) = entities.get_mut(entity) {
            numbers.push(number);
        } else {
            entities.push((mention.entity(), vec![number]));
        }
        mention.entity().map(|id| known.insert(id, entity));
        of_mention.push(entity);
    }
    losses.add(Lost::Entity, mentions.iter().filter(|mention| mention.entity().is_none()).count());
    let renamed =
        entities.iter().enumerate().filter(|(number, (id, _))| id.is_some_and(|id| id != number.to_string()));
    losses.add(Lost::EntityId, renamed.count());
    let span = |mention: usize| {
        mentions.get(mention).map(|m| [m.span().start(), m.span().end()]).unwrap_or_default()
    };
    let mut written = HashSet::new();
    let mut labels: Vec<Value> = Vec::new();
    for relation in document.relations() {
        let pair = relation.pair();
        let entity = |mention: usize| of_mention.get(mention).copied().unwrap_or_default();
        let (head, tail) = (entity(pair.subject), entity(pair.object));
        if !written.insert((head, tail, relation.label())) {
            losses.add(Lost::Relation, 1);
            continue;
        }
        let numbers = |entity: usize| entities.get(entity).map(|(_, n)| n.as_slice()).unwrap_or_default();
        if closest(numbers(head), numbers(tail), span) != Some(pair) {
            losses.add(Lost::Endpoint, 1);
        }
        labels.push(json!({"h": head, "t": tail, "r": relation.label(), "evidence": []}));
    }
    let vertices = entities.iter().map(|(_, numbers)| {
        let vertex = numbers.iter().filter_map(|&number| {
            let (mention, span) = (mentions.get(number)?, document.byte_spans().get(number)?);
            let Tokens { sentence, first, last, .. } = sentences.span(*span)?;
            Some(json!({
                "name": document.surface(number),
                "pos": [first, last + 1],
                "sent_id": sentence,
                "type": kind(mention, losses),
            }))
        });
        Value::from(vertex.collect::<Vec<_>>())
    });
    let vertices: Vec<Value> = vertices.collect();
    let mut value = json!({
        "title": document.id(),
        "sents": sentences.tokens(),
        "vertexSet": vertices,
        "labels": labels,
    });
    put(&mut value, "space_after", sentences.spaces());
    value
}
