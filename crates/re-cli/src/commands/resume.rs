//! `re resume`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use re_experiment::RunFolder;
use re_train::Start;

use super::train::run;
use crate::data;
use crate::output::ResultArgs;
use crate::verbosity::Verbosity;

/// Resume a training that was interrupted
///
/// It goes on from the latest checkpoint, and ends with the same bits as one that never stopped. Trainings of a plan
/// that are complete are not repeated. Other settings, rows, numbers of threads (--threads) or pretrained models than the
/// run began with are refused.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  re resume runs/mine
  re resume runs/mine --threads 8")]
pub struct Resume {
    /// Folder of the run
    #[arg(value_name = "RUN", value_parser = data::folder())]
    folder: PathBuf,
    /// Resume although the number of threads or the pretrained model has changed, and report it: the result is then not
    /// that of a run that never stopped
    #[arg(long)]
    allow_changes: bool,
    #[command(flatten)]
    result: ResultArgs,
}

impl Resume {
    pub fn run(self, verbosity: Verbosity) -> Result<ExitCode> {
        let folder = RunFolder::new(self.folder);
        let start = if self.allow_changes { Start::ResumeChanged } else { Start::Resume };
        let experiment = folder.experiment()?;
        if folder.is_complete()? {
            verbosity.note(format!(
                "{}: the run is complete; nothing is left to train, its results are written again",
                folder.path().display()
            ));
        }
        run(&folder, &experiment, start, &self.result, verbosity)
    }
}
