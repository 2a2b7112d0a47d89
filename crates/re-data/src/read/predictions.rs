//! Predictions that a model has left in a file.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use super::jsonl::Jsonl;
use super::lines::{Lines, split_terminator};
use super::place::{Field, Place};
use super::table::Table;
use crate::error::{Error, Result};
use crate::labels::LabelSet;
use crate::predict::{Probabilities, argmax};

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

/// Reads predictions from a file, or standard input where `path` is `-`:
///
/// - JSON objects, one a line, with `id`, `label` and perhaps `probability`,
/// - CSV with these names in its header, or with `pred_label` in place of `label` as in submissions of KLUE-RE,
/// - SemEval's answers: lines of a number, a tab and a relation.
///
/// Other keys and columns are passed over.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read; [`Error::Record`] where a row is malformed, a needed column
/// is missing, a probability is outside 0 to 1 or an id stands twice.
pub fn predictions(path: impl AsRef<Path>) -> Result<Vec<SavedPrediction>> {
    match open(path.as_ref())? {
        Opened::Rows(rows) => Ok(rows),
        Opened::Table(table) => predictions_of(table),
    }
}

/// A file of predictions whose beginning was looked at.
pub(super) enum Opened {
    /// Rows of a layout that has labels alone.
    Rows(Vec<SavedPrediction>),
    /// CSV, whose header tells more.
    Table(Table<'static>),
}

pub(super) fn open(path: &Path) -> Result<Opened> {
    let mut input = BufReader::new(super::input(path)?);
    let head = input.fill_buf().map_err(|e| Error::io(path, e))?;
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let digits = head.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if head.first() == Some(&b'{') {
        predictions_from_jsonl(input, path).map(Opened::Rows)
    } else if digits > 0 && head.get(digits) == Some(&b'\t') {
        predictions_from_answers(input, path).map(Opened::Rows)
    } else {
        Table::new(input, path).map(Opened::Table)
    }
}

fn predictions_from_answers(input: impl Read + Send, path: &Path) -> Result<Vec<SavedPrediction>> {
    let mut lines = Lines::new(input, path);
    let (mut rows, mut ids, mut line) = (Vec::new(), Ids::default(), Vec::new());
    while lines.next(&mut line)? {
        lines.check_length(&line)?;
        let answer = std::str::from_utf8(split_terminator(&line).0).ok().and_then(|l| l.split_once('\t'));
        match answer {
            Some((id, label)) if !label.is_empty() => {
                ids.add(&Place::of_line(path, lines.number(), Some(id)), id)?;
                rows.push(SavedPrediction { id: id.to_owned(), label: label.to_owned(), probability: None });
            }
            None if line.trim_ascii().is_empty() => {}
            _ => {
                let found = format!("{:?}", String::from_utf8_lossy(line.trim_ascii_end()));
                let place = Place::of_line(path, lines.number(), None);
                return Err(place.error(None, found, "a number, a tab and a relation"));
            }
        }
        line.clear();
    }
    Ok(rows)
}

fn predictions_from_jsonl(input: impl Read + Send, path: &Path) -> Result<Vec<SavedPrediction>> {
    let mut lines = Jsonl::new(input, path);
    let (mut rows, mut ids) = (Vec::new(), Ids::default());
    while let Some((line, mut object)) = lines.object()? {
        let place = Place::of_line(path, line, None);
        let id = object.id(&place, "id")?;
        let place = Place { id: Some(&id), ..place };
        ids.add(&place, &id)?;
        let label = object.text(&place, "label")?;
        let probability = object.optional_probability(&place, PROBABILITY.name)?;
        rows.push(SavedPrediction { label, probability, id });
    }
    Ok(rows)
}

pub(super) fn predictions_of(mut table: Table<'_>) -> Result<Vec<SavedPrediction>> {
    let path = table.path().to_owned();
    let (Some(id_at), Some(label_at)) =
        (table.column("id"), table.column("label").or(table.column("pred_label")))
    else {
        return Err(table.header_error("the columns id and label"));
    };
    let probability_at = table.column("probability");
    let (mut rows, mut ids) = (Vec::new(), Ids::default());
    while let Some(row) = table.next(id_at)? {
        let id = row.at(id_at).to_owned();
        let place = Place::of_line(&path, row.line, Some(&id));
        ids.add(&place, &id)?;
        let label = row.at(label_at).to_owned();
        if label.is_empty() {
            return Err(place.error(
                Field { column: Some(label_at + 1), name: "label" },
                "no label",
                "a label",
            ));
        }
        let probability = probability_at
            .map(|column| {
                probability(&place, Field { column: Some(column + 1), ..PROBABILITY }, row.at(column))
            })
            .transpose()?;
        rows.push(SavedPrediction { label, probability, id });
    }
    Ok(rows)
}

/// Reads class probabilities from a CSV file, or standard input where `path` is `-`. The header gives `id` and then the
/// labels, in class order; each row the id and one probability for each label. A submission of KLUE-RE
/// ([`crate::write::PredictionFormat::KlueSubmission`]) is read too, with the classes of
/// [`LabelSet::klue_re_submission`].
///
/// # Errors
/// [`Error::Io`] where the file cannot be read; [`Error::LabelSet`] where the labels of the header do not
/// make a label set; [`Error::Record`] where a row is malformed, a value is no number from 0 to 1, the values of a row
/// do not sum to 1, an id stands twice, or the label of a submission is not the most probable one.
pub fn probabilities(path: impl AsRef<Path>) -> Result<Probabilities> {
    let path = path.as_ref();
    probabilities_of(Table::new(super::input(path)?, path)?)
}

pub(super) fn probabilities_of(mut table: Table<'_>) -> Result<Probabilities> {
    let path = table.path().to_owned();
    let submission = table.header() == ["id", "pred_label", "probs"];
    let labels = match table.header().split_first() {
        _ if submission => LabelSet::klue_re_submission(),
        Some((id, names)) if id == "id" => LabelSet::new(names).map_err(|error| match error {
            Error::LabelSet { reason, .. } => Error::LabelSet { path: Some(path.clone()), reason },
            other => other,
        })?,
        _ => return Err(table.header_error("id, then one column for each label")),
    };
    let (mut rows, mut values, mut ids) = (Vec::new(), Vec::new(), Ids::default());
    while let Some(row) = table.next(0)? {
        let id = row.at(0).to_owned();
        let place = Place::of_line(&path, row.line, Some(&id));
        ids.add(&place, &id)?;
        let found: Vec<f32> = if submission {
            listed(&place, row.at(2), labels.len())?
        } else {
            let number = |(column, value): (usize, &&str)| {
                probability(&place, Field { column: Some(column + 1), ..PROBABILITY }, value)
            };
            row.fields.iter().enumerate().skip(1).map(number).collect::<Result<_>>()?
        };
        check_sum(&place, &found)?;
        if submission {
            check_label(&place, row.at(1), &labels, &found)?;
        }
        values.extend(found);
        rows.push(id);
    }
    Probabilities::new(rows, Arc::new(labels), values)
}

/// Probabilities that stand as a list in one field.
fn listed(place: &Place<'_>, list: &str, classes: usize) -> Result<Vec<f32>> {
    let values: Option<Vec<f32>> = serde_json::from_str(list).ok();
    let values = values.filter(|v| v.len() == classes && v.iter().all(|p| (0.0..=1.001).contains(p)));
    values.ok_or_else(|| {
        let field = Field { column: Some(3), name: "probs" };
        place.error(field, format!("{list:?}"), format!("a list of {classes} numbers from 0 to 1"))
    })
}

fn check_sum(place: &Place<'_>, row: &[f32]) -> Result<()> {
    // 42 probabilities that are printed with three digits are off by up to 0.021.
    const ROUNDING: f32 = 0.05;
    let sum: f32 = row.iter().sum();
    if (sum - 1.0).abs() <= ROUNDING {
        return Ok(());
    }
    Err(place.error(PROBABILITY, format!("a row whose sum is {sum}"), "a row whose sum is 1"))
}

/// The header of a submission does not name its classes: only the label tells whether they stand in the order that
/// is taken for granted.
fn check_label(place: &Place<'_>, label: &str, labels: &LabelSet, row: &[f32]) -> Result<()> {
    let class = argmax(row);
    if labels.id(label).and_then(|class| row.get(class)) == row.get(class) {
        return Ok(());
    }
    let field = Field { column: Some(2), name: "pred_label" };
    let expected = format!("{:?}, the most probable label of probs", labels.name(class).unwrap_or_default());
    Err(place.error(field, format!("{label:?}"), expected))
}

const PROBABILITY: Field = Field { column: None, name: "probability" };

fn probability(place: &Place<'_>, field: Field, value: &str) -> Result<f32> {
    let number = value.parse().ok().filter(|p: &f32| (0.0..=1.001).contains(p));
    number.ok_or_else(|| place.error(field, format!("{value:?}"), "a number from 0 to 1"))
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
