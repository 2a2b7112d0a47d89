//! Workload G.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use clap::Args;
use re_data::{Predictor, RelationExample};
use re_formats::read::{ExampleReader, ReadOptions};
use re_formats::write::{self, PredictionFormat, PredictionWriter};
use re_model::{Precision, RelationClassifier, TrainedParts};
use serde_json::json;

use crate::inputs::{Report, report};
use crate::memory;

/// Rows that are in memory at a time: enough to find rows of similar length among them.
const CHUNK: usize = 4096;

#[derive(Debug, Args)]
pub struct Stream {
    /// Rows to read; the file is read again from its beginning until there are enough
    #[arg(long)]
    data: PathBuf,
    /// Number of rows to classify
    #[arg(long)]
    limit: usize,
    /// Trained folder
    #[arg(long)]
    model: PathBuf,
    /// File for the predictions
    #[arg(long)]
    out: PathBuf,
}

impl Stream {
    pub fn run(&self) -> Result<Report> {
        let parts = TrainedParts { precision: Some(Precision::Fp32), ..TrainedParts::default() };
        let classifier = RelationClassifier::from_pretrained_with(&self.model, parts)?;
        let labels = Arc::clone(classifier.labels());
        let out = write::create(&self.out)?;
        let mut writer = PredictionWriter::new(out, &self.out, PredictionFormat::Csv, labels)?;
        let (mut rows, mut chunk) = (0, Vec::with_capacity(CHUNK));
        let mut marks = Vec::new();
        let began = Instant::now();
        while rows < self.limit {
            for example in ExampleReader::open(&self.data, &ReadOptions::default())? {
                chunk.push(example?);
                rows += 1;
                if chunk.len() == CHUNK || rows == self.limit {
                    classify(&classifier, &mut chunk, &mut writer)?;
                    self.mark(&mut marks, rows, began)?;
                }
                if rows == self.limit {
                    break;
                }
            }
        }
        writer.finish()?;
        let mut report = report("stream", rows);
        report.insert("seconds".to_owned(), began.elapsed().as_secs_f64().into());
        report.insert("marks".to_owned(), marks.into());
        Ok(report)
    }

    /// Notes rows, seconds and memory at every tenth of the way, and says so on the terminal.
    fn mark(&self, marks: &mut Vec<serde_json::Value>, rows: usize, began: Instant) -> Result<()> {
        if 10 * rows / self.limit > marks.len() {
            let (seconds, bytes) = (began.elapsed().as_secs_f64(), memory::now()?);
            eprintln!("{rows} of {} rows, {seconds:.0} s, {} MB", self.limit, bytes / 1_000_000);
            marks.push(json!({ "rows": rows, "seconds": seconds, "rss_bytes": bytes }));
        }
        Ok(())
    }
}

fn classify<W: std::io::Write>(
    classifier: &RelationClassifier,
    chunk: &mut Vec<RelationExample>,
    writer: &mut PredictionWriter<W>,
) -> Result<()> {
    writer.write(&classifier.predict(chunk)?)?;
    chunk.clear();
    Ok(())
}
