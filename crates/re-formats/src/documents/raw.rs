//! From what a layout says about a document to a checked one.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use re_data::text::{brief, quoted};
use re_data::{CharSpan, Document, Mention, Relation};

use super::report::DocumentReadReport;
use super::utf16::Utf16;
use crate::error::{Error, Result};
use crate::read::place::{Field, Place};

/// A mention as its layout spells it.
#[derive(Debug, Default)]
pub(super) struct RawMention {
    /// First code point and the one behind the last.
    pub(super) chars: [usize; 2],
    /// What the layout says that stands there, which is checked.
    pub(super) surface: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) score: Option<f32>,
    pub(super) entity: Option<String>,
    /// The line it stands on, where that is not the document's.
    pub(super) line: Option<u64>,
}

/// A document as its layout spells it, before anything in it is checked against anything else.
#[derive(Debug, Default)]
pub(super) struct RawDocument {
    /// The file, where it is one of several.
    pub(super) path: Option<PathBuf>,
    /// Line on which it begins, from 1.
    pub(super) line: u64,
    /// Its number from 1, where several can stand on one line.
    pub(super) item: Option<u64>,
    pub(super) id: String,
    pub(super) text: String,
    pub(super) mentions: Vec<RawMention>,
    pub(super) relations: Vec<Relation>,
    pub(super) source: Option<String>,
    /// What the record holds besides, for which documents have no place.
    pub(super) unread: Vec<String>,
    /// Whether the record is no document, for a reason that stands in `unread`.
    pub(super) skipped: bool,
}

impl RawDocument {
    /// Checks the document, and notes in `report` what was special about it.
    pub(super) fn into_document(
        self,
        path: &Path,
        ids: &mut HashSet<Arc<str>>,
        report: &mut DocumentReadReport,
    ) -> Result<Document> {
        let path = self.path.as_deref().unwrap_or(path);
        let place = Place { path, line: self.line, item: self.item, id: Some(&self.id), part: None };
        let field = |name| Field { column: None, name };
        if self.id.is_empty() {
            return Err(place.error(field("id"), "an empty id", "an identifier"));
        }
        if self.text.is_empty() {
            return Err(place.error(field("text"), "an empty text", "at least one character"));
        }
        let id: Arc<str> = self.id.as_str().into();
        if ids.contains(&id) {
            return Err(place.error(field("id"), "the id of an earlier document", "an id of its own"));
        }
        let length = self.text.chars().count();
        let mut mentions = Vec::with_capacity(self.mentions.len());
        for (number, raw) in self.mentions.iter().enumerate() {
            let place = place_of(place, raw, number);
            mentions.push(mention(raw, length, &self.text, &place)?);
        }
        let fault = |error| of_document(error, &place, &self.mentions);
        let document = Document::new(Arc::clone(&id), self.text.as_str(), mentions).map_err(fault)?;
        for (number, raw) in self.mentions.iter().enumerate() {
            let Some(stated) = &raw.surface else { continue };
            if !same_but_white_space(stated, document.surface(number)) {
                return Err(misplaced(raw, stated, &self.text, &place_of(place, raw, number)));
            }
        }
        let mut relations: Vec<Relation> = Vec::with_capacity(self.relations.len());
        let (mut known, mut repeated) = (HashSet::new(), 0);
        for relation in &self.relations {
            let score = relation.score().map(f32::to_bits);
            if known.insert((relation.pair(), relation.label(), score)) {
                relations.push(relation.clone());
            } else {
                repeated += 1;
            }
        }
        let document = document.with_relations(relations).map_err(fault)?;
        let document = match self.source.as_deref().filter(|source| !source.is_empty()) {
            Some(source) => document.with_source(source),
            None => document,
        };
        ids.insert(id);
        report.documents += 1;
        report.mentions += document.mentions().len();
        report.relations += document.relations().len();
        if repeated > 0 {
            report.repeated_relations.add(|| brief(document.id()));
        }
        self.unread.iter().for_each(|name| report.add_unread(name));
        Ok(document)
    }
}

