//! Predictions that a model has left in a file.

use std::collections::HashMap;
use std::io::{Cursor, Read};
use std::path::Path;
use std::sync::Arc;

use re_data::predict::argmax;
use re_data::text::{quoted, trim_invisible};
use re_data::{LabelSet, Probabilities};

use super::columns::{Kind, class_of};
use super::jsonl::Jsonl;
use super::lines::{Lines, split_terminator, without_marks};
use super::place::{Field, Place};
use super::table::{Table, TableRow, field};
use crate::error::{Error, Result};

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

/// A file of predictions whose beginning was looked at.
pub(super) enum Opened {
    /// Rows of a layout that has labels alone.
    Rows(Vec<SavedPrediction>),
    /// CSV, whose header tells more.
    Table(Table<'static>),
}

pub(super) fn open(path: &Path) -> Result<Opened> {
    let mut input = super::input(path)?;
    let line = |head: &[u8]| head.trim_ascii_start().contains(&b'\n');
    let head = super::lines::head(&mut input, line).map_err(|e| Error::io(path, e))?;
    let start = without_marks(&head).trim_ascii_start();
    let digits = start.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (objects, answers) = (start.first() == Some(&b'{'), digits > 0 && start.get(digits) == Some(&b'\t'));
    let input = Cursor::new(head).chain(input);
    if objects {
        predictions_from_jsonl(input, path).map(Opened::Rows)
    } else if answers {
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
        let answer = answer.map(|(id, label)| (id, trim_invisible(label)));
        match answer {
            Some((id, label)) if !label.is_empty() => {
                ids.add(&Place::of_line(path, lines.number(), Some(id)), id)?;
                rows.push(SavedPrediction { id: id.to_owned(), label: label.to_owned(), probability: None });
            }
            None if line.trim_ascii().is_empty() => {}
            _ => {
                let found = quoted(&String::from_utf8_lossy(line.trim_ascii_end()));
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
        let label = trim_invisible(&object.text(&place, LABEL.name)?).to_owned();
        if label.is_empty() {
            return Err(place.error(LABEL, "no label", "a label"));
        }
        let probability = object.optional_probability(&place, PROBABILITY.name)?;
        rows.push(SavedPrediction { label, probability, id });
    }
    Ok(rows)
}

/// Rows of a table of labels, by the columns in which id, label and perhaps probability stand.
struct LabelRows {
    columns: (usize, usize, Option<usize>),
    rows: Vec<SavedPrediction>,
}

impl LabelRows {
    fn of(table: &Table<'_>) -> Result<Self> {
        let label = table.column("label").or(table.column("pred_label"));
        let (Some(id), Some(label)) = (table.column("id"), label) else {
            return Err(table.header_error("the columns id and label"));
        };
        Ok(Self { columns: (id, label, table.column("probability")), rows: Vec::new() })
    }

    fn add(&mut self, place: &Place<'_>, row: &TableRow<'_>) -> Result<()> {
        let (id_at, label_at, probability_at) = self.columns;
        let label = trim_invisible(row.at(label_at)).to_owned();
        if label.is_empty() {
            return Err(place.error(field(label_at, LABEL.name), "no label", "a label"));
        }
        let probability = probability_at
            .map(|at| probability(place, field(at, PROBABILITY.name), row.at(at)))
            .transpose()?;
        self.rows.push(SavedPrediction { label, probability, id: row.at(id_at).to_owned() });
        Ok(())
    }
}

pub(super) fn predictions_of(mut table: Table<'_>) -> Result<Vec<SavedPrediction>> {
    let path = table.path().to_owned();
    let (mut rows, mut ids) = (LabelRows::of(&table)?, Ids::default());
    while let Some(row) = table.next(rows.columns.0)? {
        let id = row.at(rows.columns.0).to_owned();
        let place = Place::of_line(&path, row.line, Some(&id));
        ids.add(&place, &id)?;
        rows.add(&place, &row)?;
    }
    Ok(rows.rows)
}

/// Reads class probabilities from a CSV file, or standard input where `path` is `-`. The header gives `id` and then the
/// labels, in class order, or `p(NAME)` for a label that could be the name of another column of such files (`id`, `label`,
/// `pred_label`, `probability`, `probs`, `pred`, and these in `p()`); each row the id and one probability for each label. A
/// submission of KLUE-RE ([`crate::write::PredictionFormat::KlueSubmission`]) is read too, with the classes of
/// [`LabelSet::klue_re_submission`].
///
/// # Errors
/// [`re_data::Error::Io`] where the file cannot be read; [`re_data::Error::LabelSet`] where the labels of the header do not
/// make a label set; [`Error::Record`] where a row is malformed, a value is no number from 0 to 1, the values of a row
/// do not sum to 1, an id is duplicated, or the label of a submission is not the most probable one.
pub fn probabilities(path: impl AsRef<Path>) -> Result<Probabilities> {
    let path = path.as_ref();
    let table = Table::new(super::input(path)?, path)?;
    match Kind::of(table.header()) {
        Some(Kind::Probabilities | Kind::KlueSubmission | Kind::Either) => probabilities_of(table),
        _ => Err(table.header_error("id, then one column for each label")),
    }
}

/// Rows of a table of probabilities.
struct ProbabilityRows {
    submission: bool,
    labels: Arc<LabelSet>,
    ids: Vec<String>,
    values: Vec<f32>,
}

impl ProbabilityRows {
    fn of(table: &Table<'_>) -> Result<Self> {
        let submission = Kind::of(table.header()) == Some(Kind::KlueSubmission);
        let classes = table.header().iter().skip(1).map(|column| class_of(column));
        let labels = if submission { Ok(LabelSet::klue_re_submission()) } else { LabelSet::new(classes) };
        let labels = labels.map_err(|error| match error {
            re_data::Error::LabelSet { reason, .. } => {
                re_data::Error::LabelSet { path: Some(table.path().to_owned()), reason }
            }
            other => other,
        })?;
        Ok(Self { submission, labels: Arc::new(labels), ids: Vec::new(), values: Vec::new() })
    }

    fn add(&mut self, place: &Place<'_>, row: &TableRow<'_>) -> Result<()> {
        let found: Vec<f32> = if self.submission {
            listed(place, row.at(2), self.labels.len())?
        } else {
            let number = |(at, value): (usize, &&str)| probability(place, field(at, PROBABILITY.name), value);
            row.fields.iter().enumerate().skip(1).map(number).collect::<Result<_>>()?
        };
        check_sum(place, &found)?;
        if self.submission {
            check_label(place, row.at(1), &self.labels, &found)?;
        }
        self.values.extend(found);
        self.ids.push(row.at(0).to_owned());
        Ok(())
    }

    fn end(self) -> Result<Probabilities> {
        Ok(Probabilities::new(self.ids, self.labels, self.values)?)
    }
}

pub(super) fn probabilities_of(mut table: Table<'_>) -> Result<Probabilities> {
    let path = table.path().to_owned();
    let (mut rows, mut ids) = (ProbabilityRows::of(&table)?, Ids::default());
    while let Some(row) = table.next(0)? {
        let id = row.at(0).to_owned();
        let place = Place::of_line(&path, row.line, Some(&id));
        ids.add(&place, &id)?;
        rows.add(&place, &row)?;
    }
    rows.end()
}

/// Rows of a table whose header does not tell of what kind they are.
pub(super) enum Either {
    Labels(Vec<SavedPrediction>),
    Probabilities(Probabilities),
}

/// Reads a table whose header fits labels and probabilities: probabilities where all rows are such, labels where none is.
pub(super) fn either(mut table: Table<'_>) -> Result<Either> {
    let path = table.path().to_owned();
    let torn = table.header_error("either probabilities in every row, or labels in every row");
    let (mut labels, mut shares, mut ids) =
        (Ok(LabelRows::of(&table)?), ProbabilityRows::of(&table).ok(), Ids::default());
    let (mut fitting, mut others) = (0_usize, 0_usize);
    while let Some(row) = table.next(0)? {
        let id = row.at(0).to_owned();
        let place = Place::of_line(&path, row.line, Some(&id));
        ids.add(&place, &id)?;
        match shares.as_mut().map(|rows| rows.add(&place, &row)) {
            Some(Ok(())) => fitting += 1,
            _ => others += 1,
        }
        if let Ok(rows) = &mut labels
            && let Err(fault) = rows.add(&place, &row)
        {
            labels = Err(fault);
        }
    }
    match (shares, fitting, others) {
        (Some(shares), 1.., 0) => shares.end().map(Either::Probabilities),
        (_, 0, _) => labels.map(|labels| Either::Labels(labels.rows)),
        _ => Err(torn),
    }
}

/// Probabilities that stand as a list in one field.
fn listed(place: &Place<'_>, list: &str, classes: usize) -> Result<Vec<f32>> {
    let values: Option<Vec<f32>> = serde_json::from_str(list).ok();
    let values = values.filter(|v| v.len() == classes && v.iter().all(|p| (0.0..=1.001).contains(p)));
    values.ok_or_else(|| {
        let field = Field { column: Some(3), name: "probs" };
        place.error(field, quoted(list), format!("a list of {classes} numbers from 0 to 1"))
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
    let expected =
        format!("{}, the most probable label of probs", quoted(labels.name(class).unwrap_or_default()));
    Err(place.error(field, quoted(label), expected))
}

const LABEL: Field = Field { column: None, name: "label" };
const PROBABILITY: Field = Field { column: None, name: "probability" };

fn probability(place: &Place<'_>, field: Field, value: &str) -> Result<f32> {
    let number = value.parse().ok().filter(|p: &f32| (0.0..=1.001).contains(p));
    number.ok_or_else(|| place.error(field, quoted(value), "a number from 0 to 1"))
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
