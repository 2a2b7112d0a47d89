//! Writers of documents.

use std::collections::HashSet;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use re_data::Document;
use re_data::files::{NewFile, NewFolder};
use serde_json::Value;

use super::report::{DocumentWriteReport, Losses, Lost, UNTYPED};
use super::{
    DocumentFormat, MAX_DOCUMENT, brat, conll, doccano, docred, file_names, jsonl, klue_ner, label_studio,
    plain, prodigy, scierc, spert, unfit,
};
use crate::error::{Error, Result, UnwritableError};

/// What a layout cannot hold, so that the document cannot be written at all.
pub(crate) struct Unfit {
    pub(crate) field: &'static str,
    pub(crate) found: String,
    pub(crate) expected: &'static str,
}

/// Streams documents into one of the layouts.
pub struct DocumentWriter<'a> {
    sink: Sink<'a>,
    format: DocumentFormat,
    path: PathBuf,
    /// Ids that were written: each may stand once.
    ids: HashSet<String>,
    report: DocumentWriteReport,
}

enum Sink<'a> {
    Stream(Box<dyn Write + 'a>),
    File(NewFile),
    Folder(NewFolder),
}

impl DocumentWriter<'static> {
    /// Begins a file, standard output where `path` is `-`, or a folder in the layouts of folders
    /// ([`DocumentFormat::is_folder`]). It appears when it is [finished](Self::finish).
    ///
    /// # Errors
    /// [`re_data::Error::Io`] where it cannot be created, [`re_data::Error::NotEmpty`] where a folder with content lies
    /// there, [`re_data::Error::Argument`] for a folder on standard output.
    pub fn create(path: impl AsRef<Path>, format: DocumentFormat) -> Result<Self> {
        let path = path.as_ref();
        let sink = match format.is_folder() {
            true if path == Path::new("-") => return Err(unfit(format, path, "the name of a folder")),
            true => Sink::Folder(NewFolder::create(path)?),
            false => Sink::File(NewFile::create(path)?),
        };
        Ok(Self::of(sink, format, path))
    }

    /// The unfinished file or folder, which a process that a signal ends leaves behind; `None` for what is written directly.
    pub fn partial(&self) -> Option<&Path> {
        match &self.sink {
            Sink::Stream(_) => None,
            Sink::File(file) => file.partial(),
            Sink::Folder(folder) => Some(folder.path()),
        }
    }
}

impl<'a> DocumentWriter<'a> {
    /// Writes to `out`, which errors call `path`.
    ///
    /// # Errors
    /// [`re_data::Error::Argument`] where the layout is one of folders.
    pub fn new(out: impl Write + 'a, path: impl Into<PathBuf>, format: DocumentFormat) -> Result<Self> {
        let path = path.into();
        if format.is_folder() {
            return Err(unfit(format, &path, "a layout of a single file, as this one has a folder"));
        }
        Ok(Self::of(Sink::Stream(Box::new(out)), format, &path))
    }

    fn of(sink: Sink<'a>, format: DocumentFormat, path: &Path) -> Self {
        let report = DocumentWriteReport::default();
        Self { sink, format, path: path.to_owned(), ids: HashSet::new(), report }
    }

    /// What was written so far.
    pub fn report(&self) -> &DocumentWriteReport {
        &self.report
    }

