//! `re encode`.

use std::collections::HashSet;
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anstyle::{AnsiColor, Style};
use anyhow::{Result, bail};
use clap::Args;
use re_data::markup::MarkedText;
use re_data::{EncodeReport, Encoded, ExampleEncoder, RelationExample, TokenSpan};
use serde::Serialize;

use crate::data::{DataArgs, Rows, model_first};
use crate::encoder::{EncoderArgs, ModelArg};
use crate::output::ResultArgs;
use crate::verbosity::Verbosity;

/// Rows that are in memory at a time.
const CHUNK: usize = 1024;

/// Show how rows are written for a model: as text, tokens, ids and spans
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  re encode runs/mine dev.tsv --limit 3
  re encode xlm-roberta-large dev.tsv --markup entity_tokens --id 4711
  re encode config.toml train.tsv --json > rows.jsonl")]
pub struct Encode {
    #[command(flatten)]
    model: ModelArg,
    /// File of rows; `-` is standard input
    rows: PathBuf,
    /// Show the first N rows
    #[arg(short = 'n', long, value_name = "N")]
    limit: Option<usize>,
    /// Show the row with this id (repeatable)
    #[arg(long, value_name = "ID")]
    id: Vec<String>,
    #[command(flatten)]
    encoder: EncoderArgs,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    result: ResultArgs,
}

impl Encode {
    pub fn run(self, verbosity: Verbosity) -> Result<()> {
        model_first(&self.model.model, &self.rows)?;
        self.data.check([self.rows.as_path()], [self.result.path()])?;
        let encoder = self.encoder.load(&self.model.model)?;
        let mut output = self.result.create()?;
        let colours = output.path() == Path::new("-")
            && anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never;
        let (mut rows, mut progress) = self.data.open(&self.rows, output.path(), verbosity)?;
        rows.want_types(encoder.markup().writes_types());
        let mut wanted: HashSet<&str> = self.id.iter().map(String::as_str).collect();
        let mut left = self.limit.unwrap_or(usize::MAX);
        let (mut total, mut lost) = (EncodeReport::default(), 0);
        while left > 0 && (self.id.is_empty() || !wanted.is_empty()) {
            let chunk = match self.id.is_empty() {
                true => re_data::stream::chunk(&mut rows, CHUNK.min(left))?,
                // One after the other, so that nothing is read behind the last one.
                false => re_data::stream::chunk(&mut wanted_rows(&mut rows, &mut wanted), 1)?,
            };
            if chunk.is_empty() {
                break;
            }
            left -= chunk.len();
            let (encoded, report) = encoder.encode_batch(&chunk)?;
            add(&mut total, &report);
            lost += report.lost.len();
            total.tokens_in_text.add(report.tokens_in_text);
            for (example, row) in chunk.iter().zip(&encoded) {
                let shown = Shown::new(&encoder, example, row, colours)?;
                let written =
                    if self.result.json { shown.json(&mut output) } else { write!(output, "{shown}") };
                written.map_err(|source| re_data::Error::io(output.path(), source))?;
            }
            progress.advance(chunk.len());
        }
        output.commit()?;
        progress.finish();
        rows.print_notes(&self.rows, verbosity);
        verbosity.note(describe(&total, lost));
        if total.tokens_in_text.rows > 0 {
            verbosity.note(&total.tokens_in_text);
        }
        // Rows behind the last one that --limit lets through may have it.
        match self.id.iter().find(|id| left > 0 && wanted.contains(id.as_str())) {
            Some(id) => bail!("{}: no row with id {id}", self.rows.display()),
            None => Ok(()),
        }
    }
}

/// The rows whose id is wanted, each id once.
fn wanted_rows(
    rows: &mut Rows,
    wanted: &mut HashSet<&str>,
) -> impl Iterator<Item = re_formats::Result<RelationExample>> {
    rows.filter(|row| row.as_ref().map_or(true, |row| wanted.remove(row.id())))
}

fn add(total: &mut EncodeReport, report: &EncodeReport) {
    total.rows += report.rows;
    total.tokens += report.tokens;
    total.longest = total.longest.max(report.longest);
    total.truncated += report.truncated;
}

fn describe(report: &EncodeReport, lost: usize) -> String {
    let EncodeReport { rows, tokens, longest, truncated, .. } = report;
    let padding = 100.0 * report.padding() as f64 / (*tokens).max(1) as f64;
    format!(
        "{rows} rows, {tokens} tokens, the longest row has {longest}; {truncated} rows truncated, {lost} entities lost; \
         padding to the longest row would add {padding:.0} %"
    )
}

