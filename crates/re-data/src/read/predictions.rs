//! Predictions that a model has left in a file.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use super::delimited::{Record, Records};
use super::jsonl::{JsonId, Jsonl};
use super::place::{Field, Place};
use crate::error::{Error, Result};
use crate::labels::LabelSet;
use crate::predict::Probabilities;

/// One row of a file of predictions.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedPrediction {
    /// Id of the example.
    pub id: String,
    /// The predicted label.
    pub label: String,
    /// Its probability, 0 to 1, where the file has it.
    pub probability: Option<f32>,
}

#[derive(Deserialize)]
struct JsonPrediction<'a> {
    id: JsonId<'a>,
    label: Cow<'a, str>,
    probability: Option<f32>,
}

impl SavedPrediction {
    /// The same predictions as certainties: probability 1 for the label of each row, 0 for all others. So they can
    /// be compared and evaluated like those of a model that gives probabilities.
    ///
    /// # Errors
    /// [`Error::UnknownLabel`] where a label is not in the set.
    pub fn as_certain(rows: &[Self], labels: &Arc<LabelSet>) -> Result<Probabilities> {
        let mut values = vec![0.0; rows.len() * labels.len()];
        for (row, slots) in rows.iter().zip(values.chunks_exact_mut(labels.len())) {
            let slot = labels.id(&row.label).and_then(|class| slots.get_mut(class));
            *slot.ok_or_else(|| Error::UnknownLabel {
                id: row.id.clone(),
                found: row.label.clone(),
                expected: labels.len(),
            })? = 1.0;
        }
        Probabilities::new(rows.iter().map(|row| row.id.clone()).collect(), Arc::clone(labels), values)
    }
}

/// What a file of predictions of whatever kind holds.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Saved {
    /// Ids and labels, as [`predictions`] reads them.
    Labels(Vec<SavedPrediction>),
    /// Probabilities of all classes, as [`probabilities`] reads them.
    Probabilities(Probabilities),
    /// A submission: the class id of each row in the order of the rows, which have no other name.
    Submission(Vec<usize>),
}

impl Saved {
    /// Probabilities of all classes, whatever the file held: labels without probabilities count as certain (see
    /// [`SavedPrediction::as_certain`]), the rows of a submission get `ids` in their order.
    ///
    /// `labels` are the classes of a file that does not list them.
    ///
    /// # Errors
    /// [`Error::UnknownLabel`] where a label is not in the set; [`Error::Argument`] where a submission has another
    /// number of rows than `ids`, or a class that the set does not have.
    pub fn into_probabilities(self, labels: &Arc<LabelSet>, ids: &[String]) -> Result<Probabilities> {
        let classes = match self {
            Self::Probabilities(probabilities) => return Ok(probabilities),
            Self::Labels(rows) => return SavedPrediction::as_certain(&rows, labels),
            Self::Submission(classes) => classes,
        };
        if classes.len() != ids.len() {
            return Err(Error::Argument {
                name: "rows of the submission",
                found: format!("{} for {} rows", classes.len(), ids.len()),
                expected: "one for each row",
            });
        }
        let row = |(&class, id): (&usize, &String)| {
            let label = labels.name(class).ok_or_else(|| Error::Argument {
                name: "class of the submission",
                found: format!("{class} for id {id}, of {} classes", labels.len()),
                expected: "a class of the label set",
            })?;
            Ok(SavedPrediction { id: id.clone(), label: label.to_owned(), probability: None })
        };
        let rows: Vec<_> = classes.iter().zip(ids).map(row).collect::<Result<_>>()?;
        SavedPrediction::as_certain(&rows, labels)
    }
}

/// Reads predictions of any kind from a file, or standard input where `path` is `-`; the header tells which.
///
/// # Errors
/// As [`predictions`] and [`probabilities`]; [`Error::Record`] where a submission has something else than a
/// class id.
pub fn saved(path: impl AsRef<Path>) -> Result<Saved> {
    let path = path.as_ref();
    let mut input = BufReader::new(super::input(path)?);
    if begins_with_json(&mut input, path)? {
        return predictions_from_jsonl(input, path).map(Saved::Labels);
    }
    let table = Table::new(input, path)?;
    match table.header.as_slice() {
        [only] if only == "pred" => table.submission().map(Saved::Submission),
        header if ["id", "label"].iter().all(|name| header.iter().any(|column| column == name)) => {
            table.predictions().map(Saved::Labels)
        }
        [id, ..] if id == "id" => table.probabilities().map(Saved::Probabilities),
        _ => Err(table.header_error("id and label, or id and one column for each label, or pred")),
    }
}

