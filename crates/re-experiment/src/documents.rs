//! Reading documents for pairs and for taggers.

use std::path::Path;

use re_data::Document;
use re_formats::documents::{self, DocumentFormat, DocumentReadOptions};

use crate::error::Result;

/// The documents of a file, and a line for each thing that is worth knowing of what was not read.
pub(crate) fn read(
    path: &Path,
    format: Option<DocumentFormat>,
    lenient: bool,
) -> Result<(Vec<Document>, Vec<String>)> {
    let found = documents::read(path, &DocumentReadOptions { format, lenient })?;
    let left_out = found.report.rejected.first.iter().map(|fault| format!("left out: {fault}"));
    let mut notes: Vec<String> = left_out.collect();
    if !found.report.is_lossless() {
        notes.push(format!("{}: {}", path.display(), found.report));
    }
    Ok((found.documents, notes))
}