    /// Writes one document, and says what of it the layout cannot hold.
    ///
    /// # Errors
    /// [`re_data::Error::Io`] where the output refuses it; [`Error::Unwritable`] where the layout cannot hold it at all, where
    /// its id or text is empty, or its id was written before.
    pub fn write(&mut self, document: &Document) -> Result<Losses> {
        let mut losses = Losses::default();
        let unwritable = |Unfit { field, found, expected }| -> Error {
            let (path, id) = (self.path.clone(), document.id().to_owned());
            let format = self.format.name();
            UnwritableError { path, format, record: "document", id, field, found, expected }.into()
        };
        check(document, &self.ids).map_err(unwritable)?;
        let before = self.report.documents;
        let json = |value: &Value| format!("{}\n{value}", if before == 0 { "[" } else { "," });
        let line = |value: &Value| format!("{value}\n");
        let content = match self.format {
            DocumentFormat::Jsonl => line(&jsonl::value(document)),
            DocumentFormat::Spert => json(&spert::value(document, &mut losses)),
            DocumentFormat::SciErc => line(&scierc::value(document, &mut losses)),
            DocumentFormat::DocRed => json(&docred::value(document, &mut losses)),
            DocumentFormat::LabelStudio => json(&label_studio::value(document, &mut losses)),
            DocumentFormat::Doccano => line(&doccano::value(document, &mut losses)),
            DocumentFormat::DoccanoLabel => line(&doccano::labels(document, &mut losses)),
            DocumentFormat::Prodigy => line(&prodigy::value(document, &mut losses)),
            DocumentFormat::Lines => plain::line(document, before, &mut losses).map_err(unwritable)?,
            DocumentFormat::Conll => conll::lines(document, before, &mut losses).map_err(unwritable)?,
            DocumentFormat::KlueNer => klue_ner::lines(document, &mut losses),
            DocumentFormat::Text => plain::text(document, &mut losses).map_err(unwritable)?,
            DocumentFormat::Brat => brat::text(document, &mut losses).map_err(unwritable)?,
        };
        let brat = self.format == DocumentFormat::Brat;
        let annotations = brat.then(|| brat::annotations(document, &mut losses));
        check_size(&content).map_err(unwritable)?;
        annotations.as_deref().map_or(Ok(()), check_size).map_err(unwritable)?;
        let io = |source| Error::io(&self.path, source);
        match &mut self.sink {
            Sink::Stream(out) => out.write_all(content.as_bytes()).map_err(io)?,
            Sink::File(file) => file.write_all(content.as_bytes()).map_err(io)?,
            Sink::Folder(folder) => {
                let name = file_names::of_id(document.id()).map_err(unwritable)?;
                let file = |extension: &str| folder.path().join(format!("{name}.{extension}"));
                put_file(&file("txt"), &content)?;
                if let Some(annotations) = annotations {
                    put_file(&file("ann"), &annotations)?;
                }
            }
        }
        self.ids.insert(document.id().to_owned());
        self.report.add(document.id(), &losses);
        Ok(losses)
    }

    /// Writes what stands behind the last document; a file or folder now appears under its name.
    ///
    /// # Errors
    /// [`re_data::Error::Io`] where the output refuses it.
    pub fn finish(mut self) -> Result<DocumentWriteReport> {
        let end: &[u8] = match self.format {
            DocumentFormat::Spert | DocumentFormat::DocRed | DocumentFormat::LabelStudio => {
                if self.report.documents == 0 { b"[]\n" } else { b"\n]\n" }
            }
            _ => b"",
        };
        let io = |source| Error::io(&self.path, source);
        match &mut self.sink {
            Sink::Stream(out) => out.write_all(end).and_then(|()| out.flush()).map_err(io)?,
            Sink::File(file) => file.write_all(end).map_err(io)?,
            Sink::Folder(_) => {}
        }
        match self.sink {
            Sink::Stream(_) => {}
            Sink::File(file) => file.commit()?,
            Sink::Folder(folder) => folder.commit()?,
        }
        Ok(self.report)
    }
}

/// Writes a file of a new folder, which is synced as a whole.
fn put_file(path: &Path, content: &str) -> Result<()> {
    let written = File::create_new(path).and_then(|mut file| file.write_all(content.as_bytes()));
    written.map_err(|source| Error::io(path, source))
}

/// Refuses what no reader would take, as it is too long.
fn check_size(content: &str) -> Result<(), Unfit> {
    match content.len() <= MAX_DOCUMENT {
        true => Ok(()),
        false => {
            let found = format!("{} bytes in the file", content.len());
            Err(Unfit { field: "text", found, expected: "a document of at most 16 MiB there" })
        }
    }
}