/// Reads predictions from a file, or standard input where `path` is `-`: JSON objects, one a line, with `id`, `label` and
/// perhaps `probability`, or CSV with these names in its header. Other keys and columns are passed over.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read; [`Error::Record`] where a row is malformed, a needed column
/// is missing, a probability is outside 0 to 1 or an id stands twice.
pub fn predictions(path: impl AsRef<Path>) -> Result<Vec<SavedPrediction>> {
    let path = path.as_ref();
    let mut input = BufReader::new(super::input(path)?);
    match begins_with_json(&mut input, path)? {
        true => predictions_from_jsonl(input, path),
        false => Table::new(input, path)?.predictions(),
    }
}

fn begins_with_json(input: &mut impl BufRead, path: &Path) -> Result<bool> {
    let head = input.fill_buf().map_err(|e| Error::io(path, e))?;
    Ok(head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start().first() == Some(&b'{'))
}

fn predictions_from_jsonl(input: impl Read + Send, path: &Path) -> Result<Vec<SavedPrediction>> {
    let mut lines = Jsonl::new(input, path);
    let (mut rows, mut ids) = (Vec::new(), Ids::default());
    while let Some((line, row)) = lines.next::<JsonPrediction>()? {
        let id = row.id.into_string();
        let place = Place { path, line, id: Some(&id) };
        ids.add(&place, &id)?;
        if let Some(value) = row.probability.filter(|p| !(0.0..=1.001).contains(p)) {
            return Err(place.error(PROBABILITY, value.to_string(), "a number from 0 to 1"));
        }
        rows.push(SavedPrediction { label: row.label.into_owned(), probability: row.probability, id });
    }
    Ok(rows)
}

/// Reads class probabilities from a CSV file, or standard input where `path` is `-`. The header gives `id` and then the
/// labels, in class order; each row the id and one probability for each label.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read; [`Error::LabelSet`] where the labels of the header do not
/// make a label set; [`Error::Record`] where a row is malformed, a value is no number from 0 to 1, or an id
/// stands twice.
pub fn probabilities(path: impl AsRef<Path>) -> Result<Probabilities> {
    let path = path.as_ref();
    Table::new(super::input(path)?, path)?.probabilities()
}

const PROBABILITY: Field = Field { column: None, name: "probability" };

fn probability(place: &Place<'_>, field: Field, value: &str) -> Result<f32> {
    let number = value.parse().ok().filter(|p: &f32| (0.0..=1.001).contains(p));
    number.ok_or_else(|| place.error(field, format!("{value:?}"), "a number from 0 to 1"))
}

/// A CSV file with a header.
struct Table<'a> {
    records: Records<'a>,
    header: Vec<String>,
    header_line: u64,
}

impl<'a> Table<'a> {
    fn new(input: impl Read + Send + 'a, path: &Path) -> Result<Self> {
        let mut records = Records::new(input, path, b',');
        let (header_line, header) = match records.next()? {
            Some(record) => (record.line, record.fields().map(str::to_owned).collect()),
            None => (1, Vec::new()),
        };
        let table = Self { records, header, header_line };
        let mut seen = HashMap::new();
        for (at, name) in table.header.iter().enumerate() {
            if let Some(first) = seen.insert(name, at + 1) {
                let field = Field { column: Some(at + 1), name: "header" };
                let found = format!("{name:?}, the name of column {first} too");
                return Err(table.header_place().error(field, found, "each name once"));
            }
        }
        Ok(table)
    }

