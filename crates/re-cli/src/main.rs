//! `re`: train, apply, compare and look into relation classifiers from the command line.
//!
//! Each command is a file in `commands`; what a library user could want is in the crates.

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod bars;
mod cleanup;
mod commands;
mod data;
mod documents;
mod encoder;
mod engine;
mod exit;
mod extraction;
mod input;
mod members;
mod model;
mod output;
mod progress;
mod reader;
mod runtime;
mod svg;
mod tuning;
mod verbosity;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use commands::Command;
use verbosity::Verbosity;

/// Relation extraction: how are two entities in a sentence related?
#[derive(Debug, Parser)]
#[command(name = "re", version, arg_required_else_help = true, after_help = exit::CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Print only results and errors
    #[arg(short, long, global = true, conflicts_with = "verbose", display_order = 100)]
    quiet: bool,
    /// Print more
    #[arg(short, long, global = true, display_order = 101)]
    verbose: bool,
    /// Threads for tokenization and models [default: RAYON_NUM_THREADS and OMP_NUM_THREADS, else all cores]
    #[arg(long, global = true, value_name = "N", display_order = 102, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
}

fn main() -> ExitCode {
    let cli = Cli::try_parse().unwrap_or_else(|error| exit::usage(&error));
    if cli.command.computes() {
        runtime::prepare();
    }
    #[cfg(feature = "libtorch")]
    if cli.command.uses_devices() {
        runtime::load_devices();
    }
    let run = || -> Result<ExitCode> {
        if let Some(threads) = cli.threads {
            rayon::ThreadPoolBuilder::new()
                .num_threads(usize::from(threads))
                .build_global()
                .context("starting threads")?;
            #[cfg(feature = "libtorch")]
            tch::set_num_threads(i32::from(threads));
        }
        cli.command.run(Verbosity::new(cli.quiet, cli.verbose))
    };
    run().unwrap_or_else(|error| exit::report(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
