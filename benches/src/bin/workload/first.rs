//! Workload F: the harness measures the whole process.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use re_data::Predictor;
use re_formats::read::{ExampleReader, ReadOptions};
use re_model::{Precision, RelationClassifier, TrainedParts};

use crate::inputs::{Report, report};

#[derive(Debug, Args)]
pub struct First {
    /// File whose first row is classified
    #[arg(long)]
    data: PathBuf,
    /// Trained folder
    #[arg(long)]
    model: PathBuf,
}

impl First {
    pub fn run(&self) -> Result<Report> {
        let mut reader = ExampleReader::open(&self.data, &ReadOptions::default())?;
        let example = reader.next().context("the file has no row")??;
        let parts = TrainedParts { precision: Some(Precision::Fp32), ..TrainedParts::default() };
        let classifier = RelationClassifier::from_pretrained_with(&self.model, parts)?;
        let class = classifier.predict(&[example])?.classes().first().copied();
        let mut report = report("first-prediction", 1);
        report.insert("class".to_owned(), class.into());
        Ok(report)
    }
}
