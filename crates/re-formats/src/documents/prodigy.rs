//! JSON lines of Prodigy and spaCy.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use re_data::{ByteSpan, CharSpan, Document, Pair, Relation};
use serde_json::{Value, json};

use super::raw::{RawDocument, RawMention};
use super::report::{Losses, Lost};
use super::writer::{Holds, put, score};
use super::{MAX_DOCUMENT, Source};
use crate::error::Result;
use crate::read::jsonl::Jsonl;
use crate::read::object::Object;
use crate::read::place::Place;
use crate::tokens::{Cut, Edges};

pub(super) struct Prodigy<'a> {
    records: Jsonl<'a>,
    path: PathBuf,
}

impl<'a> Prodigy<'a> {
    pub(super) fn new(input: impl Read + Send + 'a, path: &Path) -> Self {
        Self { records: Jsonl::new(input, path).with_limit(MAX_DOCUMENT), path: path.to_owned() }
    }
}

/// Offsets and type of a mention, which is how relations name it.
type Key = ([usize; 2], Option<String>);

impl Source for Prodigy<'_> {
    fn next(&mut self) -> Result<Option<RawDocument>> {
        let Some((line, mut object)) = self.records.object()? else { return Ok(None) };
        let place = Place::of_line(&self.path, line, None);
        let mut meta = object.optional_object(&place, "meta")?;
        let id = match &mut meta {
            Some(meta) => meta.optional_id(&place, "meta.id")?,
            None => None,
        };
        let id = id.unwrap_or_else(|| line.to_string());
        let place = Place { id: Some(&id), ..place };
        let mut unread = Vec::new();
        if let Some(answer) = object.optional_text(&place, "answer")?.filter(|answer| answer != "accept") {
            let unread = vec![format!("documents with the answer {answer}")];
            return Ok(Some(RawDocument { unread, skipped: true, ..RawDocument::default() }));
        }
        let source = match &mut meta {
            Some(meta) => meta.optional_text(&place, "meta.source")?,
            None => None,
        };
        unread.extend(meta.into_iter().flat_map(|meta| meta.unread("meta.")));
        let text = object.text(&place, "text")?;
        let mut spans = Spans { mentions: Vec::new(), known: HashMap::new(), tokens: Vec::new() };
        for (number, mut part) in object.objects(&place, "spans")?.unwrap_or_default().into_iter().enumerate()
        {
            let place = Place { part: Some(("span", number)), ..place };
            spans.add(&mut part, &place)?;
            for name in ["token_start", "token_end"] {
                part.pass(name);
            }
            unread.extend(part.unread("spans."));
        }
        for (number, mut part) in
            object.objects(&place, "tokens")?.unwrap_or_default().into_iter().enumerate()
        {
            let place = Place { part: Some(("token", number)), ..place };
            spans.tokens.push([part.index(&place, "start")?, part.index(&place, "end")?]);
        }
        let mut relations = Vec::new();
        for (number, mut part) in
            object.objects(&place, "relations")?.unwrap_or_default().into_iter().enumerate()
        {
            let place = Place { part: Some(("relation", number)), ..place };
            let subject =
                spans.end(&mut part, &place, ["head", "head_span", "head_span.start", "head_span.end"])?;
            let child = ["child", "child_span", "child_span.start", "child_span.end"];
            let pair = Pair { subject, object: spans.end(&mut part, &place, child)? };
            let mut relation = Relation::new(pair, part.text(&place, "label")?);
            if let Some(score) = part.optional_probability(&place, "score")? {
                relation = relation.with_score(score);
            }
            relations.push(relation);
            part.pass("color");
            unread.extend(part.unread("relations."));
        }
        unread.extend(object.unread(""));
        let mentions = spans.mentions;
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

struct Spans {
    mentions: Vec<RawMention>,
    /// The first mention of its kind.
    known: HashMap<Key, usize>,
    /// Offsets of the tokens.
    tokens: Vec<[usize; 2]>,
}

impl Spans {
    fn add(&mut self, part: &mut Object, place: &Place<'_>) -> Result<()> {
        let chars = [part.index(place, "start")?, part.index(place, "end")?];
        let kind = part.optional_text(place, "label")?.filter(|label| !label.is_empty());
        self.known.entry((chars, kind.clone())).or_insert(self.mentions.len());
        self.mentions.push(RawMention {
            chars,
            kind,
            surface: part.optional_text(place, "text")?,
            score: part.optional_probability(place, "score")?,
            entity: part.optional_text(place, "kb_id")?.filter(|id| !id.is_empty()),
            line: None,
        });
        Ok(())
    }

    /// The mention at an end of a relation: that of the span or, where there is none, the shortest one over the token. Prodigy
    /// relates tokens, too; such a token becomes a mention without a type.
    fn end(&mut self, part: &mut Object, place: &Place<'_>, names: [&'static str; 4]) -> Result<usize> {
        let [token_name, span_name, start, end] = names;
        let span = part.optional_object(place, span_name)?;
        let token = part.optional_index(place, token_name)?;
        let key = match (span, token) {
            (Some(mut span), _) => {
                let chars = [span.index(place, start)?, span.index(place, end)?];
                (chars, span.optional_text(place, "label")?.filter(|label| !label.is_empty()))
            }
            (None, Some(token)) => {
                let Some(&chars) = self.tokens.get(token) else {
                    let expected = format!("the number of one of {} tokens, from 0", self.tokens.len());
                    return Err(place.error(part.field(token_name), token.to_string(), expected));
                };
                let over = |m: &RawMention| m.chars[0] <= chars[0] && chars[1] <= m.chars[1];
                let over = self.mentions.iter().enumerate().filter(|(_, mention)| over(mention));
                if let Some((number, _)) = over.min_by_key(|(_, m)| m.chars[1].saturating_sub(m.chars[0])) {
                    return Ok(number);
                }
                (chars, None)
            }
            (None, None) => {
                return Err(place.error(part.field(token_name), "nothing", "the number of a token"));
            }
        };
        if key.1.is_some() && !self.known.contains_key(&key) {
            let ([start, end], label) = key;
            let found = format!("{} at characters {start} to {end}", label.unwrap_or_default());
            return Err(place.error(part.field(span_name), found, "one of the document's spans"));
        }
        let number = *self.known.entry(key.clone()).or_insert(self.mentions.len());
        if number == self.mentions.len() {
            self.mentions.push(RawMention { chars: key.0, ..RawMention::default() });
        }
        Ok(number)
    }
}

