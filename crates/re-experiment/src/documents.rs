//! Reading documents for pairs and for taggers, and setting some aside.

use std::path::Path;

use rand::RngExt;
use re_data::Document;
use re_data::random::{fnv1a, stream};
use re_data::split::normalized_text;
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

/// Whether documents of this text are among the `share` that is set aside for validation: that follows from the seed and
/// the text alone, so that a tagger and a classifier of pairs set the same ones aside.
pub(crate) fn is_aside(text: &str, share: f64, seed: u64) -> bool {
    let text = fnv1a(normalized_text(text).as_bytes());
    stream(seed, "validation documents", text).random::<f64>() < share
}
