//! `re stats`.

mod documents;

use std::fmt::Write;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use re_data::stats::{self, Lengths, histogram};
use re_data::{EncodeOptions, Encoded, ExampleEncoder, LostEntities, RelationExample};
use re_formats::read::ReadReport;
use serde::Serialize;

use crate::bars::{self, bar};
use crate::cleanup::Output;
use crate::data::folder;
use crate::encoder::EncoderArgs;
use crate::exit::Usage;
use crate::input::{Input, InputArgs};
use crate::output::{ResultArgs, write_text};
use crate::svg::{Chart, draw};
use crate::verbosity::Verbosity;

/// Ranges of a histogram of lengths.
const BINS: usize = 16;

/// Describe a file of rows or documents: labels, types, lengths, duplicates, contradictions
///
/// All rows are held in memory; of documents, little.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  re stats train.tsv
  re stats train.tsv --model xlm-roberta-large --markup entity_tokens
  re stats train.tsv --svg train.svg --quiet
  re stats train.tsv --json | jq .conflicting.first
  re stats conll04_train.json
  re stats annotated/ --json | jq .typed_labels")]
pub struct Stats {
    /// File of rows or documents, or a folder of texts, with annotations (brat) or without; `-` is standard input
    rows: PathBuf,
    /// Count tokens of rows too, as this model reads them: a trained model, run, CONFIG.toml or a folder with a tokenizer
    #[arg(long, value_name = "MODEL", value_parser = folder())]
    model: Option<PathBuf>,
    /// Draw labels and lengths of rows as SVG into this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    #[command(flatten)]
    encoder: EncoderArgs,
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    result: ResultArgs,
}

type Histogram = Vec<(RangeInclusive<usize>, usize)>;

/// What is written as JSON.
#[derive(Debug, Serialize)]
struct Found {
    #[serde(flatten)]
    stats: stats::Stats,
    read: ReadReport,
    character_histogram: Vec<Bin>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<Tokens>,
}

#[derive(Debug, Serialize)]
struct Tokens {
    /// Of the whole rows, special tokens and what the markup writes included.
    lengths: Option<Lengths>,
    histogram: Vec<Bin>,
    all: usize,
    /// The most that the model reads, and what that costs.
    max_length: usize,
    truncated_rows: usize,
    lost_entities: usize,
}

/// Numbers of rows whose length lies in a range.
#[derive(Debug, Serialize)]
struct Bin {
    from: usize,
    to: usize,
    rows: usize,
}

impl Stats {
    pub fn run(self, verbosity: Verbosity) -> Result<()> {
        let outputs = [self.result.path()].into_iter().chain(self.svg.as_deref());
        self.input.check([self.rows.as_path()], outputs)?;
        // Before the rows are read, so that a mistake is told at once.
        let encoder = self.model.as_ref().map(|model| self.encoder.load(model)).transpose()?;
        let svg = self.svg.as_deref().map(Output::create).transpose()?;
        let output = self.result.create()?;
        let (input, progress) = self.input.open(&self.rows, Path::new(""), verbosity)?;
        let rows = match input {
            Input::Rows(rows) => *rows,
            Input::Documents(_) if encoder.is_some() || svg.is_some() => {
                let text = "holds documents: --model and --svg are for rows";
                return Err(Usage(format!("{} {text}", self.rows.display())).into());
            }
            Input::Documents(documents) => {
                return documents::describe(*documents, &self.rows, progress, &self.result, output);
            }
        };
        let (rows, mut reader) = rows.read(progress)?;
        reader.want_types(encoder.as_ref().is_some_and(|encoder| encoder.markup().writes_types()));
        reader.print_type_notes(&self.rows, verbosity);
        let characters = histogram(rows.iter().map(|row| row.text().chars().count()), BINS);
        let counted = encoder.map(|encoder| Tokens::count(&rows, encoder)).transpose()?;
        let (tokens, counted) = counted.unzip();
        let found = Found {
            stats: stats::Stats::of(&rows),
            read: reader.report().clone(),
            character_histogram: bins(&characters),
            tokens: counted,
        };
        if let Some(svg) = svg {
            write_text(svg, &draw(&charts(&found, &characters, tokens.as_ref())))?;
        }
        let text = || text(&self.rows, &found, &characters, tokens.as_ref());
        self.result.write_to(output, text, &found)
    }
}

