//! Workload J: texts in, graphs out.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use clap::Args;
use re_data::Document;
use re_experiment::{load_predictor, load_tagger};
use re_extract::{ExtractOptions, Extractor, GraphSettings, MentionSource};
use re_formats::documents::{self, DocumentReadOptions};
use re_model::Precision;
use re_train::TrainConfig;
use serde_json::json;

use crate::inputs::{Report, report};

#[derive(Debug, Args)]
pub struct Graph {
    /// Documents, of which the texts are read
    #[arg(long)]
    rows: PathBuf,
    /// Run of a tagger
    #[arg(long)]
    tagger: PathBuf,
    /// Run of a classifier of pairs
    #[arg(long)]
    model: PathBuf,
    /// `fp32` or `bf16`
    #[arg(long, default_value = "fp32")]
    precision: String,
    /// File for the graphs, one JSON object a line
    #[arg(long)]
    out: PathBuf,
}

impl Graph {
    pub fn run(&self) -> Result<Report> {
        let documents = documents::read(&self.rows, &DocumentReadOptions::default())?.documents;
        let precision: Precision = serde_json::from_value(self.precision.as_str().into())?;
        let config = TrainConfig { precision: Some(precision), ..TrainConfig::default() };
        // Every pair is judged, and every relation is told, as the peer does it.
        let extractor = Extractor::new(load_predictor(&self.model, &config)?, GraphSettings::default())?
            .with_tagger(load_tagger(&self.tagger, &config)?)
            .with_options(ExtractOptions { mentions: MentionSource::Tagger, ..ExtractOptions::default() })?;
        // The first pass finds libtorch's kernels and memory unprepared, for the peer as for us.
        extractor.extract_all(documents.iter().take(32).cloned())?;
        let began = Instant::now();
        let (outcomes, counted) = extractor.extract_all(documents.iter().cloned())?;
        let seconds = began.elapsed().as_secs_f64();

        let mut out = BufWriter::new(File::create(&self.out)?);
        for outcome in outcomes {
            writeln!(out, "{}", graph(&outcome?.document)?)?;
        }
        out.flush()?;
        let mut report = report("graph", documents.len());
        report.insert("seconds".to_owned(), seconds.into());
        report.insert("pairs".to_owned(), counted.pairs.judged().into());
        report.insert("graphs".to_owned(), self.out.display().to_string().into());
        Ok(report)
    }
}

/// A graph as the peer writes it.
fn graph(document: &Document) -> Result<serde_json::Value> {
    let mentions: Vec<_> = document
        .mentions()
        .iter()
        .map(|mention| json!([mention.span().start(), mention.span().end(), mention.kind()]))
        .collect();
    let mut relations: Vec<(usize, usize, &str)> = document
        .relations()
        .iter()
        .map(|relation| (relation.pair().subject, relation.pair().object, relation.label()))
        .collect();
    relations.sort_unstable();
    let pairs = mentions.len() * mentions.len().saturating_sub(1);
    Ok(json!({"mentions": mentions, "pairs": pairs, "relations": relations}))
}
