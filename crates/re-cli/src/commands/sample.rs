//! `re sample`.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use re_data::Document;
use re_data::split::normalized_text;
use re_extract::sample::{DoubtBy, SampleOptions, Sampled, Sampler};
use re_formats::documents::DocumentFormat;
use serde::Serialize;

use crate::documents::{DocumentOutput, Documents};
use crate::extraction::summary::{Summary, print_json};
use crate::extraction::{self, ExtractionArgs, Paths};
use crate::input::{document_layouts, open_texts};
use crate::verbosity::Verbosity;

/// Pick the documents that are worth annotating
///
/// Judges all documents as `re extract` does, and writes those that the models are least sure of and that differ from each
/// other, the first to annotate first, with the mentions and relations that were found and their scores: a person corrects
/// them, and what comes back is trained on (docs/ANNOTATION.md walks through the loop). A document is as doubtful as its most
/// doubtful mentions and pairs. Of documents with equal text one is picked.
///
/// Documents stream. What is kept to choose from are the COUNT times POOL most doubtful ones; the texts of --exclude are in
/// memory, too.
#[derive(Debug, Args)]
#[command(
    override_usage = "re sample [OPTIONS] --count <N> [TAGGER] <MODEL> <INPUT>",
    after_help = "\
Examples:
  re sample runs/tagger runs/mine texts/ --count 50 --format label-studio --output tasks.json
  re sample runs/mine documents.jsonl --count 50 --exclude annotated.jsonl --output next.jsonl
  re sample --tagger runs/tagger runs/mine sentences.txt --lines --count 20 --format brat --output annotate
  re sample runs/mine documents.jsonl --count 100 --by random --seed 1 --format doccano --output test.jsonl"
)]
pub struct Sample {
    #[command(flatten)]
    extraction: ExtractionArgs,
    #[command(flatten)]
    picking: Picking,
    /// File for the picked documents, or a new folder in the layout `brat`; `-` is standard output
    #[arg(short, long, value_name = "FILE", default_value = "-", help_heading = "Writing documents")]
    output: PathBuf,
    /// Layout of --output, one of documents with relations [default: jsonl]
    #[arg(long, visible_alias = "to", value_name = "FORMAT", help_heading = "Writing documents",
        value_parser = document_layouts(DocumentFormat::holds_relations))]
    format: Option<DocumentFormat>,
    /// Write the summary on standard error as JSON, in one line
    #[arg(long, help_heading = "Writing documents")]
    json: bool,
}

/// What is picked.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Picking documents")]
struct Picking {
    /// Documents that are wanted; all where there are not so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
    /// What comes first
    #[arg(long, value_name = "BY", default_value = "margin", value_parser = by())]
    by: DoubtBy,
    /// The picks come from so many times as many of the most doubtful documents: 1 looks at doubt alone, more look at
    /// differences, too. A draw by `random` has none
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    pool: u32,
    /// Decides between equally doubtful documents, and draws those of --by random
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u64,
    /// Documents that are annotated already, in any layout: what has the text of one of them, letters and digits compared,
    /// is left out, whatever its id. May be given several times
    #[arg(long, value_name = "FILE")]
    exclude: Vec<PathBuf>,
}

/// Every measure of doubt by its name.
fn by() -> impl TypedValueParser<Value = DoubtBy> {
    let value = |name: &'static str, help: &'static str| PossibleValue::new(name).help(help);
    PossibleValuesParser::new([
        value("margin", "Documents whose second answers come nearest to the first ones"),
        value("entropy", "Documents whose answers are spread out most"),
        value("random", "Any documents, as a test set needs them"),
    ])
    .map(|name| match name.as_str() {
        "entropy" => DoubtBy::Entropy,
        "random" => DoubtBy::Random,
        _ => DoubtBy::Margin,
    })
}

/// What was picked, in the end.
#[derive(Debug, Serialize)]
struct SampleSummary {
    /// Documents that were picked.
    picked: usize,
    /// The largest and the smallest doubt of them.
    doubt: Option<[f64; 2]>,
    /// Documents left out as their texts are annotated.
    excluded: usize,
    /// Documents left out as their texts are those of others.
    repeated: usize,
    #[serde(flatten)]
    summary: Summary,
}

