//! `re extract`.

mod graph;
mod source;
mod summary;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use re_data::error::with_causes;
use re_data::{PredictError, files};
use re_experiment::{load_predictor, model_folder};
use re_extract::{
    ExtractOptions, Extracted, Extractor, GraphSettings, MentionSource, PairRecord, RelationProperties,
    Threshold, Thresholds,
};
use re_formats::documents::DocumentFormat;
use re_model::{TaggingOptions, TokenClassifier};
use re_train::TrainConfig;

use crate::cleanup::Output;
use crate::data::{check, folder, model_first};
use crate::exit::{Usage, about};
use crate::input::{document_layouts, open_texts};
use crate::model::{ComputeArgs, note_unfinished};
use crate::verbosity::Verbosity;

use self::graph::{GraphOutput, GraphWriting};
use self::source::Source;
use self::summary::Summary;

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
    /// Trained relation classifier: a run folder (its best checkpoint, or all models of a run of several), RUN@STEP, or the
    /// folder of a model. Where two more paths follow, this is the tagger, as with --tagger
    #[arg(value_parser = folder())]
    model: PathBuf,
    /// Texts, or documents in any layout: a file or a folder; `-` is standard input. Relations that documents have already
    /// are not looked at. Where another path follows, this is MODEL
    input: PathBuf,
    /// The input, behind a tagger and a model
    #[arg(value_name = "INPUT")]
    third: Option<PathBuf>,
    /// Folder of a token classifier, or of its run, which finds the mentions of documents that have none
    #[arg(long, value_name = "TAGGER", value_parser = folder())]
    tagger: Option<PathBuf>,
    /// Let the tagger find the mentions of all documents, also of those that have some
    #[arg(long)]
    retag: bool,
    /// Layout of the input [default: told by the file's name, else by its content; else a plain text]
    #[arg(long, value_name = "FORMAT", value_parser = document_layouts(|_| true))]
    from: Option<DocumentFormat>,
    /// Each line of the input is a plain text: the same as --from lines
    #[arg(long, conflicts_with = "from")]
    lines: bool,
    #[command(flatten)]
    compute: ComputeArgs,
    #[command(flatten)]
    graph: GraphArgs,
    #[command(flatten)]
    writing: GraphWriting,
    /// File for the pairs without a relation, each with its reason: JSON objects, one a line
    #[arg(long, value_name = "FILE", help_heading = "Writing graphs")]
    abstained: Option<PathBuf>,
    /// Write the summary on standard error as JSON, in one line
    #[arg(long, help_heading = "Writing graphs")]
    json: bool,
}

/// What becomes of judged pairs.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "From pairs to the graph")]
struct GraphArgs {
    /// File with the settings of the graph [default: graph.json beside the model, if it is there]
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// Tell relations from this score on, 0 to 1, in place of the thresholds of the settings
    #[arg(long, value_name = "SCORE", value_parser = share)]
    threshold: Option<f32>,
    /// Relation that holds in both directions, beside those of the settings; may be given several times
    #[arg(long, value_name = "LABEL")]
    symmetric: Vec<String>,
    /// Judge no pair with more characters between its mentions
    #[arg(long, value_name = "N")]
    max_characters: Option<usize>,
    /// Judge no pair whose mentions are farther apart, in mentions: 1 is the next one
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_mentions: Option<u64>,
    /// Judge pairs of one sentence alone
    #[arg(long)]
    same_sentence: bool,
}

/// What is worked on.
struct Paths<'a> {
    tagger: Option<&'a Path>,
    model: &'a Path,
    input: &'a Path,
}

fn share(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("expected a number from 0 to 1".to_owned()),
    }
}

impl Extract {
    pub fn run(self, verbosity: Verbosity) -> Result<()> {
        let Paths { tagger, model, input } = self.paths()?;
        model_first(model, input)?;
        let outputs = [self.writing.output.as_path()].into_iter().chain(self.abstained.as_deref());
        check([input].into_iter().chain(self.graph.settings.as_deref()), outputs)?;
        self.writing.check()?;
        let extractor = self.extractor(model, tagger, verbosity)?;
        let from = self.from.or(self.lines.then_some(DocumentFormat::Lines));
        let (reader, progress) = open_texts(input, from, &self.writing.output, verbosity)?;
        let output = self.writing.create()?;
        let abstained = self.abstained.as_deref().map(Output::create).transpose()?;
        Work { verbosity, output, abstained, summary: Summary::new(model, input) }
            .run(&extractor, Source::new(reader), progress)
            .and_then(|summary| summary.print(self.json, verbosity))
    }

