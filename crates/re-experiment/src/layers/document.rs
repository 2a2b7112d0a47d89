//! One TOML file of settings, its keys for layering set apart.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use re_data::model_file::open_regular;
use serde_path_to_error::Segment;
use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use crate::error::{Error, Result};
use crate::experiment::Experiment;

/// Bytes that no file of settings has: a device that never ends has.
const LONGEST: u64 = 1 << 24;

/// Encoders for which a base gives way to another one.
#[derive(Debug)]
pub(super) struct Instead {
    pub hidden_size_below: i64,
    pub extends: PathBuf,
}

/// A file, or a text that is called like one.
#[derive(Debug)]
pub(super) struct Document {
    pub path: PathBuf,
    pub text: String,
    /// The settings, without the keys below.
    pub table: Table,
    pub extends: Option<PathBuf>,
    pub instead: Option<Instead>,
    /// Settings for where a file of the name lies below.
    pub conditional: Vec<(String, Table)>,
}

impl Document {
    /// Reads a file that another one names.
    pub fn open(path: &Path) -> Result<Self> {
        Self::read(open_regular(path)?, path)
    }

    /// Reads what the user names, which may be a pipe that another program writes into.
    pub fn given(path: &Path) -> Result<Self> {
        Self::read(File::open(path).map_err(|source| Error::io(path, source))?, path)
    }

    fn read(file: File, path: &Path) -> Result<Self> {
        let mut text = String::new();
        let read = file.take(LONGEST).read_to_string(&mut text).map_err(|source| Error::io(path, source))?;
        if read as u64 == LONGEST {
            let reason = std::io::Error::new(ErrorKind::FileTooLarge, "more than settings can be");
            return Err(Error::io(path, reason));
        }
        Self::parse(text, path)
    }

    pub fn parse(text: String, path: &Path) -> Result<Self> {
        let mut table: Table = text.parse().map_err(|source| Error::Toml {
            path: path.to_owned(),
            line: None,
            key: "syntax".to_owned(),
            source: Box::new(source),
        })?;
        let beside = |name: &str| path.parent().unwrap_or(Path::new("")).join(name);
        let extends = match table.remove("extends") {
            None => None,
            Some(Value::String(name)) => Some(beside(&name)),
            Some(other) => return fault("extends", &other, "the name of a TOML file, as a string"),
        };
        let instead = match table.remove("instead") {
            None => None,
            Some(value) => match (value.get("hidden_size_below"), value.get("extends"), value.as_table()) {
                (Some(Value::Integer(size)), Some(Value::String(name)), Some(keys)) if keys.len() == 2 => {
                    Some(Instead { hidden_size_below: *size, extends: beside(name) })
                }
                _ => {
                    return fault(
                        "instead",
                        &value,
                        "{ hidden_size_below = NUMBER, extends = \"OTHER.toml\" }",
                    );
                }
            },
        };
        let mut conditional = Vec::new();
        for (name, settings) in take_table(&mut table, "for")? {
            match settings {
                Value::Table(settings) => conditional.push((name, settings)),
                other => return fault("for", &other, "tables of settings, such as [for.NAME.training]"),
            }
        }
        Ok(Self { path: path.to_owned(), text, table, extends, instead, conditional })
    }

    /// What `for` tables call the file.
    pub fn name(&self) -> Option<String> {
        self.path.file_stem().and_then(|name| name.to_str()).map(str::to_owned)
    }

    /// Where a file that this one names lies.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(name)
    }
}

fn take_table(table: &mut Table, key: &'static str) -> Result<Table> {
    match table.remove(key) {
        None => Ok(Table::new()),
        Some(Value::Table(inner)) => Ok(inner),
        Some(other) => fault(key, &other, "a table"),
    }
}

pub(super) fn fault<T>(key: &'static str, found: &Value, expected: &str) -> Result<T> {
    Err(Error::config(key, found.to_string(), expected))
}

/// What keeps a table from being the settings of an experiment.
pub(super) struct Fault {
    key: String,
    segments: Vec<String>,
    source: Box<toml::de::Error>,
}

impl Fault {
    /// The same fault, in settings that stand in the file below these keys.
    pub fn below(mut self, prefix: &[String]) -> Self {
        self.segments.splice(0..0, prefix.iter().cloned());
        self
    }

    /// The error, with its line where the key stands in `text`.
    pub fn into_error(self, path: &Path, text: Option<&str>) -> Error {
        let line = text.and_then(|text| line_of(text, &self.segments));
        Error::Toml { path: path.to_owned(), line, key: self.key, source: self.source }
    }
}

/// Reads an experiment out of a table.
pub(super) fn experiment(table: Table) -> std::result::Result<Experiment, Fault> {
    serde_path_to_error::deserialize(table).map_err(|error| {
        let segments = error.path().iter().filter_map(|segment| match segment {
            Segment::Seq { index } => Some(index.to_string()),
            Segment::Map { key } => Some(key.clone()),
            Segment::Enum { .. } | Segment::Unknown => None,
        });
        Fault {
            segments: segments.collect(),
            key: error.path().to_string(),
            source: Box::new(error.into_inner()),
        }
    })
}

/// The line on which the value with this path of keys begins.
fn line_of(text: &str, segments: &[String]) -> Option<usize> {
    let document = DeTable::parse(text).ok()?;
    let (last, tables) = segments.split_last()?;
    let mut table = document.get_ref();
    for segment in tables {
        table = table.get(segment.as_str())?.get_ref().as_table()?;
    }
    let (key, _): (_, &toml::Spanned<DeValue<'_>>) = table.get_key_value(last.as_str())?;
    let before = text.get(..key.span().start)?;
    Some(before.matches('\n').count() + 1)
}
