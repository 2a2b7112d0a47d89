//! The layouts in which graphs are written.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use re_data::Document;
use re_formats::documents::{DocumentFormat, DocumentWriteReport};
use re_formats::graphs::{self, GraphOptions, GraphWriter};
use re_report::{GraphPage, GraphPageOptions};

use crate::cleanup::Registered;
use crate::documents::DocumentOutput;

/// Name of the layout of pages.
const HTML: &str = "html";

/// A layout of graphs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GraphFormat {
    /// One of documents that has a place for relations.
    Documents(DocumentFormat),
    /// One for programs that draw or query graphs.
    Graph(graphs::GraphFormat),
    /// A page to look at.
    Page,
}

impl GraphFormat {
    /// Every layout by its name.
    pub fn parser() -> impl TypedValueParser<Value = Self> {
        let documents = DocumentFormat::ALL.into_iter().filter(|format| format.holds_relations());
        let graphs = graphs::GraphFormat::ALL.into_iter().map(graphs::GraphFormat::name);
        let names = documents.map(DocumentFormat::name).chain(graphs).chain([HTML]);
        PossibleValuesParser::new(names).try_map(|name| match name.as_str() {
            HTML => Ok(Self::Page),
            name => match name.parse() {
                Ok(format) => Ok(Self::Graph(format)),
                Err(_) => name.parse().map(Self::Documents),
            },
        })
    }

    /// The layout that the name of the output tells.
    fn of_output(path: &Path) -> Option<Self> {
        let extension = path.extension().and_then(|extension| extension.to_str());
        if extension
            .is_some_and(|extension| ["html", "htm"].iter().any(|name| extension.eq_ignore_ascii_case(name)))
        {
            return Some(Self::Page);
        }
        let documents = || DocumentFormat::of_output(path).filter(|format| format.holds_relations());
        let graph = graphs::GraphFormat::of_output(path).map(Self::Graph);
        graph.or_else(|| documents().map(Self::Documents))
    }
}

/// Where graphs are written.
pub struct GraphOutput {
    path: PathBuf,
    sink: Sink,
}

enum Sink {
    Documents(DocumentOutput),
    Graph(GraphWriter<'static>, Registered),
    Page(Box<GraphPage>),
}

impl GraphOutput {
    pub fn create(path: &Path, format: Option<GraphFormat>) -> Result<Self> {
        let own = GraphFormat::Documents(DocumentFormat::Jsonl);
        let sink = match format.or_else(|| GraphFormat::of_output(path)).unwrap_or(own) {
            GraphFormat::Documents(format) => Sink::Documents(DocumentOutput::create(path, format)?),
            GraphFormat::Graph(format) => {
                let create = || Ok(GraphWriter::create(path, format, &GraphOptions::default())?);
                let (writer, registered) = Registered::create(path, create, |writer| writer.partial())?;
                Sink::Graph(writer, registered)
            }
            GraphFormat::Page => Sink::Page(Box::new(GraphPage::new(GraphPageOptions::default())?)),
        };
        Ok(Self { path: path.to_owned(), sink })
    }

    /// Writes the graph of one document. Where the layout cannot hold it at all
    /// ([`Unwritable`](re_formats::Error::Unwritable)), others can follow.
    pub fn write(&mut self, graph: &Document) -> re_formats::Result<()> {
        match &mut self.sink {
            Sink::Documents(output) => output.write(graph).map(drop),
            Sink::Graph(writer, _) => writer.write(graph).map(drop),
            Sink::Page(page) => {
                page.add(graph);
                Ok(())
            }
        }
    }

    /// Makes complete what was written, and returns its place and what was lost.
    pub fn finish(self) -> Result<(PathBuf, DocumentWriteReport)> {
        let written = match self.sink {
            Sink::Documents(output) => output.finish()?,
            Sink::Graph(writer, registered) => {
                let report = writer.finish()?;
                registered.complete();
                report.written
            }
            Sink::Page(page) => {
                page.write(&self.path)?;
                DocumentWriteReport::default()
            }
        };
        Ok((self.path, written))
    }
}
