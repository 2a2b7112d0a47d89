//! Workloads E and I.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use clap::Args;
use re_data::Predictor;
use re_model::{Precision, RelationClassifier, TrainedParts};

use crate::inputs::{Data, Report, report};

#[derive(Debug, Args)]
pub struct Predict {
    #[command(flatten)]
    data: Data,
    /// Trained folder
    #[arg(long)]
    model: PathBuf,
    /// `fp32` or `bf16`
    #[arg(long, default_value = "fp32")]
    precision: String,
    /// Rows of one call; all of them where left out
    #[arg(long)]
    batch: Option<usize>,
    /// File for the class of each row, one a line
    #[arg(long)]
    out: PathBuf,
}

impl Predict {
    pub fn run(&self) -> Result<Report> {
        let examples = self.data.read()?;
        let precision: Precision = serde_json::from_value(self.precision.as_str().into())?;
        let parts = TrainedParts { precision: Some(precision), ..TrainedParts::default() };
        let classifier = RelationClassifier::from_pretrained_with(&self.model, parts)?;
        // The first pass finds libtorch's kernels and memory unprepared, for the peers as for us.
        classifier.predict(examples.get(..examples.len().min(64)).unwrap_or_default())?;
        let began = Instant::now();
        let mut classes = Vec::with_capacity(examples.len());
        for rows in examples.chunks(self.batch.unwrap_or(examples.len()).max(1)) {
            classes.extend(classifier.predict(rows)?.classes());
        }
        let seconds = began.elapsed().as_secs_f64();
        let lines: String = classes.iter().map(|class| format!("{class}\n")).collect();
        std::fs::write(&self.out, lines)?;
        let mut report = report("predict", examples.len());
        report.insert("seconds".to_owned(), seconds.into());
        report.insert("labels".to_owned(), self.out.display().to_string().into());
        Ok(report)
    }
}
