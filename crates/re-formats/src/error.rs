//! What can go wrong while files are read and written.

use std::path::PathBuf;

use re_data::text::{brief, quoted};

/// Result with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong in this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// One record of a data file is malformed.
    #[error(transparent)]
    Record(#[from] Box<RecordError>),
    /// A value has no place in the format that it is to be written in.
    #[error(transparent)]
    Unwritable(Box<UnwritableError>),
    /// What was read makes no example, label set or matrix of probabilities, or a file could not be opened, read or written.
    #[error(transparent)]
    Data(#[from] re_data::Error),
}

impl From<UnwritableError> for Error {
    fn from(error: UnwritableError) -> Self {
        Self::Unwritable(Box::new(error))
    }
}

impl Error {
    /// An input/output error that names its file.
    pub(crate) fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Data(re_data::Error::io(path, source))
    }
}

/// Where a record of a data file is malformed, what was found there and what was expected.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, thiserror::Error)]
#[error(
    "{}:{line}{}{}{}: found {found}, expected {expected}",
    path.display(),
    item.map(|i| format!(": item {i}")).unwrap_or_default(),
    part.as_ref().map(|p| format!(": {p}")).unwrap_or_default()
        + &column.map(|c| format!(": column {c}")).unwrap_or_default()
        + &field.map(|f| format!(" ({f})")).unwrap_or_default(),
    id.as_ref().map(|i| format!(": id {}", brief(i))).unwrap_or_default()
)]
pub struct RecordError {
    /// The file, `-` for standard input.
    pub path: PathBuf,
    /// Line on which the record begins, from 1.
    pub line: u64,
    /// Number of the record from 1, in formats that can hold several on one line.
    pub item: Option<u64>,
    /// Part of the record, such as `mention 3`, counted from 0, where the fault lies in one of many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// Column (field number) from 1, where the fault lies in one.
    pub column: Option<usize>,
    /// Name of the field, where the fault lies in one.
    pub field: Option<&'static str>,
    /// Id of the record, where it could be read.
    pub id: Option<String>,
    /// What stands there, as [`brief`] shows it.
    pub found: String,
    /// What should stand there.
    pub expected: String,
}

/// Which value of an example or document a format cannot hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{}: {record} {}: {field} {} cannot be written as {format} (expected {expected})",
    path.display(),
    brief(id),
    quoted(found)
)]
pub struct UnwritableError {
    /// The file that was being written, `-` for standard output.
    pub path: PathBuf,
    /// Name of the format.
    pub format: &'static str,
    /// What was to be written, `example` or `document`.
    pub record: &'static str,
    /// Its id.
    pub id: String,
    /// Name of the field.
    pub field: &'static str,
    /// The value that was to be written.
    pub found: String,
    /// What the format can hold.
    pub expected: &'static str,
}
