//! Label sets from files.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use re_data::LabelSet;
use re_data::text::{brief, quoted};
use re_pickle::{Plain, Value};
use serde_json::Value as Json;

use crate::error::{Error, Result};
use crate::json::UniqueKeys;

/// Largest label file in bytes.
const MAX_SIZE: u64 = 1 << 20;

/// Reads a label set from a file:
///
/// - `.pkl`, `.pickle`: a pickled dict of names and class ids, in either direction, such as the
///   competition's `label_type.pkl`; no code in it is run,
/// - `.json`: an object of names and class ids, in either direction, or an array of names in class order, or the
///   `config.json` of a model, whose `label2id` is such an object,
/// - any other: text with one name a line, in class order.
///
/// What is invisible at the edges of a name is no part of it.
///
/// ```no_run
/// let labels = re_formats::read::labels("label_type.pkl")?;
/// # Ok::<(), re_formats::Error>(())
/// ```
///
/// # Errors
/// [`re_data::Error::Io`] where the file cannot be read; [`re_data::Error::LabelSet`] where it is malformed or larger than
/// 1 MiB, a name (or a key) is empty or is duplicated, or the ids are not 0, 1, 2, ... each once.
pub fn labels(path: impl AsRef<Path>) -> Result<LabelSet> {
    let path = path.as_ref();
    let fault =
        |reason: String| Error::Data(re_data::Error::LabelSet { path: Some(path.to_owned()), reason });
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
    LabelSet::new(names.map_err(fault)?).map_err(|error| match error {
        re_data::Error::LabelSet { reason, .. } => fault(reason),
        other => other.into(),
    })
}

fn pickled(bytes: &[u8]) -> Result<Vec<String>, String> {
    let (values, root) = re_pickle::read(bytes, &mut Plain).map_err(|fault| fault.to_string())?;
    let Value::Dict(items) = values.value(root) else {
        return Err(format!("the pickle holds {}, expected a dict", values.value(root).kind()));
    };
    let pairs = items.iter().map(|&(key, value)| match (values.value(key), values.value(value)) {
        (Value::Text(name), Value::Int(id)) | (Value::Int(id), Value::Text(name)) => {
            Ok((name.to_string(), *id))
        }
        (key, value) => {
            Err(format!("found {} and {}, expected a name and a class id", key.kind(), value.kind()))
        }
    });
    in_order(pairs.collect::<Result<_, _>>()?)
}

fn json(bytes: &[u8]) -> Result<Vec<String>, String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let fault = |e: serde_json::Error| format!("found {}, expected JSON", brief(&e.to_string()));
    // `Json` would keep the last of two equal keys.
    if bytes.trim_ascii_start().starts_with(b"{") {
        let UniqueKeys(mut map) = serde_json::from_slice(bytes).map_err(fault)?;
        // The settings of a model have much else.
        if let Some(Json::Object(names)) = map.get_mut("label2id") {
            map = std::mem::take(names);
        }
        let pairs = map.into_iter().map(|(key, value)| match (&value, value.as_i64(), key.parse()) {
            (_, Some(id), _) => Ok((key, id)),
            (Json::String(name), _, Ok(id)) => Ok((name.clone(), id)),
            _ => {
                let value = brief(&value.to_string());
                Err(format!("found {}: {value}, expected a name and a class id", quoted(&key)))
            }
        });
        return in_order(pairs.collect::<Result<_, _>>()?);
    }
    match serde_json::from_slice(bytes).map_err(fault)? {
        Json::Array(names) => names
            .into_iter()
            .map(|name| match name {
                Json::String(name) => Ok(name),
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
