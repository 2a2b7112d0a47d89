//! Documents that are read, and where they are written.

use std::path::{Path, PathBuf};

use anyhow::Result;
use re_data::Document;
use re_formats::Error;
use re_formats::documents::{
    DocumentFormat, DocumentReadReport, DocumentReader, DocumentWriteReport, DocumentWriter, Losses,
};

use crate::cleanup::Registered;
use crate::progress::Progress;
use crate::verbosity::Verbosity;

/// The documents of a file or folder, one after the other.
pub struct Documents {
    reader: DocumentReader<'static>,
    path: PathBuf,
    lenient: bool,
    /// Whether it was said that no document is left.
    ended: bool,
}

impl Iterator for Documents {
    type Item = re_formats::Result<Document>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.reader.next_or_fault() {
                Some(Err(Error::Record(_))) if self.lenient => {}
                None => return self.nothing_left().map(Err),
                next => return next,
            }
        }
    }
}

impl Documents {
    pub fn new(reader: DocumentReader<'static>, path: &Path, lenient: bool) -> Self {
        Self { reader, path: path.to_owned(), lenient, ended: false }
    }

    /// All documents, and what was met.
    pub fn read(mut self, mut progress: Progress) -> Result<(Vec<Document>, Self)> {
        let counted = self.by_ref().inspect(|document| progress.advance(usize::from(document.is_ok())));
        let documents = counted.collect::<re_formats::Result<_>>();
        progress.finish();
        Ok((documents?, self))
    }

    /// What was met so far.
    pub fn report(&self) -> &DocumentReadReport {
        self.reader.report()
    }

    /// The layout that is read.
    pub fn format(&self) -> DocumentFormat {
        self.reader.format()
    }

    /// Says what was met while reading, where that is worth knowing.
    pub fn print_notes(&self, verbosity: Verbosity) {
        print_notes(self.report(), &self.path, verbosity);
    }

    fn nothing_left(&mut self) -> Option<Error> {
        let fault = nothing_left(self.report())?;
        (!std::mem::replace(&mut self.ended, true)).then_some(fault)
    }
}

/// The first fault of a file of which every document was left out: it is of another kind than was thought.
pub fn nothing_left(report: &DocumentReadReport) -> Option<Error> {
    let mut fault = report.rejected.first.first().filter(|_| report.documents == 0)?.clone();
    fault.expected += &format!("; all {} documents are malformed, and none is left", report.rejected.count);
    Some(Error::Record(Box::new(fault)))
}

/// Says what was met while reading, where that is worth knowing.
pub fn print_notes(report: &DocumentReadReport, path: &Path, verbosity: Verbosity) {
    let text = format!("{}: {report}", path.display());
    match report.documents > 0 && report.is_lossless() && report.repeated_relations.count == 0 {
        true => verbosity.detail(text),
        false => verbosity.note(text),
    }
    for fault in &report.rejected.first {
        verbosity.detail(format!("left out: {fault}"));
    }
}

/// Where documents are written: a file, a folder or standard output. It appears when it is complete, and its unfinished form
/// is removed should the process end before.
pub struct DocumentOutput {
    writer: DocumentWriter<'static>,
    registered: Registered,
}

impl DocumentOutput {
    pub fn create(path: &Path, format: DocumentFormat) -> Result<Self> {
        let create = || Ok(DocumentWriter::create(path, format)?);
        let (writer, registered) = Registered::create(path, create, |writer| writer.partial())?;
        Ok(Self { writer, registered })
    }

    /// Writes a document, and says what of it the layout cannot hold.
    pub fn write(&mut self, document: &Document) -> re_formats::Result<Losses> {
        self.writer.write(document)
    }

    /// Makes complete what was written.
    pub fn finish(self) -> re_formats::Result<DocumentWriteReport> {
        let report = self.writer.finish()?;
        self.registered.complete();
        Ok(report)
    }
}

/// Says what a layout could not hold.
pub fn print_losses(written: &DocumentWriteReport, path: &Path, verbosity: Verbosity) {
    if !written.is_lossless() {
        verbosity.note(format!("{}: {written}", path.display()));
    }
}