impl Sample {
    pub fn run(self, verbosity: Verbosity) -> Result<()> {
        let Paths { model, input, .. } = self.extraction.paths()?;
        let excluded = self.picking.exclude.iter().map(PathBuf::as_path);
        self.extraction.check(excluded, [self.output.as_path()])?;
        let annotated = self.picking.annotated(verbosity)?;
        let extractor = self.extraction.extractor(false, verbosity)?;
        let (mut source, mut progress) = self.extraction.open(&self.output, verbosity)?;
        let named = DocumentFormat::of_output(&self.output).filter(|format| format.holds_relations());
        let format = self.format.or(named).unwrap_or(DocumentFormat::Jsonl);
        let mut output = DocumentOutput::create(&self.output, format)?;
        let mut sampler = Sampler::new(self.picking.by, self.picking.options()?)?;
        let (mut summary, mut left_out) = (Summary::new(model, input), 0usize);
        let documents = source.by_ref().filter(|document| {
            let is_annotated = |document: &Document| annotated.contains(&normalized_text(document.text()));
            let leave = document.as_ref().is_ok_and(is_annotated);
            left_out += usize::from(leave);
            !leave
        });
        extraction::run(&extractor, documents, &mut summary, &mut progress, verbosity, |graph, _| {
            Ok(sampler.add(graph)?)
        })?;
        source.ended()?;
        summary.read = source.report().clone();
        let Sampled { picks, repeated } = sampler.finish()?;
        let doubts = picks.iter().map(|(graph, _)| self.picking.doubt(graph));
        let doubt = doubts.fold(None, |range: Option<[f64; 2]>, doubt| {
            let [most, least] = range.unwrap_or([doubt; 2]);
            Some([most.max(doubt), least.min(doubt)])
        });
        for (graph, _) in &picks {
            summary.write(&graph.document, |document| output.write(document), verbosity)?;
        }
        summary.check()?;
        let written = output.finish()?;
        let picked = written.documents;
        summary.written = (self.output.clone(), written);
        progress.finish();
        summary.print_notes(verbosity);
        SampleSummary { picked, doubt, excluded: left_out, repeated, summary }.print(self.json, verbosity)
    }
}

impl Picking {
    fn options(&self) -> Result<SampleOptions> {
        let (count, pool) = (usize::try_from(self.count)?, usize::try_from(self.pool)?);
        Ok(SampleOptions { count, pool, seed: self.seed })
    }

    fn doubt(&self, graph: &re_extract::Extracted) -> f64 {
        match self.by {
            DoubtBy::Entropy => graph.doubt.entropy,
            DoubtBy::Margin | DoubtBy::Random => graph.doubt.margin,
        }
    }

    /// The texts of --exclude.
    fn annotated(&self, verbosity: Verbosity) -> Result<HashSet<String>> {
        let mut texts = HashSet::new();
        for path in &self.exclude {
            let (reader, progress) = open_texts(path, None, Path::new(""), verbosity)?;
            let (documents, reader) = Documents::new(reader, path, false).read(progress)?;
            reader.print_notes(verbosity);
            texts.extend(documents.iter().map(|document| normalized_text(document.text())));
        }
        Ok(texts)
    }
}

impl SampleSummary {
    fn print(&self, json: bool, verbosity: Verbosity) -> Result<()> {
        if json {
            return print_json(self);
        }
        let Self { picked, doubt, excluded, repeated, summary } = self;
        let mut text = format!("{picked} documents picked");
        if let Some([most, least]) = doubt {
            text += &format!(", doubt {most:.3} to {least:.3}");
        }
        for (count, why) in [(excluded, "in --exclude"), (repeated, "with the text of another one")] {
            if *count > 0 {
                text += &format!("; {count} {why}");
            }
        }
        verbosity.note(format!("{}\n{text}", summary.text()));
        Ok(())
    }
}
