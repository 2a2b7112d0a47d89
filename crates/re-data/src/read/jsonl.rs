//! This project's own layout: one JSON object a line. [`super::Format::Jsonl`] documents it.

use std::borrow::Cow;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Source;
use super::lines::Lines;
use super::place::{Field, Place};
use super::row::{RawEntity, Row};
use crate::error::Result;

/// One line of the layout.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct JsonRow<'a> {
    pub(crate) id: JsonId<'a>,
    pub(crate) text: Cow<'a, str>,
    pub(crate) entities: [JsonEntity<'a>; 2],
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) label: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<Cow<'a, str>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct JsonEntity<'a> {
    pub(crate) start: usize,
    pub(crate) end: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) surface: Option<Cow<'a, str>>,
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<Cow<'a, str>>,
}

/// Other tools write numbers as ids.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum JsonId<'a> {
    Text(Cow<'a, str>),
    Number(u64),
}

impl JsonId<'_> {
    pub(crate) fn into_string(self) -> String {
        match self {
            Self::Text(id) => id.into_owned(),
            Self::Number(id) => id.to_string(),
        }
    }
}

/// Rows of a file in this project's own layout.
pub(crate) struct Jsonl<'a> {
    lines: Lines<'a>,
    line: Vec<u8>,
}

impl<'a> Jsonl<'a> {
    pub(crate) fn new(input: impl Read + Send + 'a, path: &Path) -> Self {
        Self { lines: Lines::new(input, path), line: Vec::new() }
    }

    /// The next value and its line; blank lines are passed over.
    pub(crate) fn next<T: for<'de> Deserialize<'de>>(&mut self) -> Result<Option<(u64, T)>> {
        loop {
            self.line.clear();
            if !self.lines.next(&mut self.line)? {
                return Ok(None);
            }
            self.lines.check_length(&self.line)?;
            if !self.line.trim_ascii().is_empty() {
                break;
            }
        }
        match serde_json::from_slice(&self.line) {
            Ok(value) => Ok(Some((self.lines.number(), value))),
            Err(fault) => Err(self.place().error(None, fault.to_string(), "one JSON object of the layout")),
        }
    }

    pub(crate) fn place(&self) -> Place<'_> {
        Place::of_line(self.lines.path(), self.lines.number(), None)
    }
}

impl Source for Jsonl<'_> {
    fn next_row(&mut self) -> Result<Option<Row>> {
        let Some((line, row)) = self.next::<JsonRow>()? else { return Ok(None) };
        let id = row.id.into_string();
        if id.is_empty() {
            return Err(self.place().error(field("id"), "an empty id", "an identifier"));
        }
        let [first, second] = row.entities;
        let entity = |entity: JsonEntity, name| RawEntity {
            chars: [entity.start, entity.end],
            surface: entity.surface.map(Cow::into_owned),
            kind: entity.kind.map(Cow::into_owned),
            field: field(name),
        };
        Ok(Some(Row {
            line,
            item: None,
            id,
            text: row.text.into_owned(),
            entities: [entity(first, "entities[0]"), entity(second, "entities[1]")],
            label: row.label.map(Cow::into_owned),
            label_field: field("label"),
            text_field: field("text"),
            source: row.source.map(Cow::into_owned),
            unread: Vec::new(),
        }))
    }
}

fn field(name: &'static str) -> Field {
    Field { column: None, name }
}
