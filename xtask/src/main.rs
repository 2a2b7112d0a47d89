//! `cargo xtask COMMAND`: what a fresh clone needs, in one word each. `cargo xtask help` lists them.

mod args;
mod cargo;
mod choice;
mod demo;
mod doctor;
mod layout;
mod libtorch;
mod link;
mod machine;
mod manifest;
mod peers;
mod python;
mod results;
mod setup;
mod test;
mod wheels;

use std::process::ExitCode;

use args::{Arguments, Command};
use layout::Layout;

const HELP: &str = "\
cargo xtask COMMAND [OPTIONS] [-- ARGUMENTS]

  demo     set up, then train on the embedded default: a checkpoint, its accuracy on the
           development file and a submission file; ARGUMENTS go to the example
  test     set up, then run every test; ARGUMENTS go to `cargo test --workspace`, which then runs alone
           --all        install what some tests need (transformers, a small encoder: several GB in the cache);
                        without it they run where that is at hand, and those that did not are named
  setup    find or download libtorch 2.11.0 and link it as `.libtorch`
           --download   take the CPU part from PyPI even if another install is at hand
  peers    set up, then measure beside transformers and ONNX Runtime, and write docs/BENCHMARKS.md
           --quick            a few steps of each, nothing is written
           --only A,B,..      some of the workloads; the results of the others stay
           --repetitions N    how often each program runs, alternating; default 3
           --model DIR        the stand-in encoder; made in the cache where left out
  results  renew the tables of docs/RESULTS.md from the run folders below results/
           --check    change nothing, fail where they are not up to date
  doctor   say what was found, what was expected and how to fix it
  help     this text

Variables, none of them needed:
  LIBTORCH   folder of an installed libtorch 2.11.0 (with include/ and lib/) to use
  RE_CACHE   where downloads are kept; default $XDG_CACHE_HOME/re, else ~/.cache/re
  RE_PEERS_PYTHON   interpreter that has the peers; an environment is made in the cache where left out
";

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("error: {error}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let layout = Layout::of_this_machine()?;
    match arguments.command {
        Command::Help => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        Command::Setup => setup::run(&layout, arguments.download).map(|_| ExitCode::SUCCESS),
        Command::Demo => demo::run(&layout, &arguments.rest),
        Command::Test => test::run(&layout, arguments.all, &arguments.rest),
        Command::Doctor => doctor::run(&layout),
        Command::Peers => peers::run(&layout, &arguments.rest),
        Command::Results => results::run(&layout, &arguments.rest),
    }
}
