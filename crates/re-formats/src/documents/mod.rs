//! Documents in files: readers and writers of the layouts in which people annotate mentions and relations.
//!
//! Documents stream; of those that were read only the ids stay in memory, as each may stand once. Offsets are taken as the
//! layout defines them, and nothing is guessed: a mention outside the text, or with another surface form than the layout states,
//! is an error with file, line, document and mention, or, with [`DocumentReadOptions::lenient`], an entry of the
//! [`DocumentReadReport`]. What a layout holds beside that has no place in a document is counted there, too.
//!
//! A writer writes what its layout can hold, and says for each document what it cannot ([`Losses`]). What is not lost is read
//! back as it was.
//!
//! ```
//! use re_data::{CharSpan, Document, Mention};
//! use re_formats::documents::{DocumentFormat, DocumentReadOptions, DocumentReader, DocumentWriter, Lost};
//!
//! let mentions = vec![Mention::new(CharSpan::with_len(0, 5)).with_kind("PERSON").with_score(0.5)];
//! let document = Document::new("1", "Marie left.", mentions)?;
//! let mut file = Vec::new();
//! let mut writer = DocumentWriter::new(&mut file, "-", DocumentFormat::Spert)?;
//! let losses = writer.write(&document)?;
//! assert_eq!(losses.count(Lost::MentionScore), 1);
//! writer.finish()?;
//!
//! let mut reader = DocumentReader::new(file.as_slice(), "-", &DocumentReadOptions::default())?;
//! let again = reader.next().unwrap()?;
//! assert_eq!((again.id(), again.text(), again.surface(0)), ("1", "Marie left.", "Marie"));
//! # Ok::<(), re_formats::Error>(())
//! ```

mod brat;
mod conll;
mod convert;
mod doccano;
mod docred;
mod file_names;
mod format;
mod jsonl;
mod klue_ner;
mod label_studio;
mod plain;
mod prodigy;
mod raw;
mod report;
mod scierc;
mod sentences;
mod spert;
mod tags;
mod utf16;
pub(crate) mod writer;

use std::collections::HashSet;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use re_data::{Document, files};

pub use convert::{DocumentConvertReport, convert, convert_files};
pub use format::DocumentFormat;
pub use report::{DocumentReadReport, DocumentWriteReport, Losses, Lost, LostCount, UNTYPED};
pub use writer::{DocumentWriter, write};

use self::raw::RawDocument;
use crate::error::{Error, RecordError, Result};
use crate::read::{input, lines};

/// Most bytes of a document in its file; a longer one is a fault, which bounds the memory that any input can claim.
const MAX_DOCUMENT: usize = 16 << 20;

/// How documents are read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DocumentReadOptions {
    /// Layout; guessed from name or content where `None`.
    pub format: Option<DocumentFormat>,
    /// Leave malformed documents out and list them in the report, instead of stopping at the first one.
    pub lenient: bool,
}

/// One layout's way from bytes to documents. [`Error::Record`] faults concern one document, and reading can go on; after any
/// other the source is spent.
trait Source: Send {
    fn next(&mut self) -> Result<Option<RawDocument>>;
}

/// Streams the documents of a file or folder. After the first error it ends.
pub struct DocumentReader<'a> {
    source: Option<Box<dyn Source + 'a>>,
    format: DocumentFormat,
    path: PathBuf,
    lenient: bool,
    ids: HashSet<Arc<str>>,
    report: DocumentReadReport,
}

impl DocumentReader<'static> {
    /// Opens a file, standard input where `path` is `-`, or a folder in a layout of folders: brat's where an `.ann` file
    /// lies in it and no layout is given, else plain texts.
    ///
    /// # Errors
    /// [`re_data::Error::Io`] where it cannot be read, [`re_data::Error::Argument`] where the layout is neither given nor
    /// recognised, or is none of folders.
    pub fn open(path: impl AsRef<Path>, options: &DocumentReadOptions) -> Result<Self> {
        let path = path.as_ref();
        if path != Path::new("-") && files::is_dir(path)? {
            let format = match options.format {
                Some(format) => format,
                None if brat::is_there(path)? => DocumentFormat::Brat,
                None => DocumentFormat::Text,
            };
            let source: Box<dyn Source> = match format {
                DocumentFormat::Brat => Box::new(brat::Brat::of_folder(path)?),
                DocumentFormat::Text => Box::new(plain::Texts::of_folder(path)?),
                _ => return Err(unfit(format, path, "a file, as this layout is none of folders")),
            };
            return Ok(Self::of(source, format, path, options));
        }
        if options.format.or_else(|| DocumentFormat::guess(path, &[])) == Some(DocumentFormat::Brat) {
            if path == Path::new("-") {
                return Err(unfit(DocumentFormat::Brat, path, "a folder, or a .txt or .ann file"));
            }
            let source = Box::new(brat::Brat::of_file(path));
            return Ok(Self::of(source, DocumentFormat::Brat, path, options));
        }
        Self::new(input(path)?, path, options)
    }
}

