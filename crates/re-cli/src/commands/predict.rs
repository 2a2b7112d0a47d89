//! `re predict`.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
#[cfg(feature = "libtorch")]
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use clap::Args;
#[cfg(feature = "libtorch")]
use re_data::TokensInText;
use re_data::{Outcomes, PredictError, Predictor, Probabilities};
#[cfg(feature = "libtorch")]
use re_experiment::{Error, model_folder, trained_precision};
use re_formats::write::PredictionFormat;
#[cfg(feature = "libtorch")]
use re_model::{RelationClassifier, TrainedParts};
#[cfg(feature = "libtorch")]
use re_qa::QuestionAnswerer;

use crate::data::{DataArgs, LeftOut, folder, model_first};
use crate::exit::{Usage, about};
use crate::model::{ComputeArgs, note_unfinished};
use crate::output::PredictionArgs;
use crate::verbosity::Verbosity;

/// Classify rows with a trained model, or with several that vote
///
/// Rows stream, so that a file of any size takes little memory (about 16 bytes a row, to find duplicate ids),
/// and come out in the order in which they went in.
/// A single model reports entities that truncation removes, and special tokens in the text of rows; several models that
/// vote do not.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  re predict runs/mine test.tsv --output predictions.csv --probs probs.csv
  re predict runs/mine@1800 test.tsv --output-format submission --output submission.csv
  zcat rows.jsonl.gz | re predict runs/mine - --format jsonl --json | head")]
pub struct Predict {
    /// Run folder (its best checkpoint, or all models of a run of several), RUN@STEP, or the folder of a model
    #[arg(value_parser = folder())]
    model: PathBuf,
    /// File of rows; `-` is standard input
    input: PathBuf,
    #[command(flatten)]
    compute: ComputeArgs,
    /// Rows that are read, sorted by length and predicted together; fewer where their texts exceed 16 MiB
    #[arg(long, value_name = "ROWS", default_value = "4096")]
    chunk: NonZeroUsize,
    #[command(flatten)]
    predictions: PredictionArgs,
    #[command(flatten)]
    data: DataArgs,
}