    fn header_place(&self) -> Place<'_> {
        Place { path: self.records.path(), line: self.header_line, id: None }
    }

    fn header_error(&self, expected: &str) -> Error {
        let found = format!("the header {:?}", self.header.join(","));
        self.header_place().error(None, found, expected)
    }

    /// Line and fields of the next row, of which there are as many as the header has.
    fn next(&mut self, id_at: usize) -> Result<Option<(u64, Vec<&str>)>> {
        let path = self.records.path().to_owned();
        let Some(record) = self.records.next()? else { return Ok(None) };
        let fields: Vec<&str> = record.fields().collect();
        if fields.len() == self.header.len() {
            return Ok(Some((record.line, fields)));
        }
        let Record { line, .. } = record;
        let place = Place { path: &path, line, id: fields.get(id_at).copied() };
        let expected = format!("{} as in the header", self.header.len());
        Err(place.error(None, format!("{} columns", fields.len()), expected))
    }

    fn predictions(mut self) -> Result<Vec<SavedPrediction>> {
        let path = self.records.path().to_owned();
        let find = |name: &str| self.header.iter().position(|column| column == name);
        let (Some(id_at), Some(label_at)) = (find("id"), find("label")) else {
            return Err(self.header_error("the columns id and label"));
        };
        let probability_at = find("probability");
        let (mut rows, mut ids) = (Vec::new(), Ids::default());
        while let Some((line, fields)) = self.next(id_at)? {
            let at = |column: usize| fields.get(column).copied().unwrap_or_default();
            let id = at(id_at).to_owned();
            let place = Place { path: &path, line, id: Some(&id) };
            ids.add(&place, &id)?;
            let label = at(label_at).to_owned();
            if label.is_empty() {
                return Err(place.error(
                    Field { column: Some(label_at + 1), name: "label" },
                    "no label",
                    "a label",
                ));
            }
            let probability = probability_at
                .map(|column| {
                    probability(&place, Field { column: Some(column + 1), ..PROBABILITY }, at(column))
                })
                .transpose()?;
            rows.push(SavedPrediction { label, probability, id });
        }
        Ok(rows)
    }

    fn probabilities(mut self) -> Result<Probabilities> {
        let path = self.records.path().to_owned();
        let Some(("id", names)) = self.header.split_first().map(|(id, names)| (id.as_str(), names)) else {
            return Err(self.header_error("id, then one column for each label"));
        };
        let labels = LabelSet::new(names).map_err(|error| match error {
            Error::LabelSet { reason, .. } => Error::LabelSet { path: Some(path.clone()), reason },
            other => other,
        })?;
        let (mut rows, mut values, mut ids) = (Vec::new(), Vec::new(), Ids::default());
        while let Some((line, fields)) = self.next(0)? {
            let mut fields = fields.into_iter();
            let id = fields.next().unwrap_or_default().to_owned();
            let place = Place { path: &path, line, id: Some(&id) };
            ids.add(&place, &id)?;
            for (class, value) in fields.enumerate() {
                values.push(probability(&place, Field { column: Some(class + 2), ..PROBABILITY }, value)?);
            }
            rows.push(id);
        }
        Probabilities::new(rows, Arc::new(labels), values)
    }

    fn submission(mut self) -> Result<Vec<usize>> {
        let path = self.records.path().to_owned();
        let mut classes = Vec::new();
        while let Some((line, fields)) = self.next(0)? {
            let value = fields.first().copied().unwrap_or_default();
            let place = Place { path: &path, line, id: None };
            let field = Field { column: Some(1), name: "pred" };
            classes.push(value.parse().map_err(|_| place.error(field, format!("{value:?}"), "a class id"))?);
        }
        Ok(classes)
    }
}

/// The ids met so far, with their lines.
#[derive(Default)]
struct Ids(HashMap<String, u64>);

impl Ids {
    fn add(&mut self, place: &Place<'_>, id: &str) -> Result<()> {
        match self.0.insert(id.to_owned(), place.line) {
            None if !id.is_empty() => Ok(()),
            None => Err(place.error(Field { column: None, name: "id" }, "an empty id", "an identifier")),
            Some(first) => {
                let found = format!("an id that stands on line {first} too");
                Err(place.error(Field { column: None, name: "id" }, found, "each id once"))
            }
        }
    }
}
