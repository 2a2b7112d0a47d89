//! The commands, one in each file.

mod advise;
mod completions;
mod convert;
#[cfg(feature = "libtorch")]
mod doctor;
mod encode;
mod evaluate;
mod extract;
mod predict;
mod quantize;
mod report;
#[cfg(feature = "libtorch")]
mod resume;
mod sample;
mod stats;
#[cfg(feature = "libtorch")]
mod train;
mod types;
mod vote;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

use crate::verbosity::Verbosity;

#[derive(Debug, Subcommand)]
pub enum Command {
    #[cfg(feature = "libtorch")]
    Train(train::Train),
    #[cfg(feature = "libtorch")]
    Resume(resume::Resume),
    Predict(predict::Predict),
    Extract(extract::Extract),
    Sample(sample::Sample),
    Types(types::Types),
    Quantize(quantize::Quantize),
    Evaluate(evaluate::Evaluate),
    Vote(vote::Vote),
    Advise(advise::Advise),
    Encode(encode::Encode),
    Stats(stats::Stats),
    Convert(convert::Convert),
    Report(report::Report),
    #[cfg(feature = "libtorch")]
    Doctor(doctor::Doctor),
    Completions(completions::Completions),
}

impl Command {
    /// Whether a model computes for long.
    pub const fn computes(&self) -> bool {
        match self {
            Self::Predict(_) | Self::Extract(_) | Self::Sample(_) | Self::Types(_) | Self::Quantize(_) => {
                true
            }
            #[cfg(feature = "libtorch")]
            Self::Train(_) | Self::Resume(_) => true,
            _ => false,
        }
    }

    /// Whether it may ask libtorch for a GPU.
    #[cfg(feature = "libtorch")]
    pub const fn uses_devices(&self) -> bool {
        self.computes() || matches!(self, Self::Doctor(_))
    }

    /// Does what was asked.
    pub fn run(self, verbosity: Verbosity) -> Result<ExitCode> {
        match self {
            #[cfg(feature = "libtorch")]
            Self::Train(train) => return train.run(verbosity),
            #[cfg(feature = "libtorch")]
            Self::Resume(resume) => return resume.run(verbosity),
            #[cfg(feature = "libtorch")]
            Self::Doctor(doctor) => return doctor.run(),
            Self::Predict(predict) => predict.run(verbosity)?,
            Self::Extract(extract) => extract.run(verbosity)?,
            Self::Sample(sample) => sample.run(verbosity)?,
            Self::Types(types) => types.run(verbosity)?,
            Self::Quantize(quantize) => quantize.run(verbosity)?,
            Self::Evaluate(evaluate) => evaluate.run(verbosity)?,
            Self::Vote(vote) => vote.run(verbosity)?,
            Self::Advise(advise) => advise.run(verbosity)?,
            Self::Encode(encode) => encode.run(verbosity)?,
            Self::Stats(stats) => stats.run(verbosity)?,
            Self::Convert(convert) => convert.run(verbosity)?,
            Self::Report(report) => report.run(verbosity)?,
            Self::Completions(completions) => completions.run()?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
