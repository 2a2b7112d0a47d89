//! `re completions`.

use std::io::{self, Write};

use anyhow::Result;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

/// Write a shell's completions
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  re completions bash > ~/.local/share/bash-completion/completions/re
  re completions zsh > ~/.zfunc/_re
  re completions fish > ~/.config/fish/completions/re.fish")]
pub struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub fn run(self) -> Result<()> {
        // Into memory first: the generator panics where its output fails.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut crate::Cli::command(), "re", &mut script);
        let mut out = io::stdout();
        out.write_all(&script)?;
        Ok(out.flush()?)
    }
}