/// Refuses what no reader would take.
pub(crate) fn check(document: &Document, ids: &HashSet<String>) -> Result<(), Unfit> {
    let id = document.id();
    let faults = [
        (id.is_empty(), "id", "an id"),
        (ids.contains(id), "id", "an id that no document before has"),
        (document.text().is_empty(), "text", "at least one character"),
    ];
    match faults.into_iter().find(|(fault, ..)| *fault) {
        Some((_, "text", expected)) => Err(Unfit { field: "text", found: String::new(), expected }),
        Some((_, field, expected)) => Err(Unfit { field, found: id.to_owned(), expected }),
        None => Ok(()),
    }
}

/// Writes `documents` to a new file or folder, which appears when it is complete, or to standard output where `path` is `-`.
///
/// # Errors
/// As [`DocumentWriter::create`] and [`DocumentWriter::write`].
pub fn write<'d>(
    path: impl AsRef<Path>,
    format: DocumentFormat,
    documents: impl IntoIterator<Item = &'d Document>,
) -> Result<DocumentWriteReport> {
    let mut writer = DocumentWriter::create(path, format)?;
    for document in documents {
        writer.write(document)?;
    }
    writer.finish()
}

/// Counts the parts of a document that most layouts have no place for; a writer names those that its layout has.
#[derive(Default)]
pub(crate) struct Holds {
    pub(crate) source: bool,
    pub(crate) mentions: bool,
    pub(crate) mention_scores: bool,
    pub(crate) entities: bool,
    pub(crate) relations: bool,
    pub(crate) relation_scores: bool,
}

impl Holds {
    pub(crate) fn count(&self, document: &Document, losses: &mut Losses) {
        let mentions = document.mentions();
        if !self.source {
            losses.add(Lost::Source, usize::from(document.source().is_some()));
        }
        if !self.mentions {
            losses.add(Lost::Mention, mentions.len());
        }
        if self.mentions && !self.mention_scores {
            losses.add(Lost::MentionScore, mentions.iter().filter(|m| m.score().is_some()).count());
        }
        if self.mentions && !self.entities {
            losses.add(Lost::Entity, mentions.iter().filter(|m| m.entity().is_some()).count());
        }
        if !self.relations {
            losses.add(Lost::Relation, document.relations().len());
        }
        if self.relations && !self.relation_scores {
            let scored = document.relations().iter().filter(|relation| relation.score().is_some());
            losses.add(Lost::RelationScore, scored.count());
        }
    }
}

/// A mention's type, or what stands in its place.
pub(super) fn kind<'d>(mention: &'d re_data::Mention, losses: &mut Losses) -> &'d str {
    mention.kind().unwrap_or_else(|| {
        losses.add(Lost::Untyped, 1);
        UNTYPED
    })
}

/// A name without the characters that the layout cannot hold in one.
pub(super) fn name(name: &str, unfit: impl Fn(char) -> bool, losses: &mut Losses) -> String {
    if name.contains(&unfit) {
        losses.add(Lost::Name, 1);
    }
    name.replace(unfit, "_")
}

/// An id as JSON: a number where it looks like one.
pub(super) fn id(id: &str) -> Value {
    match id.parse::<u64>() {
        Ok(number) if number.to_string() == id => Value::from(number),
        _ => Value::from(id),
    }
}

/// A score as JSON, with no more digits than it takes to read it back.
pub(super) fn score(score: f32) -> Value {
    Value::from(score.to_string().parse::<f64>().unwrap_or_else(|_| f64::from(score)))
}

/// Adds a value to an object where there is one.
pub(super) fn put(object: &mut Value, key: &str, value: Option<Value>) {
    if let (Some(object), Some(value)) = (object.as_object_mut(), value) {
        object.insert(key.to_owned(), value);
    }
}
