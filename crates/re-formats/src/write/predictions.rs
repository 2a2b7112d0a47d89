//! Predictions and class probabilities.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use re_data::files::NewFile;
use re_data::{LabelSet, Prediction, Probabilities};
use serde::{Deserialize, Serialize};

use super::{delimited, fault, json_line};
use crate::error::{Error, Result, UnwritableError};
use crate::read::columns::column_of;

/// Layout of a file of predictions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PredictionFormat {
    /// The competition's submission: CSV with the header `pred` and the class id of each row, in the order
    /// of the input.
    Submission,
    /// CSV with the header `id,label,probability`.
    Csv,
    /// JSON objects, one a line, with `id`, `label` and `probability`.
    Jsonl,
    /// CSV with the header `id` and the names of the labels: all class probabilities of each row. A label that could be the
    /// name of another column, such as `id` or `label`, stands as `p(label)`. What [`crate::read::probabilities`] reads
    /// back, bit for bit.
    Probabilities,
    /// SemEval-2010 Task 8's answers: number, tab and relation of each row. Ids must be numbers.
    #[serde(rename = "semeval")]
    SemEval,
    /// A submission of the course competitions on KLUE-RE: CSV with the header `id,pred_label,probs`, in which `probs`
    /// is the list of all probabilities in the order of [`LabelSet::klue_re_submission`], whose labels, in any
    /// order, must be those of the predictions. The benchmark itself takes models rather than predictions.
    KlueSubmission,
}

impl PredictionFormat {
    /// All layouts.
    pub const ALL: [Self; 6] =
        [Self::Submission, Self::Csv, Self::Jsonl, Self::Probabilities, Self::SemEval, Self::KlueSubmission];

    /// Name of the layout, such as `csv`; the same in serde and [`std::str::FromStr`].
    pub const fn name(self) -> &'static str {
        match self {
            Self::Submission => "submission",
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::Probabilities => "probabilities",
            Self::SemEval => "semeval",
            Self::KlueSubmission => "klue-submission",
        }
    }
}

impl fmt::Display for PredictionFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for PredictionFormat {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name).ok_or_else(|| {
            Error::Data(re_data::Error::Argument {
                name: "format",
                found: name.to_owned(),
                expected: "one of submission, csv, jsonl, probabilities, semeval, klue-submission",
            })
        })
    }
}

/// Streams predictions into one of the layouts.
///
/// ```
/// # use std::sync::Arc;
/// use re_data::{LabelSet, Probabilities};
/// use re_formats::write::{PredictionFormat, PredictionWriter};
/// let labels = Arc::new(LabelSet::new(["no_relation", "spouse"])?);
/// let probabilities = Probabilities::new(vec!["7".into()], labels.clone(), vec![0.25, 0.75])?;
/// let mut file = Vec::new();
/// let mut writer = PredictionWriter::new(&mut file, "out.csv", PredictionFormat::Submission, labels)?;
/// writer.write(&probabilities)?;
/// writer.finish()?;
/// assert_eq!(file, b"pred\n1\n");
/// # Ok::<(), re_formats::Error>(())
/// ```
pub struct PredictionWriter<W: Write> {
    sink: Sink<W>,
    format: PredictionFormat,
    labels: Arc<LabelSet>,
    /// Classes in the order in which their probabilities are written.
    order: Vec<usize>,
    path: PathBuf,
}

enum Sink<W: Write> {
    Csv(Box<csv::Writer<W>>),
    Lines(W),
}

#[derive(Serialize)]
struct JsonPrediction<'a> {
    id: &'a str,
    label: &'a str,
    probability: f32,
}

