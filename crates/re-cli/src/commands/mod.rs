//! The commands, one in each file.

mod advise;
mod completions;
mod convert;
mod doctor;
mod encode;
mod evaluate;
mod predict;
mod report;
mod resume;
mod stats;
mod train;
mod vote;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

use crate::say::Say;

#[derive(Debug, Subcommand)]
pub enum Command {
    Train(train::Train),
    Resume(resume::Resume),
    Predict(predict::Predict),
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
        matches!(self, Self::Train(_) | Self::Resume(_) | Self::Predict(_))
    }

    /// Whether it may ask libtorch for a GPU.
    pub const fn uses_devices(&self) -> bool {
        self.computes() || matches!(self, Self::Doctor(_))
    }

    /// Does what was asked.
    pub fn run(self, say: Say) -> Result<ExitCode> {
        match self {
            Self::Train(train) => return train.run(say),
            Self::Resume(resume) => return resume.run(say),
            Self::Doctor(doctor) => return doctor.run(),
            Self::Predict(predict) => predict.run(say)?,
            Self::Evaluate(evaluate) => evaluate.run(say)?,
            Self::Vote(vote) => vote.run(say)?,
            Self::Advise(advise) => advise.run(say)?,
            Self::Encode(encode) => encode.run(say)?,
            Self::Stats(stats) => stats.run(say)?,
            Self::Convert(convert) => convert.run(say)?,
            Self::Report(report) => report.run(say)?,
            Self::Completions(completions) => completions.run()?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
