//! Reading and splitting the rows of an experiment.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use re_data::read::{self, EntityTypes, ReadOptions, ReadReport};
use re_data::{LabelSet, RelationExample, split};

use super::DataConfig;
use crate::error::{Error, Result};

/// The rows of an experiment in their roles.
#[derive(Debug, Clone)]
pub struct ExperimentData {
    /// The classes.
    pub labels: Arc<LabelSet>,
    /// Rows to train on.
    pub train: Vec<RelationExample>,
    /// Rows to evaluate on, possibly none.
    pub validation: Vec<RelationExample>,
    /// Rows to predict, possibly none.
    pub test: Vec<RelationExample>,
    /// What is worth knowing about the files, one line each.
    pub notes: Vec<String>,
}

impl ExperimentData {
    /// Reads all files of `config` and sets the validation rows aside.
    ///
    /// # Errors
    /// Whatever is wrong with a file, and [`Error::Config`] where `val_size` is out of range or given together
    /// with a validation file.
    pub fn read(config: &DataConfig, seed: u64) -> Result<Self> {
        if config.validation.is_some() && config.val_size > 0.0 {
            return Err(Error::Config {
                key: "data.val_size",
                found: config.val_size.to_string(),
                expected: "0 together with data.validation".to_owned(),
            });
        }
        let mut reader = Reader::new(config)?;
        let all = reader.read(&config.train)?;
        let labels = match &reader.labels {
            Some(labels) => Arc::clone(labels),
            None => Arc::new(labels_of(&all)?),
        };
        if config.labels.is_none() {
            let count = labels.len();
            reader.notes.push(format!(
                "no label file: the {count} labels of the training rows are numbered in sorted order"
            ));
        }
        reader.labels = Some(Arc::clone(&labels));
        let (mut train, validation) = match &config.validation {
            Some(path) => (all, reader.read(path)?),
            None => set_aside(all, config.val_size, seed)?,
        };
        if let Some(path) = &config.additional {
            train.extend(reader.read(path)?);
        }
        // A submission has a line for every row: none may be left out.
        reader.lenient = false;
        let test = config.test.as_ref().map_or(Ok(Vec::new()), |path| reader.read(path))?;
        Ok(Self { labels, train, validation, test, notes: reader.notes })
    }
}

/// Reads files with the same options and remembers what they reported.
struct Reader {
    labels: Option<Arc<LabelSet>>,
    types: Option<EntityTypes>,
    lenient: bool,
    notes: Vec<String>,
}

impl Reader {
    fn new(config: &DataConfig) -> Result<Self> {
        Ok(Self {
            labels: config.labels.as_ref().map(LabelSet::from_path).transpose()?.map(Arc::new),
            types: config.entity_types.as_ref().map(EntityTypes::open).transpose()?,
            lenient: config.lenient,
            notes: Vec::new(),
        })
    }

    fn read(&mut self, path: &Path) -> Result<Vec<RelationExample>> {
        let options =
            ReadOptions { lenient: self.lenient, labels: self.labels.clone(), ..ReadOptions::default() };
        let found = read::examples(path, &options)?;
        self.note(path, &found.report);
        let Some(types) = &self.types else { return Ok(found.examples) };
        let (examples, report) = types.attach(found.examples);
        if report.missing.count > 0 {
            self.notes.push(format!(
                "{}: {} rows without entity types",
                path.display(),
                report.missing.count
            ));
        }
        Ok(examples)
    }

    fn note(&mut self, path: &Path, report: &ReadReport) {
        let counts = [
            (report.repaired.count, "with repaired offsets"),
            (report.overlapping.count, "with overlapping entities"),
            (report.rejected.count, "malformed and left out"),
        ];
        let details: Vec<String> =
            counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
        let details = if details.is_empty() { String::new() } else { format!(" ({})", details.join(", ")) };
        self.notes.push(format!("{}: {} rows{details}", path.display(), report.rows));
        self.notes.extend(report.rejected.first.iter().map(|fault| format!("left out: {fault}")));
    }
}

/// Labels that occur, sorted, with the one that says "no relation" as class 0.
fn labels_of(examples: &[RelationExample]) -> Result<LabelSet> {
    let names: BTreeSet<&str> = examples.iter().filter_map(RelationExample::label).collect();
    let mut names: Vec<&str> = names.into_iter().collect();
    let labels = LabelSet::new(names.iter().copied())?;
    if let Some(none) = labels.no_relation() {
        let name = names.remove(none);
        names.insert(0, name);
    }
    Ok(LabelSet::new(names)?)
}

fn set_aside(
    all: Vec<RelationExample>,
    share: f64,
    seed: u64,
) -> Result<(Vec<RelationExample>, Vec<RelationExample>)> {
    let split = split::by_fraction(&all, share, seed)?;
    let pick = |rows: &[usize]| rows.iter().filter_map(|&row| all.get(row).cloned()).collect();
    Ok((pick(&split.train), pick(&split.validation)))
}