impl<W: Write> PredictionWriter<W> {
    /// Writes the header to `out`, which errors call `path`.
    ///
    /// # Errors
    /// [`re_data::Error::Io`] where the output refuses it; [`re_data::Error::LabelSet`] where the layout belongs to other labels.
    pub fn new(
        out: W,
        path: impl Into<PathBuf>,
        format: PredictionFormat,
        labels: Arc<LabelSet>,
    ) -> Result<Self> {
        let path = path.into();
        let order = match format {
            PredictionFormat::KlueSubmission => klue_order(&labels, &path)?,
            _ => (0..labels.len()).collect(),
        };
        let sink = match format {
            PredictionFormat::Jsonl | PredictionFormat::SemEval => Sink::Lines(out),
            _ => {
                let mut out = delimited(out, b',');
                let header: Vec<Cow<'_, str>> = match format {
                    PredictionFormat::Submission => vec!["pred".into()],
                    PredictionFormat::Probabilities => std::iter::once("id".into())
                        .chain(labels.names().iter().map(|name| column_of(name)))
                        .collect(),
                    PredictionFormat::KlueSubmission => ["id", "pred_label", "probs"].map(Cow::from).into(),
                    _ => ["id", "label", "probability"].map(Cow::from).into(),
                };
                out.write_record(header.iter().map(|name| name.as_bytes()))
                    .map_err(|e| Error::io(&path, fault(e)))?;
                Sink::Csv(Box::new(out))
            }
        };
        Ok(Self { sink, format, labels, order, path })
    }

    /// Writes the rows of `probabilities`.
    ///
    /// # Errors
    /// [`re_data::Error::Io`] where the output refuses them, [`re_data::Error::LabelSet`] where their labels are not those
    /// of the writer, [`Error::Unwritable`] where the layout cannot hold an id or a label.
    pub fn write(&mut self, probabilities: &Probabilities) -> Result<()> {
        if probabilities.labels() != &self.labels {
            return Err(Error::Data(re_data::Error::LabelSet {
                path: Some(self.path.clone()),
                reason: "predictions of another label set, expected that of the rows before".to_owned(),
            }));
        }
        for row in probabilities.predictions() {
            self.check(&row)?;
            self.row(&row).map_err(|e| Error::io(&self.path, e))?;
        }
        Ok(())
    }

    /// SemEval's answers have no quoting.
    fn check(&self, row: &Prediction<'_>) -> Result<()> {
        if self.format != PredictionFormat::SemEval {
            return Ok(());
        }
        let number = !row.id.is_empty() && row.id.bytes().all(|byte| byte.is_ascii_digit());
        let faults = [
            (!number, "id", row.id, "a number"),
            (row.label.contains(['\t', '\n', '\r']), "label", row.label, "no tab or line break in it"),
        ];
        let Some((_, field, found, expected)) = faults.into_iter().find(|(fault, ..)| *fault) else {
            return Ok(());
        };
        let (path, id, found) = (self.path.clone(), row.id.to_owned(), found.to_owned());
        Err(UnwritableError {
            path,
            format: self.format.name(),
            record: "example",
            id,
            field,
            found,
            expected,
        }
        .into())
    }

    fn row(&mut self, row: &Prediction<'_>) -> io::Result<()> {
        let out = match &mut self.sink {
            Sink::Csv(out) => out,
            Sink::Lines(out) if self.format == PredictionFormat::SemEval => {
                return writeln!(out, "{}\t{}", row.id, row.label);
            }
            Sink::Lines(out) => {
                let Prediction { id, label, probability, .. } = *row;
                return json_line(out, &JsonPrediction { id, label, probability });
            }
        };
        match self.format {
            PredictionFormat::Submission => out.write_record([row.class.to_string()]),
            PredictionFormat::Probabilities => {
                let values = row.probabilities.iter().map(f32::to_string);
                out.write_record(std::iter::once(row.id.to_owned()).chain(values))
            }
            PredictionFormat::KlueSubmission => {
                let values = self.order.iter().filter_map(|&class| row.probabilities.get(class));
                let values: Vec<String> = values.map(f32::to_string).collect();
                out.write_record([row.id, row.label, &format!("[{}]", values.join(", "))])
            }
            _ => out.write_record([row.id, row.label, &row.probability.to_string()]),
        }
        .map_err(fault)
    }

    /// Writes out what is still buffered, and gives the output back.
    ///
    /// # Errors
    /// [`re_data::Error::Io`] where the output refuses it.
    pub fn finish(self) -> Result<W> {
        match self.sink {
            Sink::Csv(out) => out.into_inner().map_err(csv::IntoInnerError::into_error),
            Sink::Lines(mut out) => out.flush().map(|()| out),
        }
        .map_err(|e| Error::io(&self.path, e))
    }
}

/// The classes of `labels` in the order of a submission of KLUE-RE.
fn klue_order(labels: &LabelSet, path: &Path) -> Result<Vec<usize>> {
    let due = LabelSet::klue_re_submission();
    let order: Option<Vec<usize>> = due.names().iter().map(|name| labels.id(name)).collect();
    order.filter(|order| order.len() == labels.len()).ok_or_else(|| {
        Error::Data(re_data::Error::LabelSet {
            path: Some(path.to_owned()),
            reason: format!("found {} classes, expected the {} of KLUE-RE", labels.len(), due.len()),
        })
    })
}

/// Writes predictions to a new file, which appears when it is complete, or to standard output where `path` is `-`.
///
/// # Errors
/// [`re_data::Error::Io`] where the file cannot be written, [`re_data::Error::LabelSet`] or [`Error::Unwritable`] where the layout does not
/// fit.
pub fn predictions(
    path: impl AsRef<Path>,
    format: PredictionFormat,
    probabilities: &Probabilities,
) -> Result<()> {
    let path = path.as_ref();
    let mut file = NewFile::create(path)?;
    let mut writer = PredictionWriter::new(&mut file, path, format, Arc::clone(probabilities.labels()))?;
    writer.write(probabilities)?;
    writer.finish()?;
    Ok(file.commit()?)
}
