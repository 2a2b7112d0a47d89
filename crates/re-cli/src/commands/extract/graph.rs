//! The layouts in which graphs are written.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use re_data::Document;
use re_formats::documents::{DocumentFormat, DocumentWriteReport};
use re_formats::graphs::{EntityScope, GraphFormat, GraphOptions, GraphWriter};
use re_report::{GraphPage, GraphPageOptions};

use crate::cleanup::{Output, Registered};
use crate::documents::DocumentOutput;
use crate::exit::Usage;
use crate::output::write_text;

/// Name of the page.
const HTML: &str = "html";

/// A layout of graphs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GraphLayout {
    /// One of documents that has a place for relations.
    Documents(DocumentFormat),
    /// One of nodes and edges.
    Graph(GraphFormat),
    /// A page that shows texts, mentions and relations.
    Html,
}

impl GraphLayout {
    /// Every layout by its name.
    pub fn parser() -> impl TypedValueParser<Value = Self> {
        let documents = DocumentFormat::ALL.into_iter().filter(|format| format.holds_relations());
        let names = documents.map(DocumentFormat::name).chain(GraphFormat::ALL.map(GraphFormat::name));
        PossibleValuesParser::new(names.chain([HTML])).try_map(|name| -> re_formats::Result<Self> {
            Ok(match name.parse() {
                Ok(format) => Self::Graph(format),
                Err(_) if name == HTML => Self::Html,
                Err(_) => Self::Documents(name.parse()?),
            })
        })
    }

    /// The layout that the name of the output tells.
    fn of_output(path: &Path) -> Option<Self> {
        let documents = DocumentFormat::of_output(path).filter(|format| format.holds_relations());
        let is_page = || path.extension().is_some_and(|name| name.eq_ignore_ascii_case(HTML));
        documents
            .map(Self::Documents)
            .or_else(|| GraphFormat::of_output(path).map(Self::Graph))
            .or_else(|| is_page().then_some(Self::Html))
    }
}

/// How graphs are written.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Writing graphs")]
pub struct GraphWriting {
    /// File for the documents with their relations, or a new folder in the layout `brat`; `-` is standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub output: PathBuf,
    /// Layout of --output: one of documents, of nodes and edges (csv, dot, graphml, ntriples), or a page (html)
    /// [default: told by its name, else jsonl]
    #[arg(long, visible_alias = "to", value_name = "FORMAT", value_parser = GraphLayout::parser())]
    format: Option<GraphLayout>,
    /// An entity's id means the same entity in all documents, as those of a knowledge base do: one graph in the layouts of
    /// nodes and edges
    #[arg(long)]
    corpus: bool,
    /// What the IRIs of `ntriples` begin with [default: `http://example.org/`]
    #[arg(long, value_name = "IRI")]
    base: Option<String>,
}

impl GraphWriting {
    fn layout(&self) -> GraphLayout {
        let own = GraphLayout::Documents(DocumentFormat::Jsonl);
        self.format.or_else(|| GraphLayout::of_output(&self.output)).unwrap_or(own)
    }

    /// Makes sure that every flag says something of the layout.
    pub fn check(&self) -> Result<()> {
        let layout = self.layout();
        let unfit = match layout {
            GraphLayout::Graph(GraphFormat::NTriples) => None,
            GraphLayout::Graph(_) => self.base.as_ref().map(|_| "--base is for the layout ntriples"),
            _ if self.corpus => Some("--corpus is for layouts of nodes and edges"),
            _ => self.base.as_ref().map(|_| "--base is for the layout ntriples"),
        };
        match unfit {
            Some(text) => Err(Usage(text.to_owned()).into()),
            None => Ok(()),
        }
    }

    /// Begins to write.
    pub fn create(&self) -> Result<GraphOutput> {
        let path = &self.output;
        let sink = match self.layout() {
            GraphLayout::Documents(format) => Sink::Documents(DocumentOutput::create(path, format)?),
            GraphLayout::Graph(format) => {
                let mut options = GraphOptions::default();
                if self.corpus {
                    options.entities = EntityScope::Corpus;
                }
                options.base = self.base.clone().unwrap_or(options.base);
                let create = || Ok(GraphWriter::create(path, format, &options)?);
                let (writer, registered) = Registered::create(path, create, |writer| writer.partial())?;
                Sink::Graph(Box::new(writer), registered)
            }
            GraphLayout::Html => {
                let page = GraphPage::new(GraphPageOptions::default())?;
                Sink::Page { page, output: Output::create(path)?, documents: 0 }
            }
        };
        Ok(GraphOutput { path: path.clone(), sink })
    }
}

/// Where graphs are written.
pub struct GraphOutput {
    path: PathBuf,
    sink: Sink,
}

enum Sink {
    Documents(DocumentOutput),
    Graph(Box<GraphWriter<'static>>, Registered),
    Page { page: GraphPage, output: Output, documents: usize },
}

impl GraphOutput {
    /// Writes the graph of one document. Where the layout cannot hold it at all
    /// ([`Unwritable`](re_formats::Error::Unwritable)), others can follow.
    pub fn write(&mut self, graph: &Document) -> re_formats::Result<()> {
        match &mut self.sink {
            Sink::Documents(output) => output.write(graph).map(drop),
            Sink::Graph(writer, _) => writer.write(graph).map(drop),
            Sink::Page { page, documents, .. } => {
                page.add(graph);
                *documents += 1;
                Ok(())
            }
        }
    }

    /// Makes complete what was written, and tells its place and what got lost.
    pub fn finish(self) -> Result<(PathBuf, DocumentWriteReport)> {
        let written = match self.sink {
            Sink::Documents(output) => output.finish()?,
            Sink::Graph(writer, registered) => {
                let report = writer.finish()?;
                registered.complete();
                report.written
            }
            Sink::Page { page, output, documents } => {
                write_text(output, &page.to_html())?;
                DocumentWriteReport { documents, ..DocumentWriteReport::default() }
            }
        };
        Ok((self.path, written))
    }
}
