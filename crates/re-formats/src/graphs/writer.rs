//! The writer of graphs.

use std::collections::HashSet;
use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};

use re_data::files::NewFile;
use re_data::text::brief;
use re_data::{Document, Tally};
use serde::Serialize;

use super::entities::Nodes;
use super::{GraphFormat, GraphOptions, dot, graphml, ntriples, table};
use crate::documents::writer::{Unfit, check};
use crate::documents::{DocumentWriteReport, Losses};
use crate::error::{Error, Result, UnwritableError};

/// What a writer wrote, and what of it the layout could not hold.
///
/// Texts and, but for `csv`, the places of mentions stand in no layout of graphs, and are not counted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct GraphWriteReport {
    /// Documents written, and what was lost.
    #[serde(flatten)]
    pub written: DocumentWriteReport,
    /// Relations of the documents.
    pub relations: usize,
    /// Ids of documents without relations, which have no row in `csv`.
    pub without_relations: Tally<String>,
}

impl fmt::Display for GraphWriteReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { written, relations, without_relations } = self;
        write!(f, "{relations} relations; {} documents without relations; {written}", without_relations.count)
    }
}

/// Streams the graphs of documents into one of the layouts.
pub struct GraphWriter<'a> {
    sink: Sink<'a>,
    format: GraphFormat,
    options: GraphOptions,
    path: PathBuf,
    /// Ids that were written: each may stand once.
    ids: HashSet<String>,
    nodes: Nodes,
    report: GraphWriteReport,
}

enum Sink<'a> {
    Stream(Box<dyn Write + 'a>),
    File(NewFile),
}

impl Sink<'_> {
    fn put(&mut self, content: &str) -> std::io::Result<()> {
        match self {
            Self::Stream(out) => out.write_all(content.as_bytes()),
            Self::File(file) => file.write_all(content.as_bytes()),
        }
    }
}

impl GraphWriter<'static> {
    /// Begins a file, or standard output where `path` is `-`. It appears when it is [finished](Self::finish).
    ///
    /// # Errors
    /// [`re_data::Error::Io`] where it cannot be created, [`re_data::Error::Argument`] for a base of IRIs that is none.
    pub fn create(path: impl AsRef<Path>, format: GraphFormat, options: &GraphOptions) -> Result<Self> {
        let path = path.as_ref();
        ntriples::check_base(&options.base)?;
        Self::of(Sink::File(NewFile::create(path)?), path, format, options)
    }

    /// The unfinished file, which a process that a signal ends leaves behind; `None` for what is written directly.
    pub fn partial(&self) -> Option<&Path> {
        match &self.sink {
            Sink::Stream(_) => None,
            Sink::File(file) => file.partial(),
        }
    }
}

impl<'a> GraphWriter<'a> {
    /// Writes to `out`, which errors call `path`.
    ///
    /// # Errors
    /// [`re_data::Error::Io`] where it refuses the beginning, [`re_data::Error::Argument`] for a base of IRIs that is none.
    pub fn new(
        out: impl Write + 'a,
        path: impl Into<PathBuf>,
        format: GraphFormat,
        options: &GraphOptions,
    ) -> Result<Self> {
        ntriples::check_base(&options.base)?;
        Self::of(Sink::Stream(Box::new(out)), &path.into(), format, options)
    }

    fn of(mut sink: Sink<'a>, path: &Path, format: GraphFormat, options: &GraphOptions) -> Result<Self> {
        let begin = match format {
            GraphFormat::Csv => table::header(),
            GraphFormat::Dot => dot::BEGIN.to_owned(),
            GraphFormat::GraphMl => graphml::BEGIN.to_owned(),
            GraphFormat::NTriples => String::new(),
        };
        sink.put(&begin).map_err(|source| Error::io(path, source))?;
        Ok(Self {
            sink,
            format,
            options: options.clone(),
            path: path.to_owned(),
            ids: HashSet::new(),
            nodes: Nodes::new(options.entities),
            report: GraphWriteReport::default(),
        })
    }

    /// What was written so far.
    pub fn report(&self) -> &GraphWriteReport {
        &self.report
    }

    /// Writes the graph of one document, and says what of it the layout cannot hold.
    ///
    /// # Errors
    /// [`re_data::Error::Io`] where the output refuses it; [`Error::Unwritable`] where the document's id or text is
    /// empty, or its id was written before.
    pub fn write(&mut self, document: &Document) -> Result<Losses> {
        check(document, &self.ids).map_err(|Unfit { field, found, expected }| {
            let (path, id) = (self.path.clone(), document.id().to_owned());
            let format = self.format.name();
            UnwritableError { path, format, record: "document", id, field, found, expected }
        })?;
        let io = |source| Error::io(&self.path, source);
        let mut losses = Losses::default();
        let (scope, before) = (self.options.entities, self.report.written.documents);
        let content = match self.format {
            GraphFormat::Csv => table::rows(document, &mut losses).map_err(io)?,
            GraphFormat::Dot => dot::document(document, before, scope, &mut self.nodes, &mut losses),
            GraphFormat::GraphMl => {
                graphml::document(document, scope, &mut self.nodes, self.report.relations, &mut losses)
            }
            GraphFormat::NTriples => ntriples::document(document, &self.options, &mut losses),
        };
        self.sink.put(&content).map_err(io)?;
        self.ids.insert(document.id().to_owned());
        self.report.written.add(document.id(), &losses);
        self.report.relations += document.relations().len();
        if document.relations().is_empty() {
            self.report.without_relations.add(|| brief(document.id()));
        }
        Ok(losses)
    }

    /// Writes what stands behind the last document; a file now appears under its name.
    ///
    /// # Errors
    /// [`re_data::Error::Io`] where the output refuses it.
    pub fn finish(mut self) -> Result<GraphWriteReport> {
        let end = match self.format {
            GraphFormat::Dot => dot::END,
            GraphFormat::GraphMl => graphml::END,
            GraphFormat::Csv | GraphFormat::NTriples => "",
        };
        let io = |source| Error::io(&self.path, source);
        self.sink.put(end).map_err(io)?;
        match self.sink {
            Sink::Stream(mut out) => out.flush().map_err(io)?,
            Sink::File(file) => file.commit()?,
        }
        Ok(self.report)
    }
}

/// Writes the graphs of `documents` to a new file, which appears when it is complete, or to standard output where `path` is
/// `-`.
///
/// # Errors
/// As [`GraphWriter::create`] and [`GraphWriter::write`].
pub fn write<'d>(
    path: impl AsRef<Path>,
    format: GraphFormat,
    options: &GraphOptions,
    documents: impl IntoIterator<Item = &'d Document>,
) -> Result<GraphWriteReport> {
    let mut writer = GraphWriter::create(path, format, options)?;
    for document in documents {
        writer.write(document)?;
    }
    writer.finish()
}
