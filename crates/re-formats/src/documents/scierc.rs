//! The JSON lines of SciERC and DyGIE++.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use re_data::{ByteSpan, Document, Pair, Relation};
use serde_json::{Value, json};

use super::raw::{RawDocument, RawMention};
use super::report::{Losses, Lost};
use super::sentences::{self, Sentences, Tokens};
use super::writer::{Holds, kind, put};
use super::{MAX_DOCUMENT, Source};
use crate::error::Result;
use crate::read::jsonl::Jsonl;
use crate::read::object::Object;
use crate::read::place::{Field, Place};
use crate::tokens::Joined;

pub(super) struct SciErc<'a> {
    records: Jsonl<'a>,
    path: PathBuf,
}

impl<'a> SciErc<'a> {
    pub(super) fn new(input: impl Read + Send + 'a, path: &Path) -> Self {
        Self { records: Jsonl::new(input, path).with_limit(MAX_DOCUMENT), path: path.to_owned() }
    }
}

/// First and last token, counted through the document.
type Ends = [usize; 2];

fn field(name: &'static str) -> Field {
    Field { column: None, name }
}

impl Source for SciErc<'_> {
    fn next(&mut self) -> Result<Option<RawDocument>> {
        let Some((line, mut object)) = self.records.object()? else { return Ok(None) };
        let place = Place::of_line(&self.path, line, None);
        let id = object.id(&place, "doc_key")?;
        let place = Place { id: Some(&id), ..place };
        let (joined, _) = sentences::read(&mut object, &place, "sentences")?;
        let mut mentions: Vec<RawMention> = Vec::new();
        // The mentions of a span.
        let mut known: HashMap<Ends, Vec<usize>> = HashMap::new();
        let expected = "lists of [first token, last token, type] for each sentence";
        for (value, place) in nested(&mut object, &place, "ner", "sentence", expected)? {
            let fault = || place.error(field("ner"), value.to_string(), "[first token, last token, type]");
            let [first, last, Value::String(kind)] = value.as_array().map(Vec::as_slice).unwrap_or_default()
            else {
                return Err(fault());
            };
            let ends = [first, last].map(index);
            let [Some(first), Some(last)] = ends else { return Err(fault()) };
            let chars = chars(&joined, [first, last], &place, "ner")?;
            known.entry([first, last]).or_default().push(mentions.len());
            mentions.push(RawMention { chars, kind: Some(kind.clone()), ..RawMention::default() });
        }
        clusters(&mut object, &place, &joined, &mut known, &mut mentions)?;
        let expected = "lists of [first, last, first, last, label] for each sentence";
        let mut relations = Vec::new();
        for (value, place) in nested(&mut object, &place, "relations", "sentence", expected)? {
            let relation = value.as_array().and_then(|parts| relation(parts));
            let Some(([subject, object], label)) = relation else {
                let expected = "[first token, last token, first token, last token, label]";
                return Err(place.error(field("relations"), value.to_string(), expected));
            };
            let mention = |ends: Ends| {
                let mention = known.get(&ends).and_then(|mentions| mentions.first().copied());
                let [first, last] = ends;
                mention.ok_or_else(|| {
                    let found = format!("tokens {first} to {last}, which are no mention");
                    place.error(field("relations"), found, "the tokens of a mention in ner or clusters")
                })
            };
            let pair = Pair { subject: mention(subject)?, object: mention(object)? };
            relations.push(Relation::new(pair, label));
        }
        let source = object.optional_text(&place, "source")?;
        let unread = object.unread("").collect();
        let text = joined.text;
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

/// The elements of a list of lists, each with its place.
fn nested<'p>(
    object: &mut Object,
    place: &Place<'p>,
    name: &'static str,
    part: &'static str,
    expected: &str,
) -> Result<Vec<(Value, Place<'p>)>> {
    let lists = object.list(place, name, expected, |value| value.as_array().cloned())?;
    let lists = lists.unwrap_or_default().into_iter().enumerate();
    let elements = lists.flat_map(|(number, list)| {
        let place = Place { part: Some((part, number)), ..*place };
        list.into_iter().map(move |value| (value, place))
    });
    Ok(elements.collect())
}

fn index(value: &Value) -> Option<usize> {
    usize::try_from(value.as_u64()?).ok()
}

fn relation(parts: &[Value]) -> Option<([Ends; 2], &str)> {
    let [a, b, c, d, Value::String(label)] = parts else { return None };
    Some(([[index(a)?, index(b)?], [index(c)?, index(d)?]], label))
}

fn chars(joined: &Joined, [first, last]: Ends, place: &Place<'_>, name: &'static str) -> Result<[usize; 2]> {
    let chars = last.checked_add(1).and_then(|end| joined.chars(first, end));
    chars.ok_or_else(|| {
        let count = joined.tokens.len();
        let expected = format!("a stretch of the document's {count} tokens, the end inclusive");
        place.error(field(name), format!("tokens {first} to {last}"), expected)
    })
}

