//! Comma-separated values with a header. [`super::Format::Csv`] documents the columns.

use std::io::Read;
use std::path::Path;

use re_data::text::quoted;

use super::Source;
use super::place::Place;
use super::raw::RawEntity;
use super::row::Row;
use super::table::{Table, TableRow, field};
use crate::error::Result;

/// Columns in the order in which they are written. In a file that is read they may stand in any order.
pub(crate) const COLUMNS: [&str; 12] = [
    "id", "text", "entity1", "start1", "end1", "type1", "entity2", "start2", "end2", "type2", "label",
    "source",
];

/// Where the columns stand, counted from 0.
struct Columns {
    id: usize,
    text: usize,
    entities: [EntityColumns; 2],
    label: Option<usize>,
    source: Option<usize>,
}

#[derive(Clone, Copy)]
struct EntityColumns {
    surface: (&'static str, Option<usize>),
    start: (&'static str, usize),
    end: (&'static str, usize),
    kind: Option<usize>,
}

/// Rows of a CSV file.
pub(crate) struct PlainCsv<'a> {
    table: Table<'a>,
    columns: Columns,
    unknown: Vec<(usize, String)>,
}

impl<'a> PlainCsv<'a> {
    pub(crate) fn new(input: impl Read + Send + 'a, path: &Path) -> Result<Self> {
        let table = Table::new(input, path)?;
        let [id, text, entity1, start1, end1, type1, entity2, start2, end2, type2, label, source] = COLUMNS;
        let entity = |[surface, start, end, kind]: [&'static str; 4]| -> Result<EntityColumns> {
            Ok(EntityColumns {
                surface: (surface, table.column(surface)),
                start: (start, table.required(start)?),
                end: (end, table.required(end)?),
                kind: table.column(kind),
            })
        };
        let columns = Columns {
            id: table.required(id)?,
            text: table.required(text)?,
            entities: [entity([entity1, start1, end1, type1])?, entity([entity2, start2, end2, type2])?],
            label: table.column(label),
            source: table.column(source),
        };
        let unknown = table.unknown_columns(&COLUMNS);
        Ok(Self { table, columns, unknown })
    }
}

impl Source for PlainCsv<'_> {
    fn read_again(&mut self) {
        self.table.read_again();
    }

    fn next_row(&mut self) -> Result<Option<Row>> {
        let path = self.table.path().to_owned();
        let columns = &self.columns;
        let Some(row) = self.table.next(columns.id)? else { return Ok(None) };
        let id = row.at(columns.id).to_owned();
        let place = Place::of_line(&path, row.line, Some(id.as_str()).filter(|id| !id.is_empty()));
        if id.is_empty() {
            return Err(place.error(field(columns.id, "id"), "an empty id", "an identifier"));
        }
        let [first, second] = columns.entities.map(|columns| entity(&row, columns, &place));
        Ok(Some(Row {
            line: row.line,
            item: None,
            text: row.at(columns.text).to_owned(),
            entities: [first?, second?],
            label: row.optional(columns.label),
            inclusive_ends: false,
            label_field: field(columns.label.unwrap_or_default(), "label"),
            text_field: field(columns.text, "text"),
            source: row.optional(columns.source),
            unread: row.filled(&self.unknown).collect(),
            id,
        }))
    }
}

fn entity(row: &TableRow<'_>, columns: EntityColumns, place: &Place<'_>) -> Result<RawEntity> {
    let offset = |(name, at): (&'static str, usize)| -> Result<usize> {
        let value = row.at(at);
        value.parse().map_err(|_| place.error(field(at, name), quoted(value), "a character offset"))
    };
    let (name, surface) = columns.surface;
    Ok(RawEntity {
        chars: [offset(columns.start)?, offset(columns.end)?],
        surface: row.optional(surface),
        kind: row.optional(columns.kind),
        field: match surface {
            Some(at) => field(at, name),
            None => field(columns.start.1, columns.start.0),
        },
    })
}
