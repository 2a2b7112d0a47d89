//! Comma-separated files whose columns are named by a header.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

use re_data::text::{quoted, trim_invisible};

use super::delimited::{Record, Records};
use super::place::{Field, Place};
use crate::error::{Error, Result};

/// A CSV file with a header, whose names have no invisible edges.
pub(crate) struct Table<'a> {
    records: Records<'a>,
    header: Vec<String>,
    header_line: u64,
}

/// A row of a table: as many fields as the header has.
pub(crate) struct TableRow<'r> {
    pub(crate) line: u64,
    pub(crate) fields: Vec<&'r str>,
}

impl TableRow<'_> {
    /// The field in a column of the header, counted from 0; empty where there is none.
    pub(crate) fn at(&self, column: usize) -> &str {
        self.fields.get(column).copied().unwrap_or_default()
    }

    /// What stands in a column that may be missing or left empty.
    pub(crate) fn optional(&self, column: Option<usize>) -> Option<String> {
        column.map(|at| self.at(at).to_owned()).filter(|value| !value.is_empty())
    }

    /// Names of those columns in which something stands.
    pub(crate) fn filled(&self, columns: &[(usize, String)]) -> impl Iterator<Item = String> {
        columns.iter().filter(|(at, _)| !self.at(*at).is_empty()).map(|(_, name)| name.clone())
    }
}

/// The field that stands in a column, counted from 0.
pub(crate) fn field(column: usize, name: &'static str) -> Field {
    Field { column: Some(column + 1), name }
}

impl<'a> Table<'a> {
    pub(crate) fn new(input: impl Read + Send + 'a, path: &Path) -> Result<Self> {
        let mut records = Records::new(input, path, b',');
        let (header_line, header) = match records.next()? {
            Some(record) => {
                (record.line, record.fields().map(|name| trim_invisible(name).to_owned()).collect())
            }
            None => (1, Vec::new()),
        };
        let table = Self { records, header, header_line };
        let mut seen = HashMap::new();
        for (at, name) in table.header.iter().enumerate() {
            if let Some(first) = seen.insert(name, at + 1) {
                let found = format!("{}, the name of column {first} too", quoted(name));
                return Err(table.header_place().error(field(at, "header"), found, "each name once"));
            }
        }
        Ok(table)
    }

    pub(crate) fn path(&self) -> &Path {
        self.records.path()
    }

    pub(crate) fn header(&self) -> &[String] {
        &self.header
    }

    /// Where the column `name` stands, counted from 0.
    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|column| column == name)
    }

    /// Where the column `name` stands, which must be there.
    pub(crate) fn required(&self, name: &'static str) -> Result<usize> {
        self.column(name).ok_or_else(|| self.header_error(&format!("a column {name}")))
    }

    /// Columns, with their names, that are none of `known`.
    pub(crate) fn unknown_columns(&self, known: &[&str]) -> Vec<(usize, String)> {
        let columns = self.header.iter().enumerate().filter(|(_, name)| !known.contains(&name.as_str()));
        columns.map(|(at, name)| (at, name.clone())).collect()
    }

    fn header_place(&self) -> Place<'_> {
        Place::of_line(self.records.path(), self.header_line, None)
    }

    pub(crate) fn header_error(&self, expected: &str) -> Error {
        let found = format!("the header {:?}", self.header.join(","));
        self.header_place().error(None, found, expected)
    }

    /// See [`Records::read_again`].
    pub(crate) fn read_again(&mut self) {
        self.records.read_again();
    }

    /// The next row; `id_at` is the column of its id, for messages.
    pub(crate) fn next(&mut self, id_at: usize) -> Result<Option<TableRow<'_>>> {
        let path = self.records.path().to_owned();
        let Some(record) = self.records.next()? else { return Ok(None) };
        let fields: Vec<&str> = record.fields().collect();
        let Record { line, .. } = record;
        if fields.len() == self.header.len() {
            return Ok(Some(TableRow { line, fields }));
        }
        let place = Place::of_line(&path, line, fields.get(id_at).copied());
        let expected = format!("{} as in the header", self.header.len());
        Err(place.error(None, format!("{} columns", fields.len()), expected))
    }
}
