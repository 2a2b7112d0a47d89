//! `re extract`.

mod graph;

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use re_extract::{Extractor, PairRecord};

use crate::cleanup::Output;
use crate::extraction::source::Source;
use crate::extraction::summary::Summary;
use crate::extraction::{self, ExtractionArgs, Paths};
use crate::progress::Progress;
use crate::verbosity::Verbosity;

use self::graph::{GraphOutput, GraphWriting};

/// Find mentions and their relations in texts with trained models
///
/// A tagger finds the mentions of documents that have none: a trained folder of a token classifier, also one of
/// `transformers`. Every ordered pair of mentions is judged that the rule lets pass and whose types some relation joins; each relation that is
/// told has a score. Documents stream, so that an input of any size takes little memory, and come out in the order in which
/// they went in. A document that fails is reported with its reason, and the others go on; so does a pair. The summary on
/// standard error accounts for every pair of mentions.
///
/// What lies between a model's probabilities and the graph (the rule, types that relations join, symmetric and inverse
/// relations, calibration, thresholds) is read from `graph.json` beside the model, where it is there.
#[derive(Debug, Args)]
#[command(
    override_usage = "re extract [OPTIONS] [TAGGER] <MODEL> <INPUT>",
    after_help = "\
Examples:
  re extract path/to/tagger runs/mine texts/ --output graphs.jsonl
  re extract --tagger path/to/tagger runs/mine sentences.txt --lines --output graphs.html
  re extract runs/mine documents.jsonl --format dot | dot -Tsvg > graphs.svg
  re extract runs/mine documents.jsonl --output graphs.jsonl
  re extract runs/mine conll04_dev.json --same-sentence --symmetric spouse --threshold 0.5 --format brat --output graphs
  re extract runs/mine documents.jsonl --output graphs.html
  re extract runs/mine documents.jsonl --abstained abstained.jsonl --json > graphs.jsonl
  zcat documents.jsonl.gz | re extract runs/mine - | re evaluate - gold.jsonl"
)]
pub struct Extract {
    #[command(flatten)]
    extraction: ExtractionArgs,
    #[command(flatten)]
    writing: GraphWriting,
    /// File for the pairs without a relation, each with its reason: JSON objects, one a line
    #[arg(long, value_name = "FILE", help_heading = "Writing graphs")]
    abstained: Option<PathBuf>,
    /// Write the summary on standard error as JSON, in one line
    #[arg(long, help_heading = "Writing graphs")]
    json: bool,
}

impl Extract {
    pub fn run(self, verbosity: Verbosity) -> Result<()> {
        let Paths { model, input, .. } = self.extraction.paths()?;
        let outputs = [self.writing.output.as_path()].into_iter().chain(self.abstained.as_deref());
        self.extraction.check([], outputs)?;
        self.writing.check()?;
        let extractor = self.extraction.extractor(self.abstained.is_some(), verbosity)?;
        let (source, progress) = self.extraction.open(&self.writing.output, verbosity)?;
        let output = self.writing.create()?;
        let abstained = self.abstained.as_deref().map(Output::create).transpose()?;
        Work { verbosity, output, abstained, summary: Summary::new(model, input) }
            .run(&extractor, source, progress)
            .and_then(|summary| summary.print(self.json, verbosity))
    }
}

/// An extraction under way.
struct Work {
    verbosity: Verbosity,
    output: GraphOutput,
    abstained: Option<Output>,
    summary: Summary,
}

impl Work {
    fn run(self, extractor: &Extractor, mut source: Source, mut progress: Progress) -> Result<Summary> {
        let Self { verbosity, mut output, mut abstained, mut summary } = self;
        extraction::run(extractor, &mut source, &mut summary, &mut progress, verbosity, |graph, summary| {
            if !summary.write(&graph.document, |document| output.write(document), verbosity)? {
                return Ok(());
            }
            for record in PairRecord::of(&graph) {
                let Some(abstained) = &mut abstained else { break };
                let line = serde_json::to_string(&record)? + "\n";
                let written = abstained.write_all(line.as_bytes());
                written.map_err(|source| re_data::Error::io(abstained.path(), source))?;
            }
            Ok(())
        })?;
        source.ended()?;
        summary.read = source.report().clone();
        summary.check()?;
        // The smaller one first: where it cannot be completed, no graph appears.
        abstained.map(Output::commit).transpose()?;
        summary.written = output.finish()?;
        progress.finish();
        summary.print_notes(verbosity);
        Ok(summary)
    }
}
