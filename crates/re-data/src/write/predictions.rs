//! Predictions and class probabilities.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{create, delimited, json_line};
use crate::error::{Error, Result};
use crate::labels::LabelSet;
use crate::predict::{Prediction, Probabilities};

/// Layout of a file of predictions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PredictionFormat {
    /// The competition's submission: CSV with the header `pred` and the class id of each row, in the order
    /// of the input.
    Submission,
    /// CSV with the header `id,label,probability`.
    Csv,
    /// JSON objects, one a line, with `id`, `label` and `probability`.
    Jsonl,
    /// CSV with the header `id` and the names of the labels: all class probabilities of each row. What
    /// [`crate::read::probabilities`] reads back, bit for bit.
    Probabilities,
}

/// Streams predictions into one of the layouts.
///
/// ```
/// # use std::sync::Arc;
/// use re_data::{LabelSet, Probabilities};
/// use re_data::write::{PredictionFormat, PredictionWriter};
/// let labels = Arc::new(LabelSet::new(["no_relation", "spouse"])?);
/// let probabilities = Probabilities::new(vec!["7".into()], labels.clone(), vec![0.25, 0.75])?;
/// let mut file = Vec::new();
/// let mut writer = PredictionWriter::new(&mut file, "out.csv", PredictionFormat::Submission, labels)?;
/// writer.write(&probabilities)?;
/// writer.finish()?;
/// assert_eq!(file, b"pred\n1\n");
/// # Ok::<(), re_data::Error>(())
/// ```
pub struct PredictionWriter<W: Write> {
    sink: Sink<W>,
    format: PredictionFormat,
    labels: Arc<LabelSet>,
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
    /// [`Error::Io`] where the output refuses it.
    pub fn new(
        out: W,
        path: impl Into<PathBuf>,
        format: PredictionFormat,
        labels: Arc<LabelSet>,
    ) -> Result<Self> {
        let path = path.into();
        let sink = match format {
            PredictionFormat::Jsonl => Sink::Lines(out),
            _ => {
                let mut out = delimited(out, b',');
                let header = match format {
                    PredictionFormat::Submission => vec!["pred"],
                    PredictionFormat::Probabilities => {
                        std::iter::once("id").chain(labels.names().iter().map(String::as_str)).collect()
                    }
                    _ => vec!["id", "label", "probability"],
                };
                out.write_record(header).map_err(|e| Error::io(&path, e.into()))?;
                Sink::Csv(Box::new(out))
            }
        };
        Ok(Self { sink, format, labels, path })
    }

    /// Writes the rows of `probabilities`.
    ///
    /// # Errors
    /// [`Error::Io`] where the output refuses them, [`Error::LabelSet`] where their labels are not those
    /// of the writer.
    pub fn write(&mut self, probabilities: &Probabilities) -> Result<()> {
        if probabilities.labels() != &self.labels {
            return Err(Error::LabelSet {
                path: Some(self.path.clone()),
                reason: "predictions of another label set, expected that of the rows before".to_owned(),
            });
        }
        for row in probabilities.predictions() {
            self.row(&row).map_err(|e| Error::io(&self.path, e))?;
        }
        Ok(())
    }

    fn row(&mut self, row: &Prediction<'_>) -> io::Result<()> {
        let out = match &mut self.sink {
            Sink::Csv(out) => out,
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
            _ => out.write_record([row.id, row.label, &row.probability.to_string()]),
        }
        .map_err(io::Error::from)
    }

    /// Writes out what is still buffered, and gives the output back.
    ///
    /// # Errors
    /// [`Error::Io`] where the output refuses it.
    pub fn finish(self) -> Result<W> {
        match self.sink {
            Sink::Csv(out) => out.into_inner().map_err(csv::IntoInnerError::into_error),
            Sink::Lines(mut out) => out.flush().map(|()| out),
        }
        .map_err(|e| Error::io(&self.path, e))
    }
}

/// Writes predictions to a new file, or to standard output where `path` is `-`.
///
/// # Errors
/// [`Error::Io`] where the file cannot be written.
pub fn predictions(
    path: impl AsRef<Path>,
    format: PredictionFormat,
    probabilities: &Probabilities,
) -> Result<()> {
    let path = path.as_ref();
    let mut writer = PredictionWriter::new(create(path)?, path, format, Arc::clone(probabilities.labels()))?;
    writer.write(probabilities)?;
    writer.finish().map(drop)
}
