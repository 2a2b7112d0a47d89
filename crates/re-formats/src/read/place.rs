//! Where in a file a fault lies.

use std::path::Path;

use re_data::text::brief;

use crate::error::{Error, RecordError};

/// A record of a file: what every fault in it names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) path: &'a Path,
    pub(crate) line: u64,
    /// Number of the record from 1, where several can stand on one line.
    pub(crate) item: Option<u64>,
    pub(crate) id: Option<&'a str>,
    /// Part of the record and its number from 0, where the record has many.
    pub(crate) part: Option<(&'static str, usize)>,
}

/// A field of a record: its number from 1, where the format numbers fields, and its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) column: Option<usize>,
    pub(crate) name: &'static str,
}

impl<'a> Place<'a> {
    /// A record of a format that begins each one on a line of its own.
    pub(crate) fn of_line(path: &'a Path, line: u64, id: Option<&'a str>) -> Self {
        Self { path, line, item: None, id, part: None }
    }

    /// A record of a format that can have several on one line, by its number from 1.
    pub(crate) fn of_item(path: &'a Path, line: u64, item: u64) -> Self {
        Self { path, line, item: Some(item), id: None, part: None }
    }

    /// The error that `field`, or the record as a whole, holds `found` instead of `expected`. A record may have megabytes
    /// and reports keep many faults: no more of id and finding is kept than is shown.
    pub(crate) fn error(
        &self,
        field: impl Into<Option<Field>>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Error {
        let part = self.part.map(|(part, number)| format!("{part} {number}"));
        self.error_in(part, field, found, expected)
    }

    /// The same, in a part of the record that goes by this name.
    pub(crate) fn error_in(
        &self,
        part: Option<String>,
        field: impl Into<Option<Field>>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Error {
        let field = field.into();
        Error::Record(Box::new(RecordError {
            path: self.path.to_owned(),
            line: self.line,
            item: self.item,
            part,
            column: field.and_then(|f| f.column),
            field: field.map(|f| f.name),
            id: self.id.map(brief),
            found: brief(&found.into()),
            expected: expected.into(),
        }))
    }
}