    fn paths(&self) -> Result<Paths<'_>> {
        let (first, second) = (self.model.as_path(), self.input.as_path());
        let (tagger, model, input) = match (&self.third, self.tagger.as_deref()) {
            (None, tagger) => (tagger, first, second),
            (Some(input), None) => (Some(first), second, input.as_path()),
            (Some(_), Some(_)) => {
                return Err(Usage("two taggers: one before MODEL, and one with --tagger".to_owned()).into());
            }
        };
        if model == Path::new("-") {
            let text = "the model is a folder, not standard input (a folder of this name is ./-)";
            return Err(Usage(text.to_owned()).into());
        }
        if self.retag && tagger.is_none() {
            return Err(Usage("--retag needs a tagger".to_owned()).into());
        }
        Ok(Paths { tagger, model, input })
    }

    fn extractor(&self, model: &Path, tagger: Option<&Path>, verbosity: Verbosity) -> Result<Extractor> {
        let compute = self.compute.settings();
        // A device that is not there is told before models are sought.
        compute.device()?;
        let (settings, path) = self.settings(model)?;
        if let Some(path) = &path {
            verbosity.detail(format!("settings of the graph: {}", path.display()));
        }
        note_unfinished(model, verbosity)?;
        let predictor = load_predictor(model, &compute).map_err(|error| about(model, error))?;
        let extractor = Extractor::new(predictor, settings).map_err(|error| match &path {
            Some(path) => about(path, error),
            None => error.into(),
        })?;
        let extractor = match tagger {
            Some(tagger) => extractor.with_tagger(load_tagger(tagger, &compute, verbosity)?),
            None => extractor,
        };
        let mentions = if self.retag { MentionSource::Tagger } else { MentionSource::WhereAbsent };
        let keep_abstained = self.abstained.is_some();
        let options = ExtractOptions { keep_abstained, mentions, ..ExtractOptions::default() };
        Ok(extractor.with_options(options)?)
    }

    /// What the graph is made by, and the file that it comes from.
    fn settings(&self, model: &Path) -> Result<(GraphSettings, Option<PathBuf>)> {
        let GraphArgs { threshold, symmetric, max_characters, max_mentions, same_sentence, .. } = &self.graph;
        let path = match &self.graph.settings {
            Some(path) => Some(path.clone()),
            None => beside(model)?,
        };
        let mut settings = path.as_ref().map(GraphSettings::load).transpose()?.unwrap_or_default();
        if let Some(threshold) = threshold {
            settings.thresholds =
                Thresholds::declare(BTreeMap::new(), Some(Threshold::declared(*threshold)))?;
        }
        if !symmetric.is_empty() {
            settings.properties = with_symmetric(&settings.properties, symmetric)?;
        }
        let rule = &mut settings.rule;
        rule.max_characters = max_characters.or(rule.max_characters);
        rule.max_mentions = match max_mentions {
            Some(most) => Some(usize::try_from(*most)?),
            None => rule.max_mentions,
        };
        rule.same_sentence |= same_sentence;
        Ok((settings, path))
    }
}

/// The tagger of a folder, or of a run.
fn load_tagger(tagger: &Path, compute: &TrainConfig, verbosity: Verbosity) -> Result<TokenClassifier> {
    note_unfinished(tagger, verbosity)?;
    let folder = model_folder(tagger).map_err(|error| about(tagger, error))?;
    let device = Some(compute.device()?);
    let options = TaggingOptions { device, precision: compute.precision, ..TaggingOptions::default() };
    TokenClassifier::from_pretrained_with(&folder, options).map_err(|error| about(&folder, error))
}

/// The settings of the graph in the folder of a model, or in that of its run.
fn beside(model: &Path) -> Result<Option<PathBuf>> {
    let folder = model_folder(model).ok();
    // A checkpoint lies in the folder of its run.
    let run = folder.as_deref().filter(|folder| *folder != model).and_then(Path::parent);
    for folder in [folder.as_deref(), run, Some(model)].into_iter().flatten() {
        let path = folder.join(GraphSettings::FILE);
        if files::is_file(&path)? {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// The same properties with further symmetric relations.
fn with_symmetric(properties: &RelationProperties, labels: &[String]) -> Result<RelationProperties> {
    let (mut symmetric, inverse): (Vec<&str>, Vec<&str>) =
        properties.relations().partition(|name| properties.is_symmetric(name));
    for label in labels {
        if !symmetric.contains(&label.as_str()) {
            symmetric.push(label);
        }
    }
    // Each pair of inverse relations once.
    let pairs = inverse.into_iter().filter_map(|name| {
        properties.counterpart(name).filter(|other| name < *other).map(|other| [name, other])
    });
    Ok(RelationProperties::new(symmetric, pairs)?)
}

/// An extraction under way.
struct Work {
    verbosity: Verbosity,
    output: GraphOutput,
    abstained: Option<Output>,
    summary: Summary,
}

impl Work {
    fn run(
        mut self,
        extractor: &Extractor,
        mut source: Source,
        mut progress: crate::progress::Progress,
    ) -> Result<Summary> {
        let mut extraction = extractor.extract(&mut source);
        for outcome in extraction.by_ref() {
            match outcome.map_err(|error: PredictError| about(&self.summary.model, error))? {
                Ok(extracted) => self.write(&extracted)?,
                Err(error) => self.summary.tell(&with_causes(&error), self.verbosity),
            }
            progress.advance(1);
        }
        let report = extraction.report().clone();
        drop(extraction);
        source.ended()?;
        let Self { output, abstained, mut summary, verbosity } = self;
        summary.read = source.report().clone();
        summary.report = report;
        summary.check()?;
        // The smaller one first: where it cannot be completed, no graph appears.
        abstained.map(Output::commit).transpose()?;
        summary.written = output.finish()?;
        progress.finish();
        summary.print_notes(verbosity);
        Ok(summary)
    }

    /// Writes a graph, or says why its layout cannot hold it.
    fn write(&mut self, extracted: &Extracted) -> Result<()> {
        match self.output.write(&extracted.document) {
            Err(re_formats::Error::Unwritable(error)) => {
                let reason = error.to_string();
                self.summary.tell(&reason, self.verbosity);
                self.summary.unwritable.add(|| reason);
                return Ok(());
            }
            written => written?,
        }
        self.summary.relations += extracted.document.relations().len();
        if let Some(abstained) = &mut self.abstained {
            for record in PairRecord::of(extracted) {
                let line = serde_json::to_string(&record)? + "\n";
                let written = abstained.write_all(line.as_bytes());
                written.map_err(|source| re_data::Error::io(abstained.path(), source))?;
            }
        }
        Ok(())
    }
}