/// A row with all that is shown of it.
struct Shown<'a> {
    example: &'a RelationExample,
    written: MarkedText,
    row: &'a Encoded,
    tokens: Vec<String>,
    styles: [Style; 2],
}

#[derive(Serialize)]
struct JsonRow<'a> {
    id: &'a str,
    label: Option<&'a str>,
    /// The segment before the sentence.
    first: Option<&'a str>,
    sentence: &'a str,
    tokens: &'a [String],
    ids: &'a [u32],
    type_ids: &'a [u32],
    /// Half-open spans in tokens, `null` where truncation removed one.
    entities: [Option<[usize; 2]>; 2],
    marked: [Option<[usize; 2]>; 2],
}

impl<'a> Shown<'a> {
    fn new(
        encoder: &ExampleEncoder,
        example: &'a RelationExample,
        row: &'a Encoded,
        colours: bool,
    ) -> Result<Self> {
        let tokenizer = encoder.tokenizer();
        let written = encoder.write(example)?;
        let token = |&id: &u32| tokenizer.token(id).unwrap_or_else(|| format!("#{id}"));
        let styles = [AnsiColor::Cyan, AnsiColor::Yellow].map(|colour| {
            if colours { Style::new().bold().fg_color(Some(colour.into())) } else { Style::new() }
        });
        Ok(Self { example, written, row, tokens: row.ids.iter().map(token).collect(), styles })
    }

    fn json(&self, out: &mut impl Write) -> io::Result<()> {
        let pairs = |spans: [Option<TokenSpan>; 2]| spans.map(|span| span.map(|s| [s.start(), s.end()]));
        let row = JsonRow {
            id: self.example.id(),
            label: self.example.label(),
            first: self.written.first.as_deref(),
            sentence: &self.written.sentence,
            tokens: &self.tokens,
            ids: &self.row.ids,
            type_ids: &self.row.type_ids,
            entities: pairs(self.row.entities),
            marked: pairs(self.row.marked),
        };
        serde_json::to_writer(&mut *out, &row)?;
        out.write_all(b"\n")
    }

    /// The tokens with brackets around the entities, numbered.
    fn bracketed(&self) -> String {
        let entities = || self.row.entities.iter().zip(&self.styles).enumerate();
        let mut parts = Vec::new();
        for (at, token) in self.tokens.iter().enumerate() {
            let mut part = token.clone();
            for (number, (span, style)) in entities() {
                if span.is_some_and(|span| span.start() == at) {
                    part = format!("{style}[{}{style:#} {part}", number + 1);
                }
            }
            for (number, (span, style)) in entities() {
                if span.is_some_and(|span| span.end() == at + 1) {
                    part = format!("{part} {style}{}]{style:#}", number + 1);
                }
            }
            parts.push(part);
        }
        parts.join(" ")
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { example, written, row, .. } = self;
        writeln!(f, "id        {}", example.id())?;
        writeln!(f, "label     {}", example.label().unwrap_or("-"))?;
        if let Some(first) = &written.first {
            writeln!(f, "first     {first}")?;
        }
        writeln!(f, "sentence  {}", written.sentence)?;
        writeln!(f, "tokens    {}", self.bracketed())?;
        writeln!(f, "ids       {}", joined(&row.ids))?;
        if row.type_ids.iter().any(|&id| id != 0) {
            writeln!(f, "types     {}", joined(&row.type_ids))?;
        }
        for (entity, style) in self.styles.iter().enumerate() {
            let name = format!("{style}entity {}{style:#}", entity + 1);
            let surface = example.surface(entity);
            let kind = example.entities().get(entity).and_then(|e| e.kind());
            let kind = kind.map(|kind| format!(" ({kind})")).unwrap_or_default();
            let [span, marked] = [row.entities, row.marked].map(|spans| spans.get(entity).copied().flatten());
            let place = match (span, marked) {
                (Some(span), Some(marked)) if marked != span => {
                    format!("tokens {span}, with markers {marked}")
                }
                (Some(span), _) => format!("tokens {span}"),
                (None, _) => "lost".to_owned(),
            };
            writeln!(f, "{name}  {surface}{kind}: {place}")?;
        }
        writeln!(f)
    }
}

fn joined(ids: &[u32]) -> String {
    ids.iter().map(u32::to_string).collect::<Vec<_>>().join(" ")
}
