//! The rows as the peers read them, so that all train on and classify the same ones.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use re_data::{Encoded, RelationExample};
use re_train::sampler::Sampler;
use serde_json::json;

use crate::inputs::{Inputs, Report, report};

#[derive(Debug, Args)]
pub struct Rows {
    #[command(flatten)]
    inputs: Inputs,
    /// Write them in the order in which training with this seed and batch size takes them, not in the file's
    #[arg(long)]
    seed: Option<u64>,
    #[arg(long, default_value_t = 16)]
    batch: usize,
    /// File to write, one JSON object a line
    #[arg(long)]
    out: PathBuf,
}

impl Rows {
    pub fn run(&self) -> Result<Report> {
        let examples = self.inputs.data.read()?;
        let labels = self.inputs.labels()?;
        let encoder = self.inputs.encoder()?;
        let (encoded, counts) = encoder.encode_batch(&examples)?;
        let separator = encoder.tokenizer().special().sep.as_ref().map_or("", |token| &token.content);

        let mut out = BufWriter::new(File::create(&self.out)?);
        for row in self.order(examples.len()) {
            let (Some(example), Some(encoded)) = (examples.get(row), encoded.get(row)) else { continue };
            let text = encoder.markup().write(example, separator)?;
            let object = json!({
                "id": example.id(),
                "first": text.first,
                "sentence": text.sentence,
                "entities": characters(example)?,
                "class": labels.class_of(example)?,
                "ids": encoded.ids,
                "type_ids": encoded.type_ids,
                "entity_tokens": entity_tokens(encoded),
            });
            writeln!(out, "{object}")?;
        }
        out.flush()?;

        let mut report = report("rows", examples.len());
        report.insert("tokens".to_owned(), counts.tokens.into());
        // What attention's work grows with.
        let squares: usize = encoded.iter().map(|row| row.len() * row.len()).sum();
        report.insert("squared_lengths".to_owned(), squares.into());
        report.insert("classes".to_owned(), labels.names().into());
        Ok(report)
    }

    fn order(&self, rows: usize) -> Vec<usize> {
        let Some(seed) = self.seed else { return (0..rows).collect() };
        let mut sampler = Sampler::new(rows, self.batch, seed, None);
        (0..sampler.steps_per_epoch()).flat_map(|step| sampler.rows(step).1.to_vec()).collect()
    }
}

/// Start and end of both entities in characters of the sentence, which the report's markup leaves as it is.
fn characters(example: &RelationExample) -> Result<Vec<[usize; 2]>> {
    let place = |entity: &re_data::Entity| {
        let span = entity.span().to_chars(example.text()).context("an entity cuts a character")?;
        Ok([span.start(), span.end()])
    };
    example.entities().iter().map(place).collect()
}

fn entity_tokens(row: &Encoded) -> Vec<Option<[usize; 2]>> {
    row.entities.iter().map(|span| span.map(|span| [span.start(), span.end()])).collect()
}
