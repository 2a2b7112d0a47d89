//! Flags for writing results and predictions.

#[cfg(feature = "libtorch")]
use std::io;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
#[cfg(feature = "libtorch")]
use re_data::files;
use re_data::text::escaped;
use re_data::{LabelSet, Probabilities};
use re_formats::write::{PredictionFormat, PredictionWriter};
use serde::Serialize;

use crate::cleanup::Output;

/// Where a result goes that people read, or machines.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Writing the result")]
pub struct ResultArgs {
    /// File for the result; `-` is standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// Write JSON
    #[arg(long)]
    pub json: bool,
}

impl ResultArgs {
    /// Where the result goes.
    pub fn path(&self) -> &Path {
        &self.output
    }

    /// Makes sure that the result has a place, before the work on it begins, which makes the folder `made`.
    #[cfg(feature = "libtorch")]
    pub fn check(&self, made: &Path) -> Result<()> {
        let place: io::Result<()> = match self.output.parent() {
            _ if files::is_dir(&self.output)? => Err(io::ErrorKind::IsADirectory.into()),
            Some(folder) if !folder.starts_with(made) && !made.starts_with(folder) => {
                folder.metadata().map(drop)
            }
            _ => Ok(()),
        };
        Ok(place.map_err(|source| re_data::Error::io(&self.output, source))?)
    }

    /// Writes the text, or the value as JSON where that is asked for.
    pub fn write(&self, text: impl FnOnce() -> String, value: &impl Serialize) -> Result<()> {
        self.write_to(self.create()?, text, value)
    }

    /// The same, to an output that was created before.
    pub fn write_to(
        &self,
        output: Output,
        text: impl FnOnce() -> String,
        value: &impl Serialize,
    ) -> Result<()> {
        // Names of files and labels may hold characters that steer a terminal.
        let shown = |text: String| escaped(text.chars(), &['\n', '\t']);
        write_text(
            output,
            &if self.json { serde_json::to_string_pretty(value)? + "\n" } else { shown(text()) },
        )
    }

    #[cfg(feature = "libtorch")]
    /// Writes a text.
    pub fn write_text(&self, text: &str) -> Result<()> {
        write_text(self.create()?, text)
    }

    /// The output, for what is written piece by piece.
    pub fn create(&self) -> Result<Output> {
        Output::create(&self.output)
    }
}

/// Writes a text that is the whole of an output.
pub fn write_text(mut output: Output, text: &str) -> Result<()> {
    output.write_all(text.as_bytes()).map_err(|source| re_data::Error::io(output.path(), source))?;
    Ok(output.commit()?)
}

/// Every layout of labels by its name.
fn layouts() -> impl TypedValueParser<Value = PredictionFormat> {
    let names = PredictionFormat::ALL.into_iter().filter(|format| *format != PredictionFormat::Probabilities);
    PossibleValuesParser::new(names.map(PredictionFormat::name))
        .try_map(|name| name.parse::<PredictionFormat>())
}

/// Where predictions go.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Writing predictions")]
pub struct PredictionArgs {
    /// File for the most probable label of each row; `-` is standard output
    /// [default: -, unless --probs takes it]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Layout of --output [default: jsonl where its name ends in .jsonl, else csv]
    #[arg(long, value_name = "FORMAT", value_parser = layouts())]
    output_format: Option<PredictionFormat>,
    /// Write --output as JSON objects, one a line
    #[arg(long, conflicts_with = "output_format")]
    json: bool,
    /// File for the probabilities of all classes: CSV with the id and one column for each label
    #[arg(long, value_name = "FILE")]
    probs: Option<PathBuf>,
}

impl PredictionArgs {
    pub fn format(&self) -> PredictionFormat {
        let named = |output: &PathBuf| {
            output.extension().is_some_and(|extension| extension == "jsonl" || extension == "ndjson")
        };
        match self.output_format {
            Some(format) => format,
            None if self.json || self.output.as_ref().is_some_and(named) => PredictionFormat::Jsonl,
            None => PredictionFormat::Csv,
        }
    }

    /// Where labels go, or where they would.
    pub fn path(&self) -> &Path {
        self.output.as_deref().unwrap_or(Path::new("-"))
    }

    /// All that is written to.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.outputs().into_iter().flatten()
    }

    /// For labels, unless the probabilities take standard output, and for probabilities.
    fn outputs(&self) -> [Option<&Path>; 2] {
        let (standard, probs) = (Path::new("-"), self.probs.as_deref());
        [self.output.as_deref().or((probs != Some(standard)).then_some(standard)), probs]
    }

    /// Opens what is to be written.
    pub fn create(&self, labels: &Arc<LabelSet>) -> Result<Predictions> {
        let formats = [self.format(), PredictionFormat::Probabilities];
        let mut writers = Vec::new();
        for (path, format) in self.outputs().into_iter().zip(formats) {
            if let Some(path) = path {
                let writer = PredictionWriter::new(Output::create(path)?, path, format, Arc::clone(labels))?;
                writers.push((path.to_owned(), writer));
            }
        }
        Ok(Predictions { writers })
    }

    /// Writes all predictions at once.
    pub fn write(&self, probabilities: &Probabilities) -> Result<()> {
        let mut predictions = self.create(probabilities.labels())?;
        predictions.write(probabilities)?;
        predictions.finish()
    }
}

/// Outputs of predictions that are open.
pub struct Predictions {
    writers: Vec<(PathBuf, PredictionWriter<Output>)>,
}

impl Predictions {
    pub fn write(&mut self, probabilities: &Probabilities) -> Result<()> {
        Ok(self.writers.iter_mut().try_for_each(|(_, writer)| writer.write(probabilities))?)
    }

    pub fn finish(mut self) -> Result<()> {
        // Standard output first: where it is closed, no file is to appear.
        self.writers.sort_by_key(|(path, _)| path.as_path() != Path::new("-"));
        for (_, writer) in self.writers {
            writer.finish()?.commit()?;
        }
        Ok(())
    }
}
