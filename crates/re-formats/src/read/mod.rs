//! Readers: from files, or anything else that can be read, to [`RelationExample`]s.
//!
//! Rows stream in constant memory. In layouts that repeat surface forms, offsets that contradict them are repaired where one
//! other reading of the row's offsets fits both entities, and no second one does: in UTF-16 units, in bytes, with ends that
//! include the last character (or do not), counted from 1, both by the same few characters beside their places, or those of a
//! text with more characters before them, such as quotes ([`ReadOptions::max_shift`]). The report counts such rows by reading.
//! Anything else that is malformed is an error with file, line, column and id, or, with [`ReadOptions::lenient`], an entry of
//! the [`ReadReport`]; so is a row that fits as it is and, elsewhere, by a reading that rows before it needed. Rows that stood
//! before those have been handed on as they are.
//!
//! Labels and entity types are read without white space and other invisible characters at their edges
//! ([`re_data::text::trim_invisible`]).
//!
//! ```
//! use re_formats::read::{ExampleReader, ReadOptions};
//! let file = "a-1\tMarie loves Pierre.\tMarie\t0\t4\tPierre\t12\t17\tspouse\n";
//! let mut reader = ExampleReader::new(file.as_bytes(), "demo.tsv", &ReadOptions::default())?;
//! for example in &mut reader {
//!     assert_eq!(example?.surface(1), "Pierre");
//! }
//! assert_eq!(reader.report().rows, 1);
//! # Ok::<(), re_formats::Error>(())
//! ```

pub(crate) mod columns;
mod delimited;
mod entity_types;
pub(crate) mod format;
pub(crate) mod json_items;
pub(crate) mod jsonl;
pub(crate) mod klue;
mod label_file;
pub(crate) mod lines;
pub(crate) mod object;
pub(crate) mod offsets;
pub(crate) mod paraphrases;
pub(crate) mod place;
pub(crate) mod plain_csv;
mod predictions;
pub(crate) mod python_dict;
mod raw;
mod report;
mod row;
mod saved;
pub(crate) mod semeval;
mod table;
mod tacred;
mod tsv;

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use re_data::text::trim_invisible;
use re_data::{LabelSet, RelationExample};

pub use entity_types::{AttachReport, EntityTypes};
pub use format::Format;
pub use label_file::labels;
pub use predictions::{SavedPrediction, probabilities};
pub use report::ReadReport;
pub use saved::{Saved, predictions, saved};

use self::offsets::Reading;
use self::place::Place;
use self::row::Row;
use crate::error::{Error, Result};

/// What the competition's layout says in place of a label.
pub(crate) const BLIND: &str = "blind";

/// How examples are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadOptions {
    /// Layout of the file; guessed from its name or content where `None`.
    pub format: Option<Format>,
    /// Leave malformed records out and list them in the report, instead of stopping at the first one.
    pub lenient: bool,
    /// What stands in place of the label of a row that has none, in whatever layout; default `blind` and the empty string.
    pub blind: Vec<String>,
    /// Labels that may occur; any label where `None`.
    pub labels: Option<Arc<LabelSet>>,
    /// How far, in characters, both entities may stand from their stated offsets where these are in the layout's own units,
    /// and 0 where no offset is to be repaired, by whatever reading; default 8.
    pub max_shift: usize,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            format: None,
            lenient: false,
            blind: vec![BLIND.to_owned(), String::new()],
            labels: None,
            max_shift: 8,
        }
    }
}

impl ReadOptions {
    /// Whether `label`, without what is invisible at its edges, says that there is none.
    fn is_blind(&self, label: &str) -> bool {
        self.blind.iter().any(|blind| trim_invisible(blind) == label)
    }
}

/// One layout's way from bytes to rows. [`Error::Record`] faults concern one record, and reading can go on;
/// after any other the source is spent.
trait Source: Send {
    fn next_row(&mut self) -> Result<Option<Row>>;

    /// Makes of a row that turned out to be faulty everything be read again that may be rows of its own.
    fn read_again(&mut self) {}
}

/// Streams the examples of one file. After the first error it ends.
pub struct ExampleReader<'a> {
    source: Option<Box<dyn Source + 'a>>,
    format: Format,
    path: PathBuf,
    options: ReadOptions,
    report: ReadReport,
    /// Other readings of offsets that rows of this file have needed.
    readings: Vec<Reading>,
}

