//! `cargo run --package re-report --example report -- REPORT.html RUN...`: a page on runs, without libtorch.

use std::process::ExitCode;

use anyhow::{Result, bail};
use re_report::{Report, ReportOptions};

fn main() -> ExitCode {
    report().map_or_else(
        |error| {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

fn report() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((output, runs @ [_, ..])) = arguments.split_first() else {
        bail!("expected REPORT.html RUN...");
    };
    let report = Report::new(runs, &ReportOptions::default())?;
    for note in report.notes() {
        eprintln!("note: {note}");
    }
    report.write(output)?;
    Ok(())
}
