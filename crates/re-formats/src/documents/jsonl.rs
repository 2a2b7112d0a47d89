//! This project's own layout. [`super::DocumentFormat::Jsonl`] documents it.

use std::io::Read;
use std::path::{Path, PathBuf};

use re_data::{Document, Pair, Relation};
use serde_json::{Value, json};

use super::raw::{RawDocument, RawMention};
use super::writer::{put, score};
use super::{MAX_DOCUMENT, Source};
use crate::error::Result;
use crate::read::jsonl::Jsonl as Records;
use crate::read::object::Object;
use crate::read::place::Place;

pub(super) struct Jsonl<'a> {
    records: Records<'a>,
    path: PathBuf,
}

impl<'a> Jsonl<'a> {
    pub(super) fn new(input: impl Read + Send + 'a, path: &Path) -> Self {
        Self { records: Records::new(input, path).with_limit(MAX_DOCUMENT), path: path.to_owned() }
    }
}

impl Source for Jsonl<'_> {
    fn next(&mut self) -> Result<Option<RawDocument>> {
        let Some((line, mut object)) = self.records.object()? else { return Ok(None) };
        let place = Place::of_line(&self.path, line, None);
        let id = object.id(&place, "id")?;
        let place = Place { id: Some(&id), ..place };
        let text = object.text(&place, "text")?;
        let mentions = object.objects(&place, "mentions")?.unwrap_or_default();
        let mentions = mentions
            .into_iter()
            .enumerate()
            .map(|(number, part)| mention(part, &Place { part: Some(("mention", number)), ..place }));
        let mentions = mentions.collect::<Result<Vec<_>>>()?;
        let relations = object.objects(&place, "relations")?.unwrap_or_default();
        let relations = relations
            .into_iter()
            .enumerate()
            .map(|(number, part)| relation(part, &Place { part: Some(("relation", number)), ..place }));
        let relations = relations.collect::<Result<Vec<_>>>()?;
        let source = object.optional_text(&place, "source")?;
        object.end(&place, "", "id, text, mentions, relations and source alone")?;
        Ok(Some(RawDocument { line, text, mentions, relations, source, id, ..RawDocument::default() }))
    }
}

fn mention(mut part: Object, place: &Place<'_>) -> Result<RawMention> {
    let mention = RawMention {
        chars: [part.index(place, "start")?, part.index(place, "end")?],
        surface: part.optional_text(place, "surface")?,
        kind: part.optional_text(place, "type")?,
        score: part.optional_probability(place, "score")?,
        entity: part.optional_text(place, "entity")?,
        line: None,
    };
    part.end(place, "", "start, end, surface, type, score and entity alone")?;
    Ok(mention)
}

fn relation(mut part: Object, place: &Place<'_>) -> Result<Relation> {
    let pair = Pair { subject: part.index(place, "subject")?, object: part.index(place, "object")? };
    let mut relation = Relation::new(pair, part.text(place, "label")?);
    if let Some(score) = part.optional_probability(place, "score")? {
        relation = relation.with_score(score);
    }
    part.end(place, "", "subject, object, label and score alone")?;
    Ok(relation)
}

pub(super) fn value(document: &Document) -> Value {
    let mentions = document.mentions().iter().enumerate().map(|(number, mention)| {
        let (start, end) = (mention.span().start(), mention.span().end());
        let mut value = json!({"start": start, "end": end, "surface": document.surface(number)});
        put(&mut value, "type", mention.kind().map(Value::from));
        put(&mut value, "score", mention.score().map(score));
        put(&mut value, "entity", mention.entity().map(Value::from));
        value
    });
    let relations = document.relations().iter().map(|relation| {
        let Pair { subject, object } = relation.pair();
        let mut value = json!({"subject": subject, "object": object, "label": relation.label()});
        put(&mut value, "score", relation.score().map(score));
        value
    });
    let mut value = json!({
        "id": document.id(),
        "text": document.text(),
        "mentions": mentions.collect::<Vec<_>>(),
        "relations": relations.collect::<Vec<_>>(),
    });
    put(&mut value, "source", document.source().map(Value::from));
    value
}
