//! `re convert`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use re_formats::documents::DocumentFormat;
use re_formats::read::Format;
use re_formats::write::ExampleWriter;
use re_formats::{Layout, LayoutName};

use crate::cleanup::Output;
use crate::data::Rows;
use crate::documents::{DocumentOutput, Documents, print_losses};
use crate::exit::Usage;
use crate::input::{Input, InputArgs, layouts};
use crate::progress::Progress;
use crate::verbosity::Verbosity;

/// Convert rows or documents from one layout into another
///
/// Rows become rows, and documents, which are texts with any number of mentions and relations, become documents. They stream,
/// so that a file of any size takes little memory. What the input has that is not read, and what the new layout cannot
/// hold, such as entity types, is reported. docs/FORMATS.md describes the layouts of documents.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  re convert train.tsv --output train.jsonl
  re convert train.tsv --entity-types entity_types.tsv --output train.jsonl
  zcat rows.jsonl.gz | re convert - --format jsonl --to tsv | head
  re convert conll04_train.json --output train.jsonl
  re convert annotated/ --to label-studio --output tasks.json
  re convert train.jsonl --to brat --output annotated")]
pub struct Convert {
    /// File of rows or documents, or a folder of texts, with annotations (brat) or without; `-` is standard input
    input: PathBuf,
    /// File for what was converted, or a new folder in the layouts `text` and `brat`; `-` is standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// Layout of the result; `jsonl` is this project's own of whatever is read, rows or documents
    /// [default: from the name of --output]
    #[arg(long, value_name = "FORMAT", value_parser = layouts())]
    to: Option<LayoutName>,
    #[command(flatten)]
    input_args: InputArgs,
}

impl Convert {
    pub fn run(self, verbosity: Verbosity) -> Result<()> {
        // What the name of the result tells of both, before the input is looked at.
        let Some(to) = self.to.or_else(|| self.named()) else {
            let output = self.output.display();
            return Err(Usage(format!("the name {output} tells no layout: choose one with --to")).into());
        };
        self.input_args.check([self.input.as_path()], [self.output.as_path()])?;
        let (input, progress) = self.input_args.open(&self.input, &self.output, verbosity)?;
        match (input, to) {
            (Input::Rows(rows), LayoutName { rows: Some(to), .. }) => {
                self.rows(*rows, to, progress, verbosity)
            }
            (Input::Documents(documents), LayoutName { documents: Some(to), .. }) => {
                self.documents(*documents, to, progress, verbosity)
            }
            (input, to) => {
                let (found, layout, expected) = match input {
                    Input::Rows(rows) => ("rows", Layout::Rows(rows.format()), "rows"),
                    Input::Documents(found) => ("documents", Layout::Documents(found.format()), "documents"),
                };
                let input = self.input.display();
                let text = format!("{input} holds {found}: {layout}; {to} is no layout of {expected}");
                Err(Usage(text).into())
            }
        }
    }

    fn named(&self) -> Option<LayoutName> {
        let rows = Format::guess(&self.output, &[]);
        let documents = DocumentFormat::of_output(&self.output);
        (rows.is_some() || documents.is_some()).then_some(LayoutName { rows, documents })
    }

    fn rows(&self, mut rows: Rows, to: Format, mut progress: Progress, verbosity: Verbosity) -> Result<()> {
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

    fn documents(
        &self,
        mut documents: Documents,
        to: DocumentFormat,
        mut progress: Progress,
        verbosity: Verbosity,
    ) -> Result<()> {
        let mut output = DocumentOutput::create(&self.output, to)?;
        for document in &mut documents {
            output.write(&document?)?;
            progress.advance(1);
        }
        let written = output.finish()?;
        progress.finish();
        documents.print_notes(verbosity);
        print_losses(&written, &self.output, verbosity);
        Ok(())
    }
}
