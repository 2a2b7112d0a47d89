//! Files that become visible only when they are complete.

use std::io::Write;
use std::path::Path;

use re_data::write::NewFile;

use crate::error::{Error, Result};

/// Writes `text` to a file, or to standard output where `path` is `-`.
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    let mut file = NewFile::create(path)?;
    file.write_all(text.as_bytes()).map_err(|source| Error::io(path, source))?;
    Ok(file.commit()?)
}
