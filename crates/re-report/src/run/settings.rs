//! The resolved settings of a run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use re_data::NoRelation;
use serde::Deserialize;
use toml::{Table, Value};

use crate::error::{Error, Result};

/// Settings of a run, as its `config.toml` says.
///
/// All of them are known by key and text, whatever they are; those that a report acts upon are also known by
/// value.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    texts: BTreeMap<String, String>,
    pub(crate) known: Known,
}

/// The settings that a report acts upon.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Known {
    pub data: Data,
    pub model: Model,
    pub training: Training,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Data {
    train: PathBuf,
    validation: PathBuf,
    test: PathBuf,
    pub additional: Vec<PathBuf>,
    pub val_size: f64,
    pub lenient: bool,
    pub fold: Option<Fold>,
    pub target: Option<String>,
    pub no_relation: Option<NoRelation>,
    /// There where the rows are pairs of the mentions of documents.
    pub pairs: Option<Table>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Fold {
    pub number: u64,
    pub of: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Model {
    pub folder: PathBuf,
    pub layers: Option<u64>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Training {
    pub steps: u64,
    pub seed: Option<u64>,
}

impl Data {
    pub(crate) fn train(&self) -> Option<&Path> {
        named(&self.train)
    }

    pub(crate) fn validation(&self) -> Option<&Path> {
        named(&self.validation)
    }

    pub(crate) fn test(&self) -> Option<&Path> {
        named(&self.test)
    }
}

/// Settings write a file that was not given as an empty name.
fn named(path: &Path) -> Option<&Path> {
    (!path.as_os_str().is_empty()).then_some(path)
}

impl Settings {
    /// Reads settings from the text of a TOML file, which errors call `path`.
    ///
    /// # Errors
    /// [`Error::Toml`].
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let fault =
            |key: String, source| Error::Toml { path: path.to_owned(), key, source: Box::new(source) };
        let table: Table = text.parse().map_err(|source| fault("syntax".to_owned(), source))?;
        let mut texts = BTreeMap::new();
        flatten("", &Value::Table(table.clone()), &mut texts);
        let known = serde_path_to_error::deserialize(table).map_err(|error| {
            let key = error.path().to_string();
            fault(key, error.into_inner())
        })?;
        Ok(Self { texts, known })
    }

    /// All settings in the order of their keys, as dotted key and text.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts.iter().map(|(key, text)| (key.as_str(), text.as_str()))
    }

    /// The text of one setting, such as `training.learning_rate`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.texts.get(key).map(String::as_str)
    }
}

fn flatten(key: &str, value: &Value, texts: &mut BTreeMap<String, String>) {
    match value {
        Value::Table(table) => {
            for (name, value) in table {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                flatten(&key, value, texts);
            }
        }
        Value::Array(values) if values.iter().any(Value::is_table) => {
            for (at, value) in values.iter().enumerate() {
                flatten(&format!("{key}[{at}]"), value, texts);
            }
        }
        other => {
            texts.insert(key.to_owned(), text(other));
        }
    }
}

/// A value as people write it: no quotes around a string, and 1e-5 instead of 0.00001.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Float(number) if *number != 0.0 && number.abs() < 1e-3 => format!("{number:e}"),
        Value::Array(values) => values.iter().map(text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_has_a_dotted_key() {
        let text = "head = \"cls\"\n[training]\nlearning_rate = 0.00001\nsteps = 5\n\
                    [plan]\nname = \"vote\"\n[[plan.members]]\nmember = \"a\"\n[[plan.members]]\nmember = \"b\"\n";
        let settings = Settings::parse(text, Path::new("c.toml")).unwrap();
        let all: Vec<_> = settings.iter().collect();
        let expected = [
            ("head", "cls"),
            ("plan.members[0].member", "a"),
            ("plan.members[1].member", "b"),
            ("plan.name", "vote"),
            ("training.learning_rate", "1e-5"),
            ("training.steps", "5"),
        ];
        assert_eq!(all, expected);
        assert_eq!(settings.known.training.steps, 5);
    }

    #[test]
    fn errors_name_the_key() {
        for (text, expected) in [
            ("head = ", "c.toml: syntax"),
            ("[data]\ntrain = 3\n", "c.toml: data.train"),
            ("[training]\nseed = -1\n", "c.toml: training.seed"),
        ] {
            let error = Settings::parse(text, Path::new("c.toml")).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