impl<'a> DocumentReader<'a> {
    /// Reads from `input`; `path` is what errors call it, and its extension may tell the layout.
    ///
    /// # Errors
    /// As [`DocumentReader::open`]; brat's layout has two files for a document and cannot be read so.
    pub fn new(
        mut input: impl Read + Send + 'a,
        path: impl Into<PathBuf>,
        options: &DocumentReadOptions,
    ) -> Result<Self> {
        let path = path.into();
        let mut head = Vec::new();
        let format = match options.format.or_else(|| DocumentFormat::guess(&path, &[])) {
            Some(format) => Some(format),
            None => {
                let line = |head: &[u8]| head.trim_ascii_start().contains(&b'\n');
                let told = |head: &[u8]| line(head) && DocumentFormat::guess(&path, head).is_some();
                head = lines::head(&mut input, told).map_err(|e| Error::io(&path, e))?;
                DocumentFormat::guess(&path, &head)
            }
        };
        let Some(format) = format else {
            return Err(Error::Data(re_data::Error::Argument {
                name: "format",
                found: format!("none, and neither name nor content of {} tells", path.display()),
                expected: DocumentFormat::EXPECTED,
            }));
        };
        let input = Cursor::new(head).chain(input);
        let source: Box<dyn Source + 'a> = match format {
            DocumentFormat::Jsonl => Box::new(jsonl::Jsonl::new(input, &path)),
            DocumentFormat::Text => Box::new(plain::Text::new(input, &path)),
            DocumentFormat::Lines => Box::new(plain::TextLines::new(input, &path)),
            DocumentFormat::Spert => Box::new(spert::Spert::new(input, &path)),
            DocumentFormat::SciErc => Box::new(scierc::SciErc::new(input, &path)),
            DocumentFormat::DocRed => Box::new(docred::DocRed::new(input, &path)),
            DocumentFormat::Brat => return Err(unfit(format, &path, "a folder, or a .txt or .ann file")),
            DocumentFormat::LabelStudio => Box::new(label_studio::LabelStudio::new(input, &path)),
            DocumentFormat::Doccano | DocumentFormat::DoccanoLabel => {
                Box::new(doccano::Doccano::new(input, &path))
            }
            DocumentFormat::Prodigy => Box::new(prodigy::Prodigy::new(input, &path)),
            DocumentFormat::Conll => Box::new(conll::Conll::new(input, &path)),
            DocumentFormat::KlueNer => Box::new(klue_ner::KlueNer::new(input, &path)),
        };
        Ok(Self::of(source, format, &path, options))
    }

    fn of(
        source: Box<dyn Source + 'a>,
        format: DocumentFormat,
        path: &Path,
        options: &DocumentReadOptions,
    ) -> Self {
        Self {
            source: Some(source),
            format,
            path: path.to_owned(),
            lenient: options.lenient,
            ids: HashSet::new(),
            report: DocumentReadReport::default(),
        }
    }

    /// The layout that is read.
    pub fn format(&self) -> DocumentFormat {
        self.format
    }

    /// What was met so far; complete once the reader has ended.
    pub fn report(&self) -> &DocumentReadReport {
        &self.report
    }

    fn read(&mut self) -> Result<Option<Document>> {
        let Some(source) = &mut self.source else { return Ok(None) };
        while let Some(raw) = source.next()? {
            match raw.skipped {
                true => raw.unread.iter().for_each(|name| self.report.add_unread(name)),
                false => return raw.into_document(&self.path, &mut self.ids, &mut self.report).map(Some),
            }
        }
        Ok(None)
    }
}

fn unfit(format: DocumentFormat, path: &Path, expected: &'static str) -> Error {
    let found = format!("{format} for {}", path.display());
    Error::Data(re_data::Error::Argument { name: "format", found, expected })
}

impl DocumentReader<'_> {
    /// The next document, or the fault of a malformed one ([`Error::Record`]), behind which reading goes on; it is counted in
    /// the report. Any other error is the last.
    pub fn next_or_fault(&mut self) -> Option<Result<Document>> {
        let next = self.read().transpose();
        match &next {
            Some(Ok(_)) => {}
            Some(Err(Error::Record(fault))) => self.report.rejected.add(|| RecordError::clone(fault)),
            _ => self.source = None,
        }
        next
    }
}

impl Iterator for DocumentReader<'_> {
    type Item = Result<Document>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.lenient {
            let is_fault = |next: &Option<_>| matches!(next, Some(Err(Error::Record(_))));
            return std::iter::repeat_with(|| self.next_or_fault()).find(|next| !is_fault(next)).flatten();
        }
        let next = self.read().transpose();
        if !matches!(next, Some(Ok(_))) {
            self.source = None;
        }
        next
    }
}

/// All documents of a file, and what the reader met.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentReadResult {
    /// The documents, in the order of the file.
    pub documents: Vec<Document>,
    /// What the reader met.
    pub report: DocumentReadReport,
    /// The layout.
    pub format: DocumentFormat,
}

/// Reads all documents of a file, of a folder, or of standard input where `path` is `-`.
///
/// # Errors
/// As [`DocumentReader::open`], and the first malformed document unless the options are lenient.
pub fn read(path: impl AsRef<Path>, options: &DocumentReadOptions) -> Result<DocumentReadResult> {
    let mut reader = DocumentReader::open(path, options)?;
    let documents = reader.by_ref().collect::<Result<_>>()?;
    Ok(DocumentReadResult { documents, format: reader.format(), report: reader.report })
}
