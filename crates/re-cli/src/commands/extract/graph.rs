//! The layouts in which graphs are written.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use re_data::Document;
use re_formats::documents::{DocumentFormat, DocumentWriteReport};

use crate::documents::DocumentOutput;

/// A layout of graphs. Another kind joins as a variant: with its names in [`GraphFormat::parser`], the names of files that tell
/// it in [`GraphFormat::of_output`], and an arm in each function of [`GraphOutput`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GraphFormat {
    /// One of documents that has a place for relations.
    Documents(DocumentFormat),
}

impl GraphFormat {
    /// Every layout by its name.
    pub fn parser() -> impl TypedValueParser<Value = Self> {
        let formats = DocumentFormat::ALL.into_iter().filter(|format| format.holds_relations());
        PossibleValuesParser::new(formats.map(DocumentFormat::name))
            .try_map(|name| name.parse::<DocumentFormat>().map(Self::Documents))
    }

    /// The layout that the name of the output tells.
    fn of_output(path: &Path) -> Option<Self> {
        DocumentFormat::of_output(path).filter(|format| format.holds_relations()).map(Self::Documents)
    }
}

/// Where graphs are written.
pub struct GraphOutput {
    path: PathBuf,
    sink: Sink,
}

enum Sink {
    Documents(DocumentOutput),
}

impl GraphOutput {
    pub fn create(path: &Path, format: Option<GraphFormat>) -> Result<Self> {
        let own = GraphFormat::Documents(DocumentFormat::Jsonl);
        let sink = match format.or_else(|| GraphFormat::of_output(path)).unwrap_or(own) {
            GraphFormat::Documents(format) => Sink::Documents(DocumentOutput::create(path, format)?),
        };
        Ok(Self { path: path.to_owned(), sink })
    }

    /// Writes the graph of one document. Where the layout cannot hold it at all
    /// ([`Unwritable`](re_formats::Error::Unwritable)), others can follow.
    pub fn write(&mut self, graph: &Document) -> re_formats::Result<()> {
        match &mut self.sink {
            Sink::Documents(output) => output.write(graph).map(drop),
        }
    }

    /// Makes complete what was written, and tells its place and what got lost.
    pub fn finish(self) -> re_formats::Result<(PathBuf, DocumentWriteReport)> {
        let written = match self.sink {
            Sink::Documents(output) => output.finish()?,
        };
        Ok((self.path, written))
    }
}
