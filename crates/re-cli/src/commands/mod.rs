//! The commands, one in each file.

mod advise;
mod completions;
mod convert;
mod doctor;
mod encode;
mod evaluate;
mod extract;
mod predict;
mod report;
mod resume;
mod sample;
mod stats;
mod train;
mod types;
mod vote;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

use crate::verbosity::Verbosity;

#[derive(Debug, Subcommand)]
pub enum Command {
    Train(train::Train),
    Resume(resume::Resume),
    Predict(predict::Predict),
    Extract(extract::Extract),
    Sample(sample::Sample),
    Types(types::Types),
    Evaluate(evaluate::Evaluate),
    Vote(vote::Vote),
    Advise(advise::Advise),
    Encode(encode::Encode),
    Stats(stats::Stats),
    Convert(convert::Convert),
    Report(report::Report),
    Doctor(doctor::Doctor),
    Completions(completions::Completions),
}

impl Command {
    /// Whether a model computes for long.
    pub const fn computes(&self) -> bool {
        matches!(
            self,
            Self::Train(_)
                | Self::Resume(_)
                | Self::Predict(_)
                | Self::Extract(_)
                | Self::Sample(_)
                | Self::Types(_)
        )
    }

    /// Whether it may ask libtorch for a GPU.
    pub const fn uses_devices(&self) -> bool {
        self.computes() || matches!(self, Self::Doctor(_))
    }

    /// Does what was asked.
    pub fn run(self, verbosity: Verbosity) -> Result<ExitCode> {
        match self {
            Self::Train(train) => return train.run(verbosity),
            Self::Resume(resume) => return resume.run(verbosity),
            Self::Doctor(doctor) => return doctor.run(),
            Self::Predict(predict) => predict.run(verbosity)?,
            Self::Extract(extract) => extract.run(verbosity)?,
            Self::Sample(sample) => sample.run(verbosity)?,
            Self::Types(types) => types.run(verbosity)?,
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
