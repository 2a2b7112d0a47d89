//! Tasks of Label Studio. Its offsets count UTF-16 units, as a browser does.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

use re_data::{Document, Pair, Relation};
use serde_json::{Map, Value, json};

use super::raw::{RawDocument, RawMention};
use super::report::Losses;
use super::utf16::Utf16;
use super::writer::{Holds, put, score};
use super::{MAX_DOCUMENT, Source};
use crate::error::Result;
use crate::read::json_items::{Item, Items};
use crate::read::object::Object;
use crate::read::place::Place;

/// Keys of a region that say how it was made and shown.
const PASSED: [&str; 7] = ["from_name", "to_name", "origin", "hidden", "locked", "selected", "readonly"];

pub(super) struct LabelStudio<'a>(Items<'a>);

impl<'a> LabelStudio<'a> {
    pub(super) fn new(input: impl Read + Send + 'a, path: &Path) -> Self {
        Self(Items::new(input, path).with_limit(MAX_DOCUMENT))
    }
}

impl Source for LabelStudio<'_> {
    fn next(&mut self) -> Result<Option<RawDocument>> {
        let Some(Item { line, number, mut object }) = self.0.next()? else { return Ok(None) };
        let place = Place::of_item(self.0.path(), line, number);
        let task = object.optional_id(&place, "id")?;
        let place = Place { id: task.as_deref(), ..place };
        let mut data = object.object(&place, "data")?;
        let id = data.optional_id(&place, "data.id")?.or_else(|| task.clone());
        let id = id.unwrap_or_else(|| number.to_string());
        let place = Place { id: Some(&id), ..place };
        let text = data.text(&place, "data.text")?;
        let source = data.optional_text(&place, "data.source")?;
        let mut unread: Vec<String> = data.unread("data.").collect();
        let results = result(&mut object, &place, &mut unread)?;
        unread.extend(object.unread(""));
        let mut regions =
            Regions { offsets: Utf16::of(&text), mentions: Vec::new(), known: HashMap::new(), unread };
        let mut links = Vec::new();
        for (number, mut part) in results.into_iter().enumerate() {
            let place = Place { part: Some(("result", number)), ..place };
            match part.text(&place, "type")?.as_str() {
                "labels" => regions.add(part, &place)?,
                "relation" => links.push((part, place)),
                other => regions.unread.push(format!("results of type {other}")),
            }
        }
        let mut relations = Vec::new();
        for (part, place) in links {
            relations.extend(regions.relations(part, &place)?);
        }
        let Regions { mentions, unread, .. } = regions;
        let item = Some(number);
        Ok(Some(RawDocument {
            line,
            item,
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

/// The results of the first annotation that was not cancelled, or of the first prediction.
fn result(object: &mut Object, place: &Place<'_>, unread: &mut Vec<String>) -> Result<Vec<Object>> {
    let mut chosen = None;
    for (name, of) in [("annotations", "annotations[]."), ("predictions", "predictions[].")] {
        for mut answer in object.objects(place, name)?.unwrap_or_default() {
            let cancelled = answer.flag(place, "was_cancelled")?;
            if chosen.is_some() || cancelled {
                unread.push(if cancelled { "cancelled annotations" } else { name }.to_owned());
                continue;
            }
            let results = answer.objects(place, "result")?.unwrap_or_default();
            // A prediction of Label Studio has one score for everything.
            unread.extend(answer.unread(of));
            chosen = Some(results);
        }
    }
    Ok(chosen.unwrap_or_default())
}

struct Regions {
    offsets: Utf16,
    mentions: Vec<RawMention>,
    /// The first mention of each region.
    known: HashMap<String, usize>,
    unread: Vec<String>,
}

impl Regions {
    fn add(&mut self, mut part: Object, place: &Place<'_>) -> Result<()> {
        let id = part.optional_id(place, "id")?;
        let mut value = part.object(place, "value")?;
        let mut char = |name| -> Result<usize> {
            let unit = value.index(place, name)?;
            self.offsets.char(unit).ok_or_else(|| {
                let expected = "UTF-16 units that end with a character";
                place.error(value.field(name), format!("{unit}, which is within a character"), expected)
            })
        };
        let chars = [char("value.start")?, char("value.end")?];
        let surface = value.optional_text(place, "value.text")?;
        let string = |label: &Value| label.as_str().map(str::to_owned);
        let labels = value.list(place, "value.labels", "a list of strings", string)?.unwrap_or_default();
        let score = part.optional_probability(place, "score")?;
        if let Some(id) = id
            && self.known.insert(id.clone(), self.mentions.len()).is_some()
        {
            return Err(place.error(part.field("id"), id, "an id that no other result has"));
        }
        let kinds = if labels.is_empty() { vec![None] } else { labels.into_iter().map(Some).collect() };
        for kind in kinds {
            let surface = surface.clone();
            self.mentions.push(RawMention { chars, surface, kind, score, ..RawMention::default() });
        }
        self.unread.extend(value.unread("value."));
        self.unread_of(part);
        Ok(())
    }

    fn unread_of(&mut self, mut part: Object) {
        PASSED.iter().for_each(|name| part.pass(name));
        self.unread.extend(part.unread("result."));
    }

    fn relations(&mut self, mut part: Object, place: &Place<'_>) -> Result<Vec<Relation>> {
        let mut end = |name| -> Result<usize> {
            let id = part.id(place, name)?;
            let mention = self.known.get(&id).copied();
            mention.ok_or_else(|| place.error(part.field(name), id, "the id of a region with labels"))
        };
        let (subject, object) = (end("from_id")?, end("to_id")?);
        let pairs = match part.optional_text(place, "direction")?.as_deref() {
            None | Some("right") => vec![Pair { subject, object }],
            Some("left") => vec![Pair { subject: object, object: subject }],
            Some("bi") => vec![Pair { subject, object }, Pair { subject: object, object: subject }],
            Some(other) => return Err(place.error(part.field("direction"), other, "right, left or bi")),
        };
        let string = |label: &Value| label.as_str().map(str::to_owned);
        let labels = part.list(place, "labels", "a list of strings", string)?.unwrap_or_default();
        if labels.is_empty() {
            return Err(place.error(part.field("labels"), "a relation without label", "at least one label"));
        }
        let score = part.optional_probability(place, "score")?;
        part.optional_id(place, "id")?;
        self.unread_of(part);
        let relation = |(pair, label): (Pair, &String)| match score {
            Some(score) => Relation::new(pair, label).with_score(score),
            None => Relation::new(pair, label),
        };
        Ok(pairs
            .iter()
            .flat_map(|&pair| labels.iter().map(move |label| (pair, label)))
            .map(relation)
            .collect())
    }
}

pub(super) fn value(document: &Document, losses: &mut Losses) -> Value {
    Holds {
        source: true,
        mentions: true,
        mention_scores: true,
        relations: true,
        relation_scores: true,
        ..Holds::default()
    }
    .count(document, losses);
    let offsets = Utf16::of(document.text());
    let mentions = document.mentions().iter().enumerate().map(|(number, mention)| {
        let span = mention.span();
        let mut value = json!({
            "id": format!("m{number}"),
            "type": "labels",
            "from_name": "label",
            "to_name": "text",
            "value": {
                "start": offsets.unit(span.start()),
                "end": offsets.unit(span.end()),
                "text": document.surface(number),
                "labels": mention.kind().into_iter().collect::<Vec<_>>(),
            },
        });
        put(&mut value, "score", mention.score().map(score));
        value
    });
    let relations = document.relations().iter().map(|relation| {
        let Pair { subject, object } = relation.pair();
        let mut value = json!({
            "type": "relation",
            "from_id": format!("m{subject}"),
            "to_id": format!("m{object}"),
            "direction": "right",
            "labels": [relation.label()],
        });
        put(&mut value, "score", relation.score().map(score));
        value
    });
    let results: Vec<Value> = mentions.chain(relations).collect();
    let scored = document.mentions().iter().any(|mention| mention.score().is_some())
        || document.relations().iter().any(|relation| relation.score().is_some());
    let mut data = json!({"id": document.id(), "text": document.text()});
    put(&mut data, "source", document.source().map(Value::from));
    let mut task = Map::new();
    task.insert("data".to_owned(), data);
    if !results.is_empty() {
        let key = if scored { "predictions" } else { "annotations" };
        task.insert(key.to_owned(), json!([{"result": results}]));
    }
    Value::Object(task)
}