/// Makes entities of clusters. A span that is no mention yet becomes one without a type.
fn clusters(
    object: &mut Object,
    place: &Place<'_>,
    joined: &Joined,
    known: &mut HashMap<Ends, Vec<usize>>,
    mentions: &mut Vec<RawMention>,
) -> Result<()> {
    let expected = "lists of [first token, last token]";
    for (value, place) in nested(object, place, "clusters", "cluster", expected)? {
        let ends = match value.as_array().map(Vec::as_slice) {
            Some([first, last]) => index(first).zip(index(last)),
            _ => None,
        };
        let Some((first, last)) = ends else {
            return Err(place.error(field("clusters"), value.to_string(), "[first token, last token]"));
        };
        let chars = chars(joined, [first, last], &place, "clusters")?;
        let entity = place.part.map(|(_, number)| number.to_string());
        let numbers = known.entry([first, last]).or_insert_with(|| {
            mentions.push(RawMention { chars, ..RawMention::default() });
            vec![mentions.len() - 1]
        });
        for &number in numbers.iter() {
            let Some(mention) = mentions.get_mut(number) else { continue };
            if let Some(other) = mention.entity.as_ref().filter(|other| Some(*other) != entity.as_ref()) {
                let found = format!("tokens {first} to {last}, which are in cluster {other}, too");
                return Err(place.error(field("clusters"), found, "each mention in one cluster"));
            }
            mention.entity.clone_from(&entity);
        }
    }
    Ok(())
}

pub(super) fn value(document: &Document, losses: &mut Losses) -> Value {
    Holds { source: true, mentions: true, entities: true, relations: true, ..Holds::default() }
        .count(document, losses);
    let sentences = Sentences::of(document);
    let spans = document.byte_spans();
    let place = |span: ByteSpan| {
        let Tokens { sentence, start, first, last } = sentences.span(span)?;
        Some((sentence, [start + first, start + last]))
    };
    let mut of_span: HashMap<ByteSpan, Vec<usize>> = HashMap::new();
    for (number, span) in spans.iter().enumerate() {
        of_span.entry(*span).or_default().push(number);
    }
    let first_of = |mention: usize| of_span.get(spans.get(mention)?)?.first().copied();
    let mut ner: Vec<Vec<Value>> = vec![Vec::new(); sentences.len()];
    let mut clusters: Vec<(&str, Vec<Value>)> = Vec::new();
    let mut cluster_of: HashMap<&str, usize> = HashMap::new();
    for (number, (mention, span)) in document.mentions().iter().zip(spans).enumerate() {
        let Some((sentence, [first, last])) = place(*span) else { continue };
        let alone = of_span.get(span).is_some_and(|mentions| mentions.len() == 1);
        // A mention without a type can stand among the clusters alone.
        if mention.kind().is_some() || mention.entity().is_none() || !alone {
            let kind = kind(mention, losses);
            ner.get_mut(sentence).into_iter().for_each(|list| list.push(json!([first, last, kind])));
        }
        let of_first = first_of(number).and_then(|first| document.mentions().get(first)?.entity());
        if mention.entity() != of_first {
            losses.add(Lost::Entity, 1);
        } else if let Some(entity) = mention.entity().filter(|_| first_of(number) == Some(number)) {
            let cluster = *cluster_of.entry(entity).or_insert_with(|| {
                clusters.push((entity, Vec::new()));
                clusters.len() - 1
            });
            clusters.get_mut(cluster).into_iter().for_each(|(_, list)| list.push(json!([first, last])));
        }
    }
    let renamed = clusters.iter().enumerate().filter(|(number, (id, _))| number.to_string() != **id);
    losses.add(Lost::EntityId, renamed.count());
    let mut relations: Vec<Vec<Value>> = vec![Vec::new(); sentences.len()];
    for relation in document.relations() {
        let Pair { subject, object } = relation.pair();
        // A relation is one of spans: it is read as that of their first mentions.
        let end = |mention: usize| {
            (first_of(mention) == Some(mention)).then(|| place(*spans.get(mention)?)).flatten()
        };
        match (end(subject), end(object)) {
            (Some((sentence, [a, b])), Some((_, [c, d]))) => {
                let value = json!([a, b, c, d, relation.label()]);
                relations.get_mut(sentence).into_iter().for_each(|list| list.push(value.clone()));
            }
            _ => losses.add(Lost::Relation, 1),
        }
    }
    let clusters: Vec<Vec<Value>> = clusters.into_iter().map(|(_, spans)| spans).collect();
    let mut value = json!({
        "doc_key": document.id(),
        "sentences": sentences.tokens(),
        "ner": ner,
        "relations": relations,
        "clusters": clusters,
    });
    put(&mut value, "space_after", sentences.spaces());
    put(&mut value, "source", document.source().map(Value::from));
    value
}
