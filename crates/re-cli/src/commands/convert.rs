//! `re convert`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use re_formats::read::Format;
use re_formats::write::ExampleWriter;

use crate::cleanup::Output;
use crate::data::{DataArgs, formats};
use crate::exit::Usage;
use crate::verbosity::Verbosity;

/// Convert rows from one layout into another
///
/// Rows stream, so that a file of any size takes little memory. What the new layout cannot hold, such as entity types,
/// is reported.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  re convert train.tsv --output train.jsonl
  re convert train.tsv --entity-types entity_types.tsv --output train.jsonl
  zcat rows.jsonl.gz | re convert - --format jsonl --to tsv | head")]
pub struct Convert {
    /// File of rows; `-` is standard input
    input: PathBuf,
    /// File for the converted rows; `-` is standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// Layout of the result [default: from the name of --output]
    #[arg(long, value_name = "FORMAT", value_parser = formats())]
    to: Option<Format>,
    #[command(flatten)]
    data: DataArgs,
}

impl Convert {
    pub fn run(self, verbosity: Verbosity) -> Result<()> {
        let to = match self.to.or_else(|| Format::guess(&self.output, &[])) {
            Some(to) => to,
            None => {
                let output = self.output.display();
                return Err(Usage(format!("the name {output} tells no layout: choose one with --to")).into());
            }
        };
        self.data.check([self.input.as_path()], [self.output.as_path()])?;
        let (mut rows, mut progress) = self.data.open(&self.input, &self.output, verbosity)?;
        let mut writer = ExampleWriter::new(Output::create(&self.output)?, &self.output, to);
        for row in &mut rows {
            writer.write(&row?)?;
            progress.advance(1);
        }
        let written = writer.report().clone();
        writer.finish()?.commit()?;
        progress.finish();
        rows.print_notes(&self.input, verbosity);
        if !written.is_lossless() {
            verbosity.note(format!("{}: {written}", self.output.display()));
        }
        for (name, rows) in &rows.report().unread {
            verbosity.note(format!(
                "{}: {name} of {rows} rows is left out: examples cannot hold it",
                self.input.display()
            ));
        }
        Ok(())
    }
}
