//! `re quantize`.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use re_data::{Document, RelationExample, files};
use re_infer::{LayerProduct, QuantizeOptions, QuantizeReport, QuantizeRows, quantize};
use re_trained::{graph_settings, model_folder};

use crate::data::folder;
use crate::exit::{Usage, about};
use crate::input::{Input, InputArgs};
use crate::model::note_unfinished;
use crate::output::ResultArgs;
use crate::verbosity::Verbosity;

/// Write a trained model with weights in 8 bits: a quarter of the size, and faster
///
/// Rows, for a classifier, or documents, for a tagger, tell how often the smaller model says something else. Products that
/// change too much are kept in floats. The new folder is used as any other; it can be predicted with, not trained.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  re quantize runs/mine dev.tsv small
  re predict small test.tsv --output predictions.csv
  re quantize runs/tagger dev.jsonl small-tagger --agreement 0.999 --json")]
pub struct Quantize {
    /// Run folder of a single model (its best checkpoint), RUN@STEP, or the folder of a model
    #[arg(value_parser = folder())]
    model: PathBuf,
    /// File of rows or documents such as will be met, best ones that were not trained on; `-` is standard input
    rows: PathBuf,
    /// Folder to write the model into, which must not exist yet
    folder: PathBuf,
    /// Least share of rows, or of tokens, that must stay as they are, 0 to 1
    #[arg(long, value_name = "SHARE", default_value = "0.995", value_parser = share)]
    agreement: f64,
    /// Most rows or documents to look at, the first ones
    #[arg(long, value_name = "N", default_value = "2000")]
    most: usize,
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    result: ResultArgs,
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("expected a number from 0 to 1".to_owned()),
    }
}

impl Quantize {
    pub fn run(self, verbosity: Verbosity) -> Result<()> {
        self.input.check([self.rows.as_path()], [self.result.path()])?;
        let model = model_folder(&self.model)?;
        note_unfinished(&self.model, verbosity)?;
        if files::exists(&self.folder)? {
            let text = format!("{}: exists, expected a folder that does not", self.folder.display());
            return Err(Usage(text).into());
        }
        let output = self.result.create()?;
        let (input, mut progress) = self.input.open(&self.rows, Path::new(""), verbosity)?;
        let (mut examples, mut documents): (Vec<RelationExample>, Vec<Document>) = Default::default();
        match input {
            Input::Rows(rows) => {
                for row in rows.take(self.most) {
                    examples.push(row?);
                    progress.advance(1);
                }
            }
            Input::Documents(read) => {
                for document in read.take(self.most) {
                    documents.push(document?);
                    progress.advance(1);
                }
            }
        }
        progress.finish();
        let rows = match examples.is_empty() {
            false => QuantizeRows::Examples(&examples),
            true => QuantizeRows::Documents(&documents),
        };
        let options = QuantizeOptions { agreement: self.agreement };
        let report = quantize(&model, &self.folder, rows, &options);
        let report = report.map_err(|error| about(&self.model, error))?;
        if let Some((path, _)) = graph_settings(&self.model)? {
            files::copy(&path, self.folder.join(re_extract::GraphSettings::FILE))?;
        }
        if report.agreement < self.agreement {
            let (found, wanted) = (percent(report.agreement), percent(self.agreement));
            verbosity.note(format!("{found} stay as they are, expected {wanted}: more cannot be kept"));
        }
        self.result.write_to(output, || text(&report), &report)
    }
}

fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

fn name(product: LayerProduct) -> &'static str {
    match product {
        LayerProduct::Query => "query",
        LayerProduct::KeyValue => "key and value",
        LayerProduct::AttentionOutput => "attention output",
        LayerProduct::Intermediate => "intermediate",
        LayerProduct::Output => "output",
    }
}

fn text(report: &QuantizeReport) -> String {
    let mut text = String::new();
    let [before, after] = report.bytes.map(|bytes| bytes as f64 / 1e6);
    let mut line = |name: &str, value: String| _ = writeln!(text, "{name:<10} {value}");
    line("size", format!("{before:.1} MB to {after:.1} MB ({:.2} of it)", after / before));
    line("agreement", format!("{} of {} choices", percent(report.agreement), report.rows));
    if let Some([before, after]) = report.accuracy {
        line("accuracy", format!("{} to {}", percent(before), percent(after)));
    }
    for (product, agreement) in &report.alone {
        line("alone", format!("{}: {}", name(*product), percent(*agreement)));
    }
    let kept: Vec<&str> = report.kept.iter().map(|product| name(*product)).collect();
    line("in floats", if kept.is_empty() { "no product of a layer".to_owned() } else { kept.join(", ") });
    text
}
