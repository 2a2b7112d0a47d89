//! `re report`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use re_data::NoRelation;
use re_ensemble::Bootstrap;
use re_report::{ReportOptions, RowSet};

use crate::cleanup::Output;
use crate::data::folder;
use crate::output::write_text;
use crate::verbosity::Verbosity;

/// Write one HTML page about runs: curves, figures by label, mistakes, comparison
///
/// The page needs no other file and no network.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  re report runs/mine
  re report runs/a runs/b runs/c --output comparison.html --title 'Three heads'
  re report runs/folds --rows out-of-fold --output -")]
pub struct Report {
    /// Folders of runs
    #[arg(required = true, value_name = "RUN", value_parser = folder())]
    runs: Vec<PathBuf>,
    /// File for the page; `-` is standard output
    #[arg(short, long, value_name = "FILE", default_value = "report.html")]
    output: PathBuf,
    /// Title of the page [default: the names of the runs]
    #[arg(long)]
    title: Option<String>,
    /// Gold labels, where they are not in the files that the settings of the runs name (repeatable)
    #[arg(long, value_name = "FILE")]
    gold: Vec<PathBuf>,
    /// The label that says "no relation", which micro-F1 leaves out; "" where none does [default: as the settings of the
    /// runs say, else a customary name]
    #[arg(long, value_name = "LABEL")]
    no_relation: Option<NoRelation>,
    /// Which predictions to show [default: validation, else out-of-fold, else test]
    #[arg(long, value_name = "ROWS", value_parser = row_sets())]
    rows: Option<RowSet>,
    /// Most sentences in each list of errors
    #[arg(long, value_name = "N", default_value_t = ReportOptions::default().sentences)]
    sentences: usize,
    /// Resamples of the bootstrap
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..),
        default_value_t = Bootstrap::default().resamples)]
    resamples: u32,
}

/// Every set of rows by its name.
fn row_sets() -> impl TypedValueParser<Value = RowSet> {
    PossibleValuesParser::new(RowSet::ALL.map(RowSet::name)).try_map(|name| name.parse::<RowSet>())
}

impl Report {
    pub fn run(self, verbosity: Verbosity) -> Result<()> {
        let options = ReportOptions {
            title: self.title,
            gold: self.gold,
            no_relation: self.no_relation,
            rows: self.rows,
            bootstrap: Bootstrap { resamples: self.resamples, ..Bootstrap::default() },
            sentences: self.sentences,
        };
        let report = re_report::Report::new(&self.runs, &options)?;
        for note in report.notes() {
            verbosity.note(note);
        }
        write_text(Output::create(&self.output)?, &report.to_html())?;
        verbosity.detail(format!("written: {}", self.output.display()));
        Ok(())
    }
}
