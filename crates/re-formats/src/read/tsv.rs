//! The competition's layout: nine tab-separated columns with CSV quoting and no header.

use std::io::Read;
use std::path::Path;

use re_data::text::quoted;

use super::Source;
use super::delimited::Records;
use super::place::{Field, Place};
use super::raw::RawEntity;
use super::row::Row;
use crate::error::Result;

const NAMES: [&str; 9] =
    ["id", "sentence", "entity1", "start1", "end1", "entity2", "start2", "end2", "label"];

/// Rows of a file in the competition's layout.
pub(crate) struct Tsv<'a>(Records<'a>);

impl<'a> Tsv<'a> {
    pub(crate) fn new(input: impl Read + Send + 'a, path: &Path) -> Self {
        Self(Records::new(input, path, b'\t'))
    }
}

impl Source for Tsv<'_> {
    fn read_again(&mut self) {
        self.0.read_again();
    }

    fn next_row(&mut self) -> Result<Option<Row>> {
        let path = self.0.path().to_owned();
        let Some(record) = self.0.next()? else { return Ok(None) };
        let fields: Vec<&str> = record.fields().collect();
        let id = fields.first().copied().filter(|id| !id.is_empty());
        let place = Place::of_line(&path, record.line, id);
        let &[_, text, surface1, start1, end1, surface2, start2, end2, label] = fields.as_slice() else {
            return Err(place.error(None, format!("{} columns", fields.len()), "9 tab-separated columns"));
        };
        let Some(id) = id else {
            return Err(place.error(field(1), "an empty id", "an identifier"));
        };
        let number = |column: usize, value: &str| -> Result<usize> {
            value.parse::<usize>().map_err(|_| {
                let hint = if record.line == 1 { " (this layout has no header line)" } else { "" };
                place.error(field(column), quoted(value), format!("a character offset{hint}"))
            })
        };
        let entity = |column: usize, surface: &str, start: &str, end: &str| -> Result<RawEntity> {
            let end = number(column + 2, end)?.saturating_add(1);
            let chars = [number(column + 1, start)?, end];
            Ok(RawEntity { chars, surface: Some(surface.to_owned()), kind: None, field: field(column) })
        };
        Ok(Some(Row {
            line: record.line,
            item: None,
            id: id.to_owned(),
            text: text.to_owned(),
            entities: [entity(3, surface1, start1, end1)?, entity(6, surface2, start2, end2)?],
            label: Some(label.to_owned()),
            inclusive_ends: true,
            label_field: field(9),
            text_field: field(2),
            source: None,
            unread: Vec::new(),
        }))
    }
}

fn field(column: usize) -> Field {
    Field { column: Some(column), name: NAMES.get(column - 1).copied().unwrap_or_default() }
}
