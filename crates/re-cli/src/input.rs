//! Flags for reading rows or documents, whichever a file holds.

use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use re_formats::documents::{DocumentFormat, DocumentReadOptions, DocumentReader};
use re_formats::{Layout, LayoutName};

use crate::data::{DataArgs, Rows, check};
use crate::documents::Documents;
use crate::exit::Usage;
use crate::progress::Progress;
use crate::verbosity::Verbosity;

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Reading")]
pub struct InputArgs {
    /// Layout of the input, which is one of rows or of documents; `jsonl` is either, by its content: a row has `entities`,
    /// a document `mentions` or none [default: told by the file's name, else by its content]
    #[arg(long, value_name = "FORMAT", value_parser = layouts())]
    pub format: Option<LayoutName>,
    /// Types of the entities of rows: a file of row id and two types, tab-separated
    #[arg(long, value_name = "FILE")]
    entity_types: Option<PathBuf>,
    /// Leave malformed rows or documents out and say so, instead of stopping at the first one
    #[arg(long)]
    lenient: bool,
}

/// What a file holds.
pub enum Input {
    Rows(Box<Rows>),
    Documents(Box<Documents>),
}

/// Every layout by its name.
pub fn layouts() -> impl TypedValueParser<Value = LayoutName> {
    PossibleValuesParser::new(LayoutName::all()).try_map(|name| name.parse::<LayoutName>())
}

impl InputArgs {
    /// As [`DataArgs::check`].
    pub fn check<'p>(
        &'p self,
        inputs: impl IntoIterator<Item = &'p Path>,
        outputs: impl IntoIterator<Item = &'p Path>,
    ) -> Result<()> {
        check(inputs.into_iter().chain(self.entity_types.as_deref()), outputs)
    }

    /// The flags for files of rows alone.
    pub fn of_rows(&self, format: re_formats::read::Format) -> DataArgs {
        let entity_types = self.entity_types.clone();
        DataArgs { format: Some(format), entity_types, lenient: self.lenient }
    }

    /// Opens a file, or a folder of documents, with a progress display that keeps out of `output`.
    pub fn open(&self, path: &Path, output: &Path, verbosity: Verbosity) -> Result<(Input, Progress)> {
        let (input, progress) = open(path, self.format, |_| None, output, verbosity)?;
        match input {
            Opened::Rows(format, input) => {
                let rows = self.of_rows(format).rows(input, path)?;
                Ok((Input::Rows(Box::new(rows)), progress))
            }
            Opened::Documents(reader) => {
                if self.entity_types.is_some() {
                    let path = path.display();
                    let text = format!(
                        "{path} holds documents, whose mentions bring their types: --entity-types is for rows"
                    );
                    return Err(Usage(text).into());
                }
                let documents = Documents::new(reader, path, self.lenient);
                Ok((Input::Documents(Box::new(documents)), progress))
            }
        }
    }

    /// Opens documents of another file than the one that `--format` is about.
    pub fn open_documents(
        &self,
        path: &Path,
        format: Option<DocumentFormat>,
        verbosity: Verbosity,
    ) -> Result<(Documents, Progress)> {
        let opened = open(path, named(format), |_| None, Path::new(""), verbosity)?;
        let (reader, progress) = documents_alone(opened, path)?;
        Ok((Documents::new(reader, path, self.lenient), progress))
    }
}

/// Opens texts or documents. What looks like no layout is a plain text.
pub fn open_texts(
    path: &Path,
    format: Option<DocumentFormat>,
    output: &Path,
    verbosity: Verbosity,
) -> Result<(DocumentReader<'static>, Progress)> {
    let is_text = |head: &[u8]| !matches!(head.trim_ascii_start().first(), Some(b'[' | b'{'));
    let text = |head: &[u8]| is_text(head).then_some(Layout::Documents(DocumentFormat::Text));
    documents_alone(open(path, named(format), text, output, verbosity)?, path)
}

fn named(format: Option<DocumentFormat>) -> Option<LayoutName> {
    format.map(|format| LayoutName { rows: None, documents: Some(format) })
}

fn documents_alone(
    (opened, progress): (Opened, Progress),
    path: &Path,
) -> Result<(DocumentReader<'static>, Progress)> {
    match opened {
        Opened::Documents(reader) => Ok((reader, progress)),
        Opened::Rows(format, _) => {
            Err(Usage(format!("{} holds rows ({format}), expected documents", path.display())).into())
        }
    }
}

/// Makes sure that a folder is one of documents.
fn has_texts(folder: &Path) -> Result<()> {
    let is_text = |path: &PathBuf| DocumentFormat::guess(path, &[]).is_some();
    ensure!(
        re_data::files::entries(folder)?.iter().any(is_text),
        "{}: a folder without .txt files, expected a file, or a folder of texts",
        folder.display()
    );
    Ok(())
}

enum Opened {
    Rows(re_formats::read::Format, Box<dyn Read + Send>),
    Documents(DocumentReader<'static>),
}

fn open(
    path: &Path,
    name: Option<LayoutName>,
    otherwise: impl FnOnce(&[u8]) -> Option<Layout>,
    output: &Path,
    verbosity: Verbosity,
) -> Result<(Opened, Progress)> {
    let options = |format| DocumentReadOptions { format, lenient: false };
    let is_folder = path != Path::new("-") && re_data::files::is_dir(path)?;
    let format = name.and_then(|name| name.documents);
    let is_brat = format == Some(DocumentFormat::Brat)
        || name.is_none() && DocumentFormat::guess(path, &[]) == Some(DocumentFormat::Brat);
    if is_folder || is_brat {
        if is_folder && let Some(LayoutName { rows: Some(rows), .. }) = name {
            let text = format!("{}: a folder, expected a file in the layout {rows}", path.display());
            return Err(Usage(text).into());
        }
        if is_folder && format.is_none() {
            has_texts(path)?;
        }
        let reader = DocumentReader::open(path, &options(format))?;
        let progress = Progress::begin(None, output, verbosity)?;
        return Ok((Opened::Documents(reader), progress.of("documents")));
    }
    let (progress, mut input) = Progress::open(path, output, verbosity)?;
    let mut head = Vec::new();
    let layout = Layout::detect(path, &mut input, name, &mut head)?.or_else(|| otherwise(&head));
    let layout = layout.ok_or_else(|| Layout::untold(path))?;
    let input = Box::new(Cursor::new(head).chain(input));
    Ok(match layout {
        Layout::Rows(format) => (Opened::Rows(format, input), progress),
        Layout::Documents(format) => {
            let reader = DocumentReader::new(input, path, &options(Some(format)))?;
            (Opened::Documents(reader), progress.of("documents"))
        }
    })
}

/// The layouts of documents that pass `filter`, by their names.
pub fn document_layouts(filter: fn(DocumentFormat) -> bool) -> impl TypedValueParser<Value = DocumentFormat> {
    let formats = DocumentFormat::ALL.into_iter().filter(|format| filter(*format));
    PossibleValuesParser::new(formats.map(DocumentFormat::name))
        .try_map(|name| name.parse::<DocumentFormat>())
}
