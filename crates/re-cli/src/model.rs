//! Flags and notes for trained models.

use std::path::Path;

use anyhow::Result;
use clap::{Args, ValueEnum};
use re_experiment::RunFolder;
use re_model::Precision;
use re_train::TrainConfig;

use crate::verbosity::Verbosity;

/// How a model computes.
#[derive(Debug, Clone, Args)]
pub struct ComputeArgs {
    /// Where to compute: cpu or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: String,
    /// Number format of the encoder [default: as in training, bf16 only where the device multiplies it natively]
    #[arg(long, value_name = "FORMAT")]
    precision: Option<Format>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// 32-bit floats
    Fp32,
    /// bfloat16
    Bf16,
}

impl ComputeArgs {
    pub fn settings(&self) -> TrainConfig {
        let precision = self.precision.map(|format| match format {
            Format::Fp32 => Precision::Fp32,
            Format::Bf16 => Precision::Bf16,
        });
        TrainConfig { device: self.device.clone(), precision, ..TrainConfig::default() }
    }
}

/// Says that a run is not complete, where that is so.
pub fn note_unfinished(model: &Path, verbosity: Verbosity) -> Result<()> {
    if let Some(step) = RunFolder::new(model).unfinished_step()? {
        let run = model.display();
        verbosity.note(format!("{run}: the run is not complete; using its latest checkpoint, step {step}"));
    }
    Ok(())
}
