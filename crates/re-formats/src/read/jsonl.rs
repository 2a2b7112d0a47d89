//! This project's own layout: one JSON object a line. [`super::Format::Jsonl`] documents it.

use std::io::Read;
use std::path::Path;

use serde::Deserialize;

use super::Source;
use super::lines::Lines;
use super::object::Object;
use super::place::{Field, Place};
use super::raw::RawEntity;
use super::row::Row;
use crate::error::Result;
use crate::json::{self, UniqueKeys};

/// Full names of an entity and its parts: start, end, surface form and type.
type Names = [&'static str; 5];

const FIRST: Names =
    ["entities[0]", "entities[0].start", "entities[0].end", "entities[0].surface", "entities[0].type"];
const SECOND: Names =
    ["entities[1]", "entities[1].start", "entities[1].end", "entities[1].surface", "entities[1].type"];

/// Rows of a file in this project's own layout.
pub(crate) struct Jsonl<'a> {
    lines: Lines<'a>,
    line: Vec<u8>,
}

impl<'a> Jsonl<'a> {
    pub(crate) fn new(input: impl Read + Send + 'a, path: &Path) -> Self {
        Self { lines: Lines::new(input, path), line: Vec::new() }
    }

    /// The same with another limit to the length of a line, in bytes.
    pub(crate) fn with_limit(self, limit: usize) -> Self {
        Self { lines: self.lines.with_limit(limit), ..self }
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
        // With its line end an incomplete line would end on the next one.
        match serde_json::from_slice(self.line.trim_ascii_end()) {
            Ok(value) => Ok(Some((self.lines.number(), value))),
            Err(fault) => {
                let found = format!("{} (byte {} of the line)", json::what(&fault), fault.column());
                Err(self.place().error(None, found, "one JSON object of the layout"))
            }
        }
    }

    /// The next object and its line.
    pub(crate) fn object(&mut self) -> Result<Option<(u64, Object)>> {
        let next = self.next::<UniqueKeys>()?;
        Ok(next.map(|(line, UniqueKeys(values))| (line, Object::new(values, None))))
    }

    fn place(&self) -> Place<'_> {
        Place::of_line(self.lines.path(), self.lines.number(), None)
    }
}

impl Source for Jsonl<'_> {
    fn next_row(&mut self) -> Result<Option<Row>> {
        let Some((line, mut object)) = self.object()? else { return Ok(None) };
        let place = self.place();
        let id = object.id(&place, "id")?;
        let place = Place { id: Some(&id), ..place };
        let text = object.text(&place, "text")?;
        let [first, second] = object.pair(&place, "entities")?;
        let entities = [entity(first, &place, FIRST)?, entity(second, &place, SECOND)?];
        let label = object.optional_text(&place, "label")?;
        let source = object.optional_text(&place, "source")?;
        object.end(&place, "", "id, text, entities, label and source alone")?;
        Ok(Some(Row {
            line,
            item: None,
            text,
            entities,
            label,
            inclusive_ends: false,
            label_field: field("label"),
            text_field: field("text"),
            source,
            unread: Vec::new(),
            id,
        }))
    }
}

fn entity(mut part: Object, place: &Place<'_>, names: Names) -> Result<RawEntity> {
    let [name, start, end, surface, kind] = names;
    let entity = RawEntity {
        chars: [part.index(place, start)?, part.index(place, end)?],
        surface: part.optional_text(place, surface)?,
        kind: part.optional_text(place, kind)?,
        field: field(name),
    };
    part.end(place, &format!("{name}."), "start, end, surface and type alone")?;
    Ok(entity)
}

fn field(name: &'static str) -> Field {
    Field { column: None, name }
}