impl Predict {
    pub fn run(self, verbosity: Verbosity) -> Result<()> {
        if self.data.lenient && self.predictions.format() == PredictionFormat::Submission {
            let text = "a submission has a line for every row: --lenient would shift its lines";
            return Err(Usage(text.to_owned()).into());
        }
        model_first(&self.model, &self.input)?;
        self.data.check([self.input.as_path()], self.predictions.paths())?;
        note_unfinished(&self.model, verbosity)?;
        #[cfg(feature = "libtorch")]
        if !self.compute.in_rust([self.model.as_path()])? {
            match model_folder(&self.model).map_err(Error::from) {
                Ok(folder) if !QuestionAnswerer::is_in(&folder)? => return self.stream(&folder, verbosity),
                // Several models may answer together, or one by questions.
                Ok(_) | Err(Error::NoModel { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.predict_rows(&*self.compute.predictor(&self.model)?, verbosity)
    }

    /// Predicts with a single model, which reads and encodes rows while it computes.
    #[cfg(feature = "libtorch")]
    fn stream(&self, folder: &Path, verbosity: Verbosity) -> Result<()> {
        let settings = self.compute.of_libtorch()?;
        let parts = TrainedParts {
            device: Some(settings.device()?),
            precision: match settings.precision {
                None => trained_precision(folder).map_err(|error| about(folder, error))?,
                asked => asked,
            },
            ..TrainedParts::default()
        };
        let classifier = RelationClassifier::from_pretrained_with(folder, parts);
        let classifier = classifier.map_err(|error| about(folder, error))?;
        let precision = classifier.model().encoder().precision();
        verbosity.detail(format!("model {}, {precision:?} on {}", folder.display(), settings.device));
        let (mut rows, mut progress) = self.data.open(&self.input, self.predictions.path(), verbosity)?;
        rows.want_types(classifier.reads_types());
        rows.want_unique_ids();
        let mut predictions = self.predictions.create(classifier.labels())?;
        let mut left_out = LeftOut::default();
        // Read by a thread of the stream, and asked afterwards what was met.
        let rows = Arc::new(Mutex::new(rows));
        let read = Arc::clone(&rows);
        let stream = std::iter::from_fn(move || read.lock().unwrap_or_else(PoisonError::into_inner).next());
        let (mut truncated, mut lost, mut in_text) = (0, 0, TokensInText::default());
        let done = classifier.predict_stream(stream, self.chunk, |chunk| {
            truncated += chunk.encoding.truncated;
            lost += chunk.encoding.lost.len();
            in_text.add(chunk.encoding.tokens_in_text.clone());
            predictions.write(self.answered(&chunk.outcomes, &mut left_out)?)?;
            progress.advance(chunk.examples.len());
            Ok::<(), anyhow::Error>(())
        });
        done.map_err(|error| self.explained(folder, error))?;
        predictions.finish()?;
        progress.finish();
        rows.lock().unwrap_or_else(PoisonError::into_inner).print_notes(&self.input, verbosity);
        left_out.print_notes(&self.input, verbosity);
        if in_text.rows > 0 {
            verbosity.note(in_text);
        }
        let told = format!("{truncated} rows truncated, {lost} entities lost");
        if lost > 0 {
            verbosity.note(told)
        } else {
            verbosity.detail(told)
        }
        Ok(())
    }

    /// Predicts with whatever answers, chunk by chunk.
    fn predict_rows(&self, predictor: &dyn Predictor, verbosity: Verbosity) -> Result<()> {
        let (mut rows, mut progress) = self.data.open(&self.input, self.predictions.path(), verbosity)?;
        rows.want_types(predictor.reads_types());
        rows.want_unique_ids();
        let mut predictions = self.predictions.create(predictor.labels())?;
        let mut left_out = LeftOut::default();
        loop {
            let chunk = re_data::stream::chunk(&mut rows, self.chunk.get())?;
            if chunk.is_empty() {
                break;
            }
            let explained = |error| self.explained(&self.model, error);
            let outcomes = predictor.outcomes(&chunk).map_err(explained)?;
            predictions.write(self.answered(&outcomes, &mut left_out).map_err(explained)?)?;
            progress.advance(chunk.len());
        }
        predictions.finish()?;
        progress.finish();
        rows.print_notes(&self.input, verbosity);
        left_out.print_notes(&self.input, verbosity);
        Ok(())
    }

    /// The rows that were answered: all or, where some may be left out, all but those.
    fn answered<'o>(
        &self,
        outcomes: &'o Outcomes,
        left_out: &mut LeftOut,
    ) -> Result<&'o Probabilities, PredictError> {
        for error in outcomes.failed() {
            if !self.data.lenient {
                return Err(error.clone().into());
            }
            left_out.add(error);
        }
        Ok(outcomes.answered())
    }

    /// An error with the name of the file that it is about: that of the rows where it is about one of them, else that of
    /// the model. Errors of reading and writing name their file themselves.
    fn explained(&self, model: &Path, error: impl Into<anyhow::Error>) -> anyhow::Error {
        #[cfg(not(feature = "libtorch"))]
        use re_infer::Error as Model;
        #[cfg(feature = "libtorch")]
        use re_model::Error as Model;
        use {re_data::Error as Data, re_formats::Error as Formats};
        let error = error.into();
        match error.downcast_ref() {
            Some(PredictError::Row(_)) => return error.context(self.input.display().to_string()),
            Some(_) => return about(model, error),
            None => {}
        }
        let of_data = match (error.downcast_ref(), error.downcast_ref()) {
            (Some(Model::Data(error)), _) | (_, Some(Formats::Data(error))) => Some(error),
            (Some(_), _) => return about(model, error),
            _ => error.downcast_ref::<Data>(),
        };
        match of_data {
            None | Some(Data::Io { .. }) => error,
            Some(_) => about(model, error),
        }
    }
}