fn place_of<'p>(place: Place<'p>, raw: &RawMention, number: usize) -> Place<'p> {
    Place { line: raw.line.unwrap_or(place.line), part: Some(("mention", number)), ..place }
}

fn mention(raw: &RawMention, length: usize, text: &str, place: &Place<'_>) -> Result<Mention> {
    let [start, end] = raw.chars;
    let field = |name| Field { column: None, name };
    let span = CharSpan::new(start, end).filter(|span| !span.is_empty());
    let Some(span) = span else {
        let found = format!("a mention from character {start} to before character {end}");
        return Err(place.error(field("end"), found, "at least one character, the end behind the start"));
    };
    if end > length {
        let found = format!("a mention that ends before character {end}");
        let expected = match end <= text.len() {
            true => format!("a stretch of the text of {length} characters; bytes of UTF-8 are no characters"),
            false => format!("a stretch of the text of {length} characters"),
        };
        return Err(place.error(field("end"), found, expected));
    }
    let mut mention = Mention::new(span);
    if let Some(kind) = &raw.kind {
        mention = mention.with_kind(kind);
    }
    if let Some(score) = raw.score {
        mention = mention.with_score(score);
    }
    if let Some(entity) = &raw.entity {
        mention = mention.with_entity(entity.as_str());
    }
    Ok(mention)
}

/// Names the place of what a document refuses.
fn of_document(error: re_data::Error, place: &Place<'_>, mentions: &[RawMention]) -> Error {
    let re_data::Error::Document { part, field, found, expected, .. } = error else {
        return Error::Data(error);
    };
    let number = part.strip_prefix("mention ").and_then(|number| number.parse::<usize>().ok());
    let line = number.and_then(|number| mentions.get(number)?.line);
    let place = Place { line: line.unwrap_or(place.line), ..*place };
    place.error_in(Some(part), Field { column: None, name: field }, found, expected)
}

/// The error that something else stands at a mention's offsets than the layout says, with the unit in which they would fit.
fn misplaced(raw: &RawMention, stated: &str, text: &str, place: &Place<'_>) -> Error {
    let [start, end] = raw.chars;
    let at = |start: Option<usize>, end: Option<usize>| text.get(start?..end?);
    let byte = |char: usize| text.char_indices().map(|(at, _)| at).chain([text.len()]).nth(char);
    let utf16 = Utf16::of(text);
    let units = [
        ("in UTF-16 units", at(utf16.char(start).and_then(byte), utf16.char(end).and_then(byte))),
        ("in code points", at(byte(utf16.unit(start)), byte(utf16.unit(end)))),
        ("in bytes", text.get(start..end)),
        ("with an inclusive end", at(byte(start), byte(end + 1))),
        ("counted from 1", at(start.checked_sub(1).and_then(byte), end.checked_sub(1).and_then(byte))),
    ];
    let fits = |there: &Option<&str>| there.is_some_and(|there| same_but_white_space(stated, there));
    let hint = units.iter().find(|(_, there)| fits(there));
    let hint = hint.map(|(unit, _)| format!(" ({unit} the offsets would fit)")).unwrap_or_default();
    let there = at(byte(start), byte(end)).unwrap_or_default();
    let found = format!("{} at characters {start} to {end}{hint}", quoted(there));
    place.error(Field { column: None, name: "start" }, found, format!("{} there", quoted(stated)))
}

/// Whether two texts are equal but for the kind of their white space and control characters: tools write a line break within
/// a mention as a space, or as `\n`.
fn same_but_white_space(stated: &str, there: &str) -> bool {
    let plain = |text: &str| -> String {
        text.chars().map(|c| if c.is_whitespace() || c.is_control() { ' ' } else { c }).collect()
    };
    stated == there || plain(stated) == plain(there) || plain(&stated.replace("\\n", " ")) == plain(there)
}
