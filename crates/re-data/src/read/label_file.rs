//! Label sets from files.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::Value;

use super::pickle::{self, Scalar};
use crate::error::{Error, Result};
use crate::json::UniqueKeys;
use crate::labels::LabelSet;
use crate::text::{brief, quoted};

/// Largest label file in bytes.
const MAX_SIZE: u64 = 1 << 20;

impl LabelSet {
    /// Reads a label set from a file:
    ///
    /// - `.pkl`, `.pickle`: a pickled dict of names and class ids, in either direction, such as the
    ///   competition's `label_type.pkl`; no code in it is run,
    /// - `.json`: an object of names and class ids, in either direction, or an array of names in class order,
    /// - any other: text with one name a line, in class order.
    ///
    /// What is invisible at the edges of a name is no part of it.
    ///
    /// ```no_run
    /// let labels = re_data::LabelSet::from_path("label_type.pkl")?;
    /// # Ok::<(), re_data::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read; [`Error::LabelSet`] where it is malformed or larger than
    /// 1 MiB, a name (or a key) is empty or stands twice, or the ids are not 0, 1, 2, ... each once.
    pub fn from_path(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let fault = |reason: String| Error::LabelSet { path: Some(path.to_owned()), reason };
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(MAX_SIZE + 1).read_to_end(&mut bytes))
            .map_err(|e| Error::io(path, e))?;
        if bytes.len() as u64 > MAX_SIZE {
            return Err(fault(format!("found more than {MAX_SIZE} bytes, expected a list of labels")));
        }
        let extension = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
        let names = match extension.as_deref() {
            Some("pkl" | "pickle") => pickled(&bytes),
            Some("json") => json(&bytes),
            _ => lines(&bytes),
        };
        Self::new(names.map_err(fault)?).map_err(|error| match error {
            Error::LabelSet { reason, .. } => fault(reason),
            other => other,
        })
    }
}

fn pickled(bytes: &[u8]) -> Result<Vec<String>, String> {
    let pairs = pickle::dict(bytes)?.into_iter().map(|pair| match pair {
        (Scalar::Text(name), Scalar::Int(id)) | (Scalar::Int(id), Scalar::Text(name)) => {
            Ok((name.to_string(), id))
        }
        (key, value) => {
            Err(format!("found {}, expected a name and a class id", brief(&format!("{key:?}: {value:?}"))))
        }
    });
    in_order(pairs.collect::<Result<_, _>>()?)
}

fn json(bytes: &[u8]) -> Result<Vec<String>, String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let fault = |e: serde_json::Error| format!("found {}, expected JSON", brief(&e.to_string()));
    // `Value` would keep the last of two equal keys.
    if bytes.trim_ascii_start().starts_with(b"{") {
        let UniqueKeys(map) = serde_json::from_slice(bytes).map_err(fault)?;
        let pairs = map.into_iter().map(|(key, value)| match (&value, value.as_i64(), key.parse()) {
            (_, Some(id), _) => Ok((key, id)),
            (Value::String(name), _, Ok(id)) => Ok((name.clone(), id)),
            _ => {
                let value = brief(&value.to_string());
                Err(format!("found {}: {value}, expected a name and a class id", quoted(&key)))
            }
        });
        return in_order(pairs.collect::<Result<_, _>>()?);
    }
    match serde_json::from_slice(bytes).map_err(fault)? {
        Value::Array(names) => names
            .into_iter()
            .map(|name| match name {
                Value::String(name) => Ok(name),
                other => Err(format!("found {}, expected a name", brief(&other.to_string()))),
            })
            .collect(),
        _ => Err("expected an object of names and class ids or an array of names".to_owned()),
    }
}

fn lines(bytes: &[u8]) -> Result<Vec<String>, String> {
    let text = std::str::from_utf8(bytes).map_err(|e| format!("found bytes that are not UTF-8 ({e})"))?;
    Ok(text.trim_start_matches('\u{feff}').lines().map(str::to_owned).collect())
}

/// The names by class id, which must be 0, 1, 2, ... each once.
fn in_order(mut pairs: Vec<(String, i64)>) -> Result<Vec<String>, String> {
    pairs.sort_by_key(|(_, id)| *id);
    for (expected, (name, id)) in pairs.iter().enumerate() {
        if i64::try_from(expected) != Ok(*id) {
            return Err(format!(
                "{} has class id {id} where {expected} is due (ids must be 0 to {}, each once)",
                quoted(name),
                pairs.len() - 1
            ));
        }
    }
    Ok(pairs.into_iter().map(|(name, _)| name).collect())
}