impl Tokens {
    fn count(rows: &[RelationExample], encoder: ExampleEncoder) -> Result<(Histogram, Self)> {
        let counting = EncodeOptions { lost_entities: LostEntities::Count, ..encoder.options().clone() };
        let max_length = counting.max_length;
        let encoder = encoder.with_options(counting.clone())?;
        let cut = encoder.encode_batch(rows)?.1;
        let whole = encoder.with_options(EncodeOptions { max_length: usize::MAX, ..counting })?;
        let (encoded, report) = whole.encode_batch(rows)?;
        let lengths = || encoded.iter().map(Encoded::len);
        let histogram = histogram(lengths(), BINS);
        let tokens = Self {
            lengths: Lengths::of(lengths()),
            histogram: bins(&histogram),
            all: report.tokens,
            max_length,
            truncated_rows: cut.truncated,
            lost_entities: cut.lost.len(),
        };
        Ok((histogram, tokens))
    }
}

fn bins(histogram: &Histogram) -> Vec<Bin> {
    histogram
        .iter()
        .map(|(range, rows)| Bin { from: *range.start(), to: *range.end(), rows: *rows })
        .collect()
}

fn text(path: &Path, found: &Found, characters: &Histogram, tokens: Option<&Histogram>) -> String {
    let stats = &found.stats;
    let mut text = format!("{}: {}\n", path.display(), found.read);
    let _ = writeln!(
        text,
        "{} different texts, {} rows repeat one; {} rows repeat text, entities and label; {} repeat an id",
        stats.texts, stats.repeated_texts, stats.repeated_rows, stats.repeated_ids
    );
    let conflicting = &stats.conflicting;
    let _ = writeln!(
        text,
        "{} rows contradict another one: same text and entities, other label",
        conflicting.count
    );
    for id in conflicting.first.iter().take(3) {
        let _ = writeln!(text, "  such as {id}");
    }
    let most = stats.labels.first().map(|(_, count)| *count).unwrap_or_default();
    let labelled = (stats.rows - stats.unlabelled).max(1) as f64;
    let _ = writeln!(text, "\n{} labels on {} rows", stats.labels.len(), stats.rows - stats.unlabelled);
    for (label, count) in &stats.labels {
        let share = 100.0 * *count as f64 / labelled;
        let _ = writeln!(text, "{count:7} {share:5.1} %  {}  {label}", bar(*count, most));
    }
    if let Some(lengths) = &stats.characters {
        let _ = writeln!(text, "\nlength in characters: {}", describe(lengths));
        text += &bars::histogram(characters);
    }
    if let (Some(found), Some(histogram)) = (&found.tokens, tokens)
        && let Some(lengths) = &found.lengths
    {
        let _ = writeln!(text, "\nlength in tokens, special tokens included: {}", describe(lengths));
        text += &bars::histogram(histogram);
        let _ = writeln!(
            text,
            "{} tokens; {} rows are longer than {} tokens and are cut; {} entities do not fit",
            found.all, found.truncated_rows, found.max_length, found.lost_entities
        );
    }
    text
}

fn describe(lengths: &Lengths) -> String {
    let Lengths { min, median, mean, p95, max } = lengths;
    format!("{min} to {max}, median {median}, mean {mean:.1}, 95 % up to {p95}")
}

fn charts(found: &Found, characters: &Histogram, tokens: Option<&Histogram>) -> Vec<Chart> {
    let lengths = |title: &str, histogram: &Histogram| Chart {
        title: title.to_owned(),
        bars: histogram
            .iter()
            .map(|(range, rows)| (format!("{}-{}", range.start(), range.end()), *rows))
            .collect(),
    };
    let labels = Chart { title: "Rows of each label".to_owned(), bars: found.stats.labels.clone() };
    let mut charts = vec![labels, lengths("Rows by length in characters", characters)];
    charts.extend(tokens.map(|tokens| lengths("Rows by length in tokens", tokens)));
    charts
}
