//! Settings from several sources, the later ones over the earlier ones.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::Experiment;
use crate::error::{Error, Result};

/// Key of a file whose settings the present one only changes.
const EXTENDS: &str = "extends";

/// Settings laid over each other: files, texts and single keys.
///
/// A file may begin with `extends = "OTHER.toml"` (relative to itself); a table is merged key by key, except one
/// that chooses by `name` another thing than the layer below, which replaces it; any other value replaces the
/// one below.
///
/// ```
/// use re_train::experiment::Layers;
/// let experiment = Layers::default()
///     .text("training = { steps = 10, batch_size = 4 }", "base.toml")?
///     .set("training.steps=20")?
///     .experiment()?;
/// assert_eq!((experiment.training.steps, experiment.training.batch_size), (20, 4));
/// # Ok::<(), re_train::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Layers {
    table: Table,
    path: PathBuf,
}

impl Layers {
    /// Lays a TOML file over what is there, after the files that it extends.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Toml`] with the path of the key that is unknown or of the wrong kind;
    /// [`Error::Config`] where files extend each other in a circle.
    pub fn file(self, path: impl AsRef<Path>) -> Result<Self> {
        self.file_after(path.as_ref(), &mut Vec::new())
    }

    fn file_after(self, path: &Path, seen: &mut Vec<PathBuf>) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::io(path, source))?;
        if seen.iter().any(|other| other == path) {
            return Err(Error::Config {
                key: EXTENDS,
                found: path.display().to_string(),
                expected: "a file that does not extend itself".to_owned(),
            });
        }
        seen.push(path.to_owned());
        let mut table = parse(&text, path)?;
        let below = match table.remove(EXTENDS) {
            None => self,
            Some(Value::String(name)) => {
                self.file_after(&path.parent().unwrap_or(Path::new("")).join(name), seen)?
            }
            Some(other) => {
                return Err(Error::Config {
                    key: EXTENDS,
                    found: other.to_string(),
                    expected: "the name of a TOML file, as a string".to_owned(),
                });
            }
        };
        below.table(table, path).map_err(|error| with_line(&text, path, error))
    }

    /// Lays the text of a TOML file, which errors call `path`, over what is there.
    ///
    /// # Errors
    /// As [`Layers::file`].
    pub fn text(self, text: &str, path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        self.table(parse(text, path)?, path).map_err(|error| with_line(text, path, error))
    }

    /// Sets one key, given as `training.steps=20`. The value is TOML; what is no TOML is taken as a string.
    ///
    /// # Errors
    /// [`Error::Config`] where there is no `=`, and as [`Layers::file`].
    pub fn set(self, assignment: &str) -> Result<Self> {
        let Some((key, value)) = assignment.split_once('=') else {
            return Err(Error::Config {
                key: "--set",
                found: assignment.to_owned(),
                expected: "KEY=VALUE, such as training.steps=100".to_owned(),
            });
        };
        let value = value.trim();
        let value = match toml::from_str::<Table>(&format!("value = {value}")) {
            Ok(mut table) => table.remove("value").unwrap_or_else(|| Value::String(value.to_owned())),
            Err(_) => Value::String(value.to_owned()),
        };
        let nested = key.trim().rsplit('.').fold(value, |inner, part| {
            let mut table = Table::new();
            table.insert(part.to_owned(), inner);
            Value::Table(table)
        });
        let Value::Table(table) = nested else { return Ok(self) };
        self.table(table, Path::new("--set"))
    }

    /// The settings of an experiment, to lay others over them.
    pub(super) fn of(experiment: &Experiment) -> Result<Self> {
        Self::default().text(&experiment.to_toml()?, "settings")
    }

    /// Lays a table, which errors call `name`, over what is there.
    pub(super) fn over(self, table: &Table, name: &str) -> Result<Self> {
        self.table(table.clone(), Path::new(name))
    }

    fn table(mut self, table: Table, path: &Path) -> Result<Self> {
        merge(&mut self.table, table);
        path.clone_into(&mut self.path);
        // Checked layer by layer, so that an error names the file that has the fault.
        read(&self.table, path)?;
        Ok(self)
    }

    /// What the settings say, each one that is left out at its default.
    ///
    /// # Errors
    /// [`Error::Toml`].
    pub fn experiment(&self) -> Result<Experiment> {
        read(&self.table, &self.path)
    }
}

fn parse(text: &str, path: &Path) -> Result<Table> {
    text.parse().map_err(|source| Error::Toml {
        path: path.to_owned(),
        key: "syntax".to_owned(),
        source: Box::new(source),
    })
}

fn read(table: &Table, path: &Path) -> Result<Experiment> {
    serde_path_to_error::deserialize(table.clone()).map_err(|error| Error::Toml {
        path: path.to_owned(),
        key: error.path().to_string(),
        source: Box::new(error.into_inner()),
    })
}

/// The same error with the line, where the text alone has the fault too.
fn with_line(text: &str, path: &Path, error: Error) -> Error {
    let Ok(document) = toml::Deserializer::parse(text) else { return error };
    match serde_path_to_error::deserialize::<_, Experiment>(document) {
        Err(fault) if !text.contains(EXTENDS) => Error::Toml {
            path: path.to_owned(),
            key: fault.path().to_string(),
            source: Box::new(fault.into_inner()),
        },
        _ => error,
    }
}

fn merge(below: &mut Table, above: Table) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) if !chooses_anew(below, &above) => {
                merge(below, above);
            }
            (_, value) => {
                below.insert(key, value);
            }
        }
    }
}

/// Whether `above` names another markup, plan or the like, whose settings are not those of the one below.
fn chooses_anew(below: &Table, above: &Table) -> bool {
    above.get("name").is_some_and(|name| below.get("name") != Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_changes_the_one_it_extends() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("a.toml", "markup = { name = \"pair\" }\ntraining = { steps = 5, seed = 3 }\n");
        write("b.toml", "extends = \"a.toml\"\nmarkup = { name = \"plain\" }\ntraining.steps = 6\n");
        let experiment = Experiment::from_file(folder.path().join("b.toml")).unwrap();
        assert_eq!((experiment.training.steps, experiment.training.seed), (6, 3));
        assert_eq!(experiment.markup, re_data::MarkupConfig::Plain {});
        write("c.toml", "extends = \"c.toml\"\n");
        let error = Experiment::from_file(folder.path().join("c.toml")).unwrap_err();
        assert!(error.to_string().contains("does not extend itself"), "{error}");
    }

    #[test]
    fn single_keys_are_toml_or_words() {
        let set = |assignment: &str| Layers::default().set(assignment).and_then(|layers| layers.experiment());
        assert_eq!(set("training.batch_size = 4").unwrap().training.batch_size, 4);
        assert_eq!(set("training.device=cuda:0").unwrap().training.device, "cuda:0");
        assert_eq!(set("data.train=a b.tsv").unwrap().data.train, PathBuf::from("a b.tsv"));
        let error = set("training.stepz=4").unwrap_err().to_string();
        assert!(error.starts_with("--set: training"), "{error}");
        assert!(set("training.steps").unwrap_err().to_string().contains("KEY=VALUE"));
    }
}
