//! Predictions of whatever kind, as a file has them.

use std::path::Path;
use std::sync::Arc;

use re_data::text::quoted;
use re_data::{LabelSet, Probabilities};

use super::columns::Kind;
use super::place::{Field, Place};
use super::predictions::{Either, Opened, SavedPrediction, either, open, predictions_of, probabilities_of};
use super::table::Table;
use crate::error::{Error, Result};

impl SavedPrediction {
    /// The same predictions as certainties: probability 1 for the label of each row, 0 for all others. So they can
    /// be compared and evaluated like those of a model that gives probabilities.
    ///
    /// # Errors
    /// [`re_data::Error::UnknownLabel`] where a label is not in the set; [`re_data::Error::Argument`] where the probabilities
    /// of so many rows and labels take more than 2 GiB.
    pub fn as_certain(rows: &[Self], labels: &Arc<LabelSet>) -> Result<Probabilities> {
        const MOST: usize = 1 << 29;
        let size = rows.len().saturating_mul(labels.len());
        if size > MOST {
            return Err(Error::Data(re_data::Error::Argument {
                name: "predicted labels",
                found: format!("{} rows of {} different labels", rows.len(), labels.len()),
                expected: "at most 2^29 probabilities, one of each row and label",
            }));
        }
        let mut values = vec![0.0; size];
        for (row, slots) in rows.iter().zip(values.chunks_exact_mut(labels.len())) {
            let slot = labels.id(&row.label).and_then(|class| slots.get_mut(class));
            *slot.ok_or_else(|| {
                Error::Data(re_data::Error::UnknownLabel {
                    id: row.id.clone(),
                    found: row.label.clone(),
                    expected: labels.len(),
                })
            })? = 1.0;
        }
        let ids = rows.iter().map(|row| row.id.clone()).collect();
        Ok(Probabilities::new(ids, Arc::clone(labels), values)?)
    }
}

/// What a file of predictions of whatever kind holds.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Saved {
    /// Ids and labels, as [`super::predictions`] reads them.
    Labels(Vec<SavedPrediction>),
    /// Probabilities of all classes, as [`super::probabilities`] reads them.
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
    /// [`re_data::Error::UnknownLabel`] where a label is not in the set; [`re_data::Error::Argument`] where a submission has another
    /// number of rows than `ids`, or a class that the set does not have.
    pub fn into_probabilities(self, labels: &Arc<LabelSet>, ids: &[String]) -> Result<Probabilities> {
        let classes = match self {
            Self::Probabilities(probabilities) => return Ok(probabilities),
            Self::Labels(rows) => return SavedPrediction::as_certain(&rows, labels),
            Self::Submission(classes) => classes,
        };
        if classes.len() != ids.len() {
            return Err(Error::Data(re_data::Error::Argument {
                name: "rows of the submission",
                found: format!("{} for {} rows", classes.len(), ids.len()),
                expected: "one for each row",
            }));
        }
        let row = |(&class, id): (&usize, &String)| {
            let label = labels.name(class).ok_or_else(|| {
                Error::Data(re_data::Error::Argument {
                    name: "class of the submission",
                    found: format!("{class} for id {id}, of {} classes", labels.len()),
                    expected: "a class of the label set",
                })
            })?;
            Ok(SavedPrediction { id: id.clone(), label: label.to_owned(), probability: None })
        };
        let rows: Vec<_> = classes.iter().zip(ids).map(row).collect::<Result<_>>()?;
        SavedPrediction::as_certain(&rows, labels)
    }
}

/// Reads predictions from a file, or standard input where `path` is `-`:
///
/// - JSON objects, one a line, with `id`, `label` and perhaps `probability`,
/// - CSV with these names in its header, or with `pred_label` in place of `label` as in submissions of KLUE-RE,
/// - SemEval's answers: lines of a number, a tab and a relation.
///
/// Other keys and columns are passed over. Labels are read without what is invisible at their edges.
///
/// # Errors
/// [`re_data::Error::Io`] where the file cannot be read; [`Error::Record`] where a row is malformed, a needed column
/// is missing, a probability is outside 0 to 1 or an id is duplicated.
pub fn predictions(path: impl AsRef<Path>) -> Result<Vec<SavedPrediction>> {
    let table = match open(path.as_ref())? {
        Opened::Rows(rows) => return Ok(rows),
        Opened::Table(table) => table,
    };
    let refused = |table: &Table<'_>| table.header_error("the columns id and label");
    match Kind::of(table.header()) {
        Some(Kind::Labels | Kind::KlueSubmission) => predictions_of(table),
        Some(Kind::Either) => {
            let fault = refused(&table);
            if let Either::Labels(rows) = either(table)? { Ok(rows) } else { Err(fault) }
        }
        _ => Err(refused(&table)),
    }
}

/// Reads predictions of any kind from a file, or standard input where `path` is `-`; its beginning tells which.
///
/// # Errors
/// As [`predictions`](super::predictions) and [`probabilities`](super::probabilities); [`Error::Record`] where a
/// submission has something else than a class id.
pub fn saved(path: impl AsRef<Path>) -> Result<Saved> {
    let table = match open(path.as_ref())? {
        Opened::Rows(rows) => return Ok(Saved::Labels(rows)),
        Opened::Table(table) => table,
    };
    match Kind::of(table.header()) {
        Some(Kind::Submission) => submission(table).map(Saved::Submission),
        Some(Kind::Probabilities | Kind::KlueSubmission) => probabilities_of(table).map(Saved::Probabilities),
        Some(Kind::Labels) => predictions_of(table).map(Saved::Labels),
        Some(Kind::Either) => Ok(match either(table)? {
            Either::Labels(rows) => Saved::Labels(rows),
            Either::Probabilities(probabilities) => Saved::Probabilities(probabilities),
        }),
        None => Err(table.header_error("id and label, or id and one column for each label, or pred")),
    }
}

fn submission(mut table: Table<'_>) -> Result<Vec<usize>> {
    let path = table.path().to_owned();
    let mut classes = Vec::new();
    while let Some(row) = table.next(0)? {
        let value = row.at(0);
        let field = Field { column: Some(1), name: "pred" };
        let place = Place::of_line(&path, row.line, None);
        classes.push(value.parse().map_err(|_| place.error(field, quoted(value), "a class id"))?);
    }
    Ok(classes)
}
