//! JSON with errors that name the key.

use std::path::Path;

use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// Parses a text that should hold what `expected` says.
pub(super) fn parse<T: DeserializeOwned>(
    text: &str,
    path: &Path,
    line: Option<u64>,
    expected: &'static str,
) -> Result<T> {
    let fault = |key: String, source| Error::Json { path: path.to_owned(), line, key, expected, source };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|error| fault(error.path().to_string(), error.into_inner()))?;
    deserializer.end().map_err(|source| fault(".".to_owned(), source))?;
    Ok(value)
}
