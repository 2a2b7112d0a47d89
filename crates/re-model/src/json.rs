//! Files of settings beside a model.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;

/// Reads a JSON file.
///
/// # Errors
/// [`Error::Data`] for what stands in place of the file; [`Error::Json`].
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    Ok(re_checkpoint::json::read(path)?)
}

/// Writes a JSON file.
///
/// # Errors
/// [`Error::Json`] where `value` has no form in JSON; [`Error::Data`] where the file cannot be written.
pub fn write(path: &Path, value: &impl Serialize) -> Result<()> {
    Ok(re_checkpoint::json::write(path, value)?)
}
