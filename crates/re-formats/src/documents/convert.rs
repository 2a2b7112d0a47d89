//! From one layout of documents to another, streamed.

use std::path::Path;

use serde::Serialize;

use super::{
    DocumentFormat, DocumentReadOptions, DocumentReadReport, DocumentReader, DocumentWriteReport,
    DocumentWriter,
};
use crate::error::{Error, Result};

/// What was read and written, and what of it got lost on either side.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct DocumentConvertReport {
    /// What the reader met.
    pub read: DocumentReadReport,
    /// What the writer did.
    pub written: DocumentWriteReport,
}

impl DocumentConvertReport {
    /// Whether nothing was left out on the way.
    pub fn is_lossless(&self) -> bool {
        self.read.is_lossless() && self.written.is_lossless()
    }
}

/// Writes every document that `reader` still gives, and ends the file or folder.
///
/// # Errors
/// Those of the reader, unless it is lenient, and of the writer.
pub fn convert(
    reader: &mut DocumentReader<'_>,
    mut writer: DocumentWriter<'_>,
) -> Result<DocumentConvertReport> {
    for document in reader.by_ref() {
        writer.write(&document?)?;
    }
    Ok(DocumentConvertReport { written: writer.finish()?, read: reader.report().clone() })
}

/// Converts a file or folder, `-` being standard input or output. What is written appears when it is complete. Its layout is
/// `to_format` or what its name says ([`DocumentFormat::of_output`]).
///
/// # Errors
/// [`re_data::Error::Argument`] where a layout is neither given nor recognised, and those of [`convert`].
pub fn convert_files(
    from: impl AsRef<Path>,
    options: &DocumentReadOptions,
    to: impl AsRef<Path>,
    to_format: Option<DocumentFormat>,
) -> Result<DocumentConvertReport> {
    let to = to.as_ref();
    let Some(format) = to_format.or_else(|| DocumentFormat::of_output(to)) else {
        return Err(Error::Data(re_data::Error::Argument {
            name: "format",
            found: format!("none, and the name of {} does not tell", to.display()),
            expected: DocumentFormat::EXPECTED,
        }));
    };
    let mut reader = DocumentReader::open(from, options)?;
    convert(&mut reader, DocumentWriter::create(to, format)?)
}
