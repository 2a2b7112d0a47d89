//! Files of settings beside a model.

use std::path::Path;

use re_data::files;
use re_data::model_file::read_text;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// Reads a JSON file.
///
/// # Errors
/// [`Error::Data`] for what stands in place of the file; [`Error::Json`].
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = read_text(path)?;
    serde_json::from_str(&text).map_err(|source| Error::Json { path: path.to_owned(), source })
}

/// Writes a JSON file.
///
/// # Errors
/// [`Error::Json`] where `value` has no form in JSON; [`Error::Data`] where the file cannot be written.
pub fn write(path: &Path, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|source| Error::Json { path: path.to_owned(), source })?;
    Ok(files::write(path, text + "\n")?)
}
