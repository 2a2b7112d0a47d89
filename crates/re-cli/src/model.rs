//! Flags and notes for trained models.

use std::path::Path;

use anyhow::Result;
use clap::{Args, ValueEnum};
use re_trained::unfinished_step;

use crate::verbosity::Verbosity;

/// How a model computes.
#[derive(Debug, Clone, Args)]
pub struct ComputeArgs {
    /// Where to compute: cpu or cuda:N
    #[cfg(feature = "libtorch")]
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    pub device: String,
    /// Number format of the encoder [default: as in training, bf16 only where the device multiplies it natively]
    #[arg(long, value_name = "FORMAT")]
    pub precision: Option<Format>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// 32-bit floats
    Fp32,
    /// bfloat16
    Bf16,
    /// Whole numbers of 8 bits, on the CPU
    Int8,
}

#[cfg(feature = "libtorch")]
impl ComputeArgs {
    /// How models compute that libtorch computes, on a device that is there.
    pub fn of_libtorch(&self) -> Result<re_train::TrainConfig> {
        use re_model::Precision;
        let precision = self.precision.map(|format| match format {
            Format::Fp32 => Precision::Fp32,
            Format::Bf16 | Format::Int8 => Precision::Bf16,
        });
        let config = re_train::TrainConfig { device: self.device.clone(), precision, ..Default::default() };
        config.device()?;
        Ok(config)
    }
}

/// Says that a run is not complete, where that is so.
pub fn note_unfinished(model: &Path, verbosity: Verbosity) -> Result<()> {
    if let Some(step) = unfinished_step(model)? {
        let run = model.display();
        verbosity.note(format!("{run}: the run is not complete; using its latest checkpoint, step {step}"));
    }
    Ok(())
}