impl ExampleReader<'static> {
    /// Opens a file, or standard input where `path` is `-`.
    ///
    /// # Errors
    /// [`re_data::Error::Io`] where it cannot be read, [`re_data::Error::Argument`] where the layout is neither given nor
    /// recognised.
    pub fn open(path: impl AsRef<Path>, options: &ReadOptions) -> Result<Self> {
        let path = path.as_ref();
        Self::new(input(path)?, path, options)
    }
}

impl<'a> ExampleReader<'a> {
    /// Reads from `input`; `path` is what errors call it, and its extension may tell the layout.
    ///
    /// # Errors
    /// As [`ExampleReader::open`], and [`Error::Record`] where a needed column is missing from a header.
    pub fn new(
        mut input: impl Read + Send + 'a,
        path: impl Into<PathBuf>,
        options: &ReadOptions,
    ) -> Result<Self> {
        let path = path.into();
        let mut head = Vec::new();
        let format = match options.format.or_else(|| Format::of_extension(&path)) {
            Some(format) => Some(format),
            // A peek at the content waits for it, which a slow pipe makes long: only where nothing else tells.
            None => Format::detect(&path, &mut input, &mut head).map_err(|e| Error::io(&path, e))?,
        };
        let Some(format) = format else {
            return Err(Error::Data(re_data::Error::Argument {
                name: "format",
                found: format!("none, and neither name nor content of {} tells", path.display()),
                expected: Format::EXPECTED,
            }));
        };
        let input = Cursor::new(head).chain(input);
        let source: Box<dyn Source + 'a> = match format {
            Format::CompetitionTsv => Box::new(tsv::Tsv::new(input, &path)),
            Format::Jsonl => Box::new(jsonl::Jsonl::new(input, &path)),
            Format::Csv => Box::new(plain_csv::PlainCsv::new(input, &path)?),
            Format::KlueJson => Box::new(klue::KlueJson::new(input, &path)),
            Format::KlueCsv => Box::new(klue::KlueCsv::new(input, &path)?),
            Format::SemEval => Box::new(semeval::SemEval::new(input, &path)),
            Format::Tacred => Box::new(tacred::Tacred::new(input, &path)),
        };
        Ok(Self {
            source: Some(source),
            format,
            path,
            options: options.clone(),
            report: ReadReport::default(),
            readings: Vec::new(),
        })
    }

    /// The layout that is read.
    pub fn format(&self) -> Format {
        self.format
    }

    /// What was met so far; complete once the reader has ended.
    pub fn report(&self) -> &ReadReport {
        &self.report
    }

    fn read_example(&mut self) -> Result<Option<RelationExample>> {
        let Some(source) = &mut self.source else { return Ok(None) };
        let Some(row) = source.next_row()? else { return Ok(None) };
        let id = row.id.clone();
        let place = Place { item: row.item, ..Place::of_line(&self.path, row.line, Some(&id)) };
        row.into_example(place, &self.options, &mut self.report, &mut self.readings).map(Some)
    }
}

impl Iterator for ExampleReader<'_> {
    type Item = Result<RelationExample>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let next = match self.read_example() {
                Err(Error::Record(fault)) if self.options.lenient => {
                    self.report.rejected.add(|| *fault);
                    self.source.iter_mut().for_each(|source| source.read_again());
                    continue;
                }
                next => next.transpose(),
            };
            if !matches!(next, Some(Ok(_))) {
                self.source = None;
            }
            return next;
        }
    }
}

/// All examples of a file, and what the reader met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadResult {
    /// The examples, in the order of the file.
    pub examples: Vec<RelationExample>,
    /// What the reader met.
    pub report: ReadReport,
    /// Layout of the file.
    pub format: Format,
}

/// Reads all examples of a file, or of standard input where `path` is `-`.
///
/// # Errors
/// As [`ExampleReader::open`], and the first malformed record unless the options are lenient.
pub fn examples(path: impl AsRef<Path>, options: &ReadOptions) -> Result<ReadResult> {
    let mut reader = ExampleReader::open(path, options)?;
    let examples = reader.by_ref().collect::<Result<_>>()?;
    Ok(ReadResult { examples, format: reader.format(), report: reader.report })
}

/// A file to read, or standard input where `path` is `-`.
pub(crate) fn input(path: &Path) -> Result<Box<dyn Read + Send>> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin()));
    }
    Ok(Box::new(File::open(path).map_err(|e| Error::io(path, e))?))
}