pub(super) fn value(document: &Document, losses: &mut Losses) -> Value {
    Holds {
        source: true,
        mentions: true,
        mention_scores: true,
        entities: true,
        relations: true,
        relation_scores: true,
    }
    .count(document, losses);
    let (text, bytes) = (document.text(), document.byte_spans());
    let cut = Cut::of(text, 0..text.len(), &Edges::of(bytes));
    let mut first: HashMap<(CharSpan, Option<&str>), usize> = HashMap::new();
    for (number, mention) in document.mentions().iter().enumerate() {
        first.entry((mention.span(), mention.kind())).or_insert(number);
    }
    let span = |number: usize| -> Option<(Value, usize)> {
        let (mention, bytes): (_, &ByteSpan) = (document.mentions().get(number)?, bytes.get(number)?);
        let [token_start, token_end] = cut.span(*bytes)?;
        let (start, end) = (mention.span().start(), mention.span().end());
        let mut value =
            json!({"start": start, "end": end, "token_start": token_start, "token_end": token_end});
        put(&mut value, "label", mention.kind().map(Value::from));
        Some((value, token_end))
    };
    let spans = document.mentions().iter().enumerate().filter_map(|(number, mention)| {
        let (mut value, _) = span(number)?;
        put(&mut value, "text", Some(Value::from(document.surface(number))));
        put(&mut value, "score", mention.score().map(score));
        put(&mut value, "kb_id", mention.entity().map(Value::from));
        Some(value)
    });
    let spans: Vec<Value> = spans.collect();
    let mut relations = Vec::new();
    for relation in document.relations() {
        let Pair { subject, object } = relation.pair();
        // A relation names offsets and types: the first of equal mentions is meant.
        let is_first = |number: usize| {
            let mention = document.mentions().get(number)?;
            (first.get(&(mention.span(), mention.kind())) == Some(&number)).then_some(())
        };
        let ends = is_first(subject).and(is_first(object)).and_then(|()| span(subject).zip(span(object)));
        let Some(((head_span, head), (child_span, child))) = ends else {
            losses.add(Lost::Relation, 1);
            continue;
        };
        let mut value = json!({
            "head": head,
            "child": child,
            "head_span": head_span,
            "child_span": child_span,
            "label": relation.label(),
        });
        put(&mut value, "score", relation.score().map(score));
        relations.push(value);
    }
    let mut meta = json!({"id": document.id()});
    put(&mut meta, "source", document.source().map(Value::from));
    json!({
        "text": text,
        "tokens": tokens(&cut),
        "spans": spans,
        "relations": relations,
        "meta": meta,
        "answer": "accept",
    })
}

/// The tokens with their places in the text.
fn tokens(cut: &Cut<'_>) -> Vec<Value> {
    let mut at = 0;
    let tokens = cut.tokens.iter().zip(&cut.space_after).enumerate();
    let place = |(number, (token, space)): (usize, (&&str, &bool))| {
        let (start, end) = (at, at + token.chars().count());
        at = end + usize::from(*space);
        json!({"text": token, "start": start, "end": end, "id": number, "ws": space})
    };
    tokens.map(place).collect()
}
