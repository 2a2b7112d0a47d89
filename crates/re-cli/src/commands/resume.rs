//! `re resume`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use re_train::Start;
use re_train::experiment::RunFolder;

use super::train::run;
use crate::output::ResultArgs;
use crate::say::Say;

/// Go on with a training that was interrupted
///
/// It goes on from the latest checkpoint, and ends with the same bits as one that never stopped. Trainings of a plan
/// that are complete are not repeated.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  re resume runs/mine")]
pub struct Resume {
    /// Folder of the run
    #[arg(value_name = "RUN")]
    folder: PathBuf,
    #[command(flatten)]
    result: ResultArgs,
}

impl Resume {
    pub fn run(self, say: Say) -> Result<ExitCode> {
        let folder = RunFolder::new(self.folder);
        run(&folder, &folder.experiment()?, Start::Resume, &self.result, say)
    }
}
