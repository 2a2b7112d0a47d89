//! Flags and steps of the commands that find relations in documents.

pub mod source;
pub mod summary;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use re_data::error::with_causes;
use re_data::tags::{TagScheme, TagUnit};
use re_data::{Document, PredictError, Tagger};
use re_extract::{
    DocumentError, ExtractOptions, Extracted, Extractor, GraphSettings, MentionSource, RelationProperties,
    Threshold, Thresholds,
};
use re_formats::documents::DocumentFormat;
use re_trained::{graph_settings, tagger_beside};
use serde::de::DeserializeOwned;

use crate::data::{check, folder, model_first};
use crate::engine::TagReading;
use crate::exit::{Usage, about};
use crate::input::{document_layouts, open_texts};
use crate::model::{ComputeArgs, note_unfinished};
use crate::progress::Progress;
use crate::verbosity::Verbosity;

use self::source::Source;
use self::summary::Summary;

/// What is read, and with which models.
#[derive(Debug, Clone, Args)]
pub struct ExtractionArgs {
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
    /// Folder of a token classifier, or of its run, which finds the mentions of documents that have none [default: the tagger
    /// that was trained beside MODEL, if one was]
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
    tagging: TaggingArgs,
    #[command(flatten)]
    compute: ComputeArgs,
    #[command(flatten)]
    graph: GraphArgs,
}

/// How a tagger is read that its folder says nothing of, as those of `transformers`.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Reading tags")]
pub struct TaggingArgs {
    /// How tags say where mentions begin and end [default: as the tagger's folder says; of others' taggers, as the names of
    /// the tags say: B begins a mention, and so does I where none goes on, as `transformers` reads them]
    #[arg(long, value_name = "SCHEME", value_parser = named::<TagScheme>(&["io", "iob1", "bio", "bilou"]))]
    tag_scheme: Option<TagScheme>,
    /// What has a tag; of words and of what stands between white space the first token decides
    /// [default: as the tagger's folder says, else each token]
    #[arg(long, value_name = "UNIT", value_parser = named::<TagUnit>(&["token", "word", "whitespace", "character"]))]
    tag_unit: Option<TagUnit>,
}

impl TaggingArgs {
    fn reading(&self) -> TagReading {
        TagReading { scheme: self.tag_scheme, unit: self.tag_unit }
    }

    /// The tagger of a folder, or of a run.
    pub fn load(
        &self,
        tagger: &Path,
        compute: &ComputeArgs,
        verbosity: Verbosity,
    ) -> Result<Box<dyn Tagger>> {
        note_unfinished(tagger, verbosity)?;
        compute.tagger(tagger, self.reading())
    }
}

/// A value by its name in settings.
fn named<T: DeserializeOwned + Clone + Send + Sync + 'static>(
    names: &'static [&'static str],
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(names).try_map(|name| serde_json::from_value::<T>(name.into()))
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
pub struct Paths<'a> {
    pub tagger: Option<&'a Path>,
    pub model: &'a Path,
    pub input: &'a Path,
}

fn share(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("expected a number from 0 to 1".to_owned()),
    }
}

impl ExtractionArgs {
    /// What the arguments without a name stand for.
    pub fn paths(&self) -> Result<Paths<'_>> {
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
        Ok(Paths { tagger, model, input })
    }

    /// The tagger that is named or, where none is, the one that was trained beside the model.
    fn tagger(&self) -> Result<Option<PathBuf>> {
        let Paths { tagger, model, .. } = self.paths()?;
        let tagger = match tagger {
            Some(tagger) => Some(tagger.to_owned()),
            None => tagger_beside(model).map_err(|error| about(model, error))?,
        };
        if self.retag && tagger.is_none() {
            return Err(Usage("--retag needs a tagger".to_owned()).into());
        }
        Ok(tagger)
    }

    /// Makes sure that what is read and written is there, and not the same.
    pub fn check<'p>(
        &'p self,
        further: impl IntoIterator<Item = &'p Path>,
        outputs: impl IntoIterator<Item = &'p Path>,
    ) -> Result<()> {
        let Paths { model, input, .. } = self.paths()?;
        model_first(model, input)?;
        let inputs = [input].into_iter().chain(self.graph.settings.as_deref()).chain(further);
        check(inputs, outputs)
    }

    /// The models, loaded, and how they are used.
    pub fn extractor(&self, keep_abstained: bool, verbosity: Verbosity) -> Result<Extractor> {
        let Paths { model, .. } = self.paths()?;
        let tagger = self.tagger()?;
        // A device that is not there is told before models are sought.
        #[cfg(feature = "libtorch")]
        self.compute.of_libtorch()?;
        let (settings, path) = self.settings(model)?;
        if let Some(path) = &path {
            verbosity.detail(format!("settings of the graph: {}", path.display()));
        }
        note_unfinished(model, verbosity)?;
        if let Some(tagger) = &tagger {
            note_unfinished(tagger, verbosity)?;
        }
        let reading = self.tagging.reading();
        let extractor =
            self.compute.extractor(model, tagger.as_deref(), reading, settings, path.as_deref())?;
        let mentions = if self.retag { MentionSource::Tagger } else { MentionSource::WhereAbsent };
        let options = ExtractOptions { keep_abstained, mentions, ..ExtractOptions::default() };
        Ok(extractor.with_options(options)?)
    }

    /// The documents, opened; results go to `output` meanwhile.
    pub fn open(&self, output: &Path, verbosity: Verbosity) -> Result<(Source, Progress)> {
        let from = self.from.or(self.lines.then_some(DocumentFormat::Lines));
        let (reader, progress) = open_texts(self.paths()?.input, from, output, verbosity)?;
        Ok((Source::new(reader), progress))
    }

    /// What the graph is made by, and the file that it comes from.
    fn settings(&self, model: &Path) -> Result<(GraphSettings, Option<PathBuf>)> {
        let GraphArgs { threshold, symmetric, max_characters, max_mentions, same_sentence, .. } = &self.graph;
        let (path, mut settings) = match &self.graph.settings {
            Some(path) => (Some(path.clone()), GraphSettings::load(path)?),
            None => match graph_settings(model)? {
                Some((path, settings)) => (Some(path), settings),
                None => (None, GraphSettings::default()),
            },
        };
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

/// Extracts what `documents` gives, hands each graph to `each`, and tells of documents that fail.
pub fn run(
    extractor: &Extractor,
    documents: impl Iterator<Item = Result<Document, DocumentError>>,
    summary: &mut Summary,
    progress: &mut Progress,
    verbosity: Verbosity,
    mut each: impl FnMut(Extracted, &mut Summary) -> Result<()>,
) -> Result<()> {
    let mut extraction = extractor.extract(documents);
    for outcome in extraction.by_ref() {
        match outcome.map_err(|error: PredictError| about(&summary.model, error))? {
            Ok(extracted) => each(extracted, summary)?,
            Err(error) => summary.tell(&with_causes(&error), verbosity),
        }
        progress.advance(1);
    }
    summary.report = extraction.report().clone();
    Ok(())
}
