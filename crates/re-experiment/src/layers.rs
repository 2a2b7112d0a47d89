//! Settings from several sources, the later ones over the earlier ones.

mod document;
mod encoders;
mod members;
mod table;

use std::path::{Path, PathBuf};

use re_data::files;
use toml::{Table, Value};

use crate::error::{Error, Result};
use crate::experiment::Experiment;

use document::Document;
pub use encoders::Encoders;
use table::merge;

/// Settings laid over each other: files, texts and single keys.
///
/// A table is merged key by key, except one that chooses by `name` another thing than the layer below, which
/// replaces it; any other value replaces the one below. Besides the settings of an [`Experiment`] a file may have:
///
/// - `extends = "OTHER.toml"` (relative to itself): its settings lie over those of the other one. The file at the end of
///   such a chain is the base, which holds what suits an encoder, while the others hold what the experiment is about;
///   [`Layers::on`] puts all of them on another base.
/// - `instead = { hidden_size_below = 512, extends = "SMALL.toml" }`, in a base: the file to take in its place for an
///   encoder that is narrower than this (see [`Encoders`]).
/// - `[for.NAME]`: settings that count only where a file `NAME.toml` lies below.
/// - `config` and `settings` in the members of a vote, see [`MemberConfig`](crate::MemberConfig).
///
/// ```
/// use re_experiment::Layers;
/// let experiment = Layers::default()
///     .text("training = { steps = 10, batch_size = 4 }", "base.toml")?
///     .set("training.steps=20")?
///     .experiment()?;
/// assert_eq!((experiment.training.steps, experiment.training.batch_size), (20, 4));
/// # Ok::<(), re_experiment::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Layers {
    table: Table,
    /// The latest source, for errors.
    path: PathBuf,
    /// Names of the files below.
    names: Vec<String>,
    /// Files that are being read, to find circles.
    open: Vec<PathBuf>,
    /// Single keys, which members of a vote are given, too.
    keys: Table,
    base: Option<PathBuf>,
    /// Whether a chain of files has ended with `base`, of the experiment or of a member.
    on_base: bool,
    encoders: Encoders,
    /// Where epochs were given over steps that lie below them.
    epochs_from: Option<PathBuf>,
}

/// Parses an argument of [`Layers::set`] no further than to its `=`, as command lines do before they read any file.
///
/// # Errors
/// What was expected, where the text is no assignment.
pub fn assignment(text: &str) -> std::result::Result<String, String> {
    split(text).map(|_| text.to_owned()).ok_or_else(|| format!("expected {ASSIGNMENT}"))
}

/// Parts of the longest key that may be set; each one is a table in the one before it.
const DEEPEST: usize = 64;

const ASSIGNMENT: &str = "KEY=VALUE, such as training.steps=100";

fn split(assignment: &str) -> Option<(&str, &str)> {
    let (key, value) = assignment.split_once('=')?;
    Some((key.trim(), value.trim())).filter(|(key, _)| !key.is_empty())
}

impl Experiment {
    /// Reads an experiment from a TOML file, and the files that it extends.
    ///
    /// # Errors
    /// As [`Layers::file`] and [`Layers::experiment`].
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        Layers::default().file(path)?.experiment()
    }

    /// Reads an experiment from the text of a TOML file; errors call it `path`.
    ///
    /// # Errors
    /// [`Error::Toml`] with the path of the key that is unknown, missing or of the wrong kind.
    pub fn parse(text: &str, path: impl AsRef<Path>) -> Result<Self> {
        Layers::default().text(text, path)?.experiment()
    }
}

/// A number of the training in settings.
fn number(settings: &Table, key: &str) -> Option<i64> {
    settings.get("training")?.get(key)?.as_integer()
}

impl Layers {
    /// Layers in which every chain of files ends with the file `base`, in place of the base it names.
    pub fn on(base: impl Into<PathBuf>) -> Self {
        Self { base: Some(base.into()), ..Self::default() }
    }

    /// Layers for these encoders: bases may name other ones for them, and the experiment uses them.
    pub fn for_encoders(encoders: Encoders) -> Self {
        Self { encoders, ..Self::default() }
    }

    /// Lays a TOML file over what is there, after the files that it extends.
    ///
    /// # Errors
    /// [`re_train::Error::Io`]; [`Error::Toml`] with line and path of the key that is unknown or of the wrong kind;
    /// [`re_train::Error::Config`] where files extend each other in a circle.
    pub fn file(self, path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let document = if self.open.is_empty() { Document::given(path)? } else { Document::open(path)? };
        self.document(document)
    }

    /// Lays the text of a TOML file, which errors call `path`, over what is there.
    ///
    /// # Errors
    /// As [`Layers::file`].
    pub fn text(self, text: &str, path: impl AsRef<Path>) -> Result<Self> {
        self.document(Document::parse(text.to_owned(), path.as_ref())?)
    }

    /// Sets one key, given as `training.steps=20`. The value is TOML; what is no TOML is taken as a string.
    ///
    /// Members of a vote get it, too, unless the key is one of the plan. It is meant to come after all files: members and
    /// [`Layers::scaled`] take its value even where a file that is laid over it says another one.
    ///
    /// # Errors
    /// [`re_train::Error::Config`] where there is no `=` or no key before it, and as [`Layers::file`].
    pub fn set(mut self, assignment: &str) -> Result<Self> {
        let (key, value) = split(assignment).ok_or_else(|| Error::config("--set", assignment, ASSIGNMENT))?;
        let depth = key.split('.').count();
        if depth > DEEPEST {
            let expected = format!("a key of at most {DEEPEST} parts");
            return Err(Error::config("--set", format!("a key of {depth} parts"), expected));
        }
        let value = match toml::from_str::<Table>(&format!("value = {value}")) {
            Ok(mut table) => table.remove("value").unwrap_or_else(|| Value::String(value.to_owned())),
            Err(_) => Value::String(value.to_owned()),
        };
        let nested = key.rsplit('.').fold(value, |inner, part| {
            let mut table = Table::new();
            table.insert(part.to_owned(), inner);
            Value::Table(table)
        });
        let Value::Table(mut table) = nested else { return Ok(self) };
        self.note_epochs(&table, Path::new("--set"));
        merge(&mut self.table, table.clone());
        table.remove("plan");
        merge(&mut self.keys, table);
        self.path = PathBuf::from("--set");
        self.resolved()?;
        Ok(self)
    }

    /// What to say where epochs were given that have no effect, as settings below them have steps.
    pub fn unused_epochs(&self) -> Option<String> {
        let (path, steps) =
            (self.epochs_from.as_ref()?, number(&self.table, "steps").filter(|steps| *steps > 0)?);
        Some(format!(
            "{}: training.epochs has no effect, as training.steps = {steps} in settings below it; training.steps=0 makes \
             the epochs count",
            path.display()
        ))
    }

    fn note_epochs(&mut self, above: &Table, path: &Path) {
        if number(above, "steps").is_some() {
            self.epochs_from = None;
        } else if number(above, "epochs").is_some()
            && number(&self.table, "steps").is_some_and(|steps| steps > 0)
        {
            self.epochs_from = Some(path.to_owned());
        }
    }

    /// Names of the files that lie here, from the lowest: `embedded_corpus` for `base/embedded_corpus.toml`.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// What the settings say, each one that is left out at its default.
    ///
    /// # Errors
    /// [`Error::Toml`]; [`re_train::Error::Config`] where an encoder is given for a member that the vote does not have, or no file
    /// extends another one whose place the base of [`Layers::on`] could take.
    pub fn experiment(&self) -> Result<Experiment> {
        match &self.base {
            Some(base) if !self.on_base => {
                let expected = "files of which one extends another, whose base it replaces";
                Err(Error::config("--base", base.display().to_string(), expected))
            }
            _ => self.resolved(),
        }
    }

    /// The experiment as [`Experiment::scale_steps`] makes it of another number of steps. What [`Layers::set`] has
    /// given stays as it was given.
    ///
    /// # Errors
    /// As [`Layers::experiment`].
    pub fn scaled(&self, steps: u64) -> Result<Experiment> {
        let mut experiment = self.experiment()?;
        experiment.scale_steps(steps);
        let given = |key: &str| self.keys.get("training")?.get(key)?.as_integer()?.try_into().ok();
        experiment.for_each(&mut |experiment| {
            let training = &mut experiment.training;
            for (key, value) in [
                ("eval_steps", &mut training.eval_steps),
                ("save_steps", &mut training.save_steps),
                ("stop_at_step", &mut training.stop_at_step),
                ("warmup_steps", &mut training.warmup_steps),
            ] {
                *value = given(key).unwrap_or(*value);
            }
        });
        Ok(experiment)
    }

    fn resolved(&self) -> Result<Experiment> {
        let mut table = self.table.clone();
        self.encoders.put_into(&mut table);
        members::expand(&mut table, &self.keys, &self.encoders)?;
        document::experiment(table).map_err(|fault| fault.into_error(&self.path, None))
    }

    fn document(mut self, mut document: Document) -> Result<Self> {
        // A text that is called like a file need not be there.
        let place = files::canonical(&document.path)?.unwrap_or_else(|| document.path.clone());
        if self.open.contains(&place) {
            let expected = "a file that does not extend itself or have itself as a member";
            return Err(Error::config("extends", document.path.display().to_string(), expected));
        }
        self.open.push(place);
        if let Some(other) = self.encoders.instead(&document) {
            self = self.document(Document::open(&other)?)?;
            self.open.pop();
            return Ok(self);
        }
        let below = self.clone();
        if let Some(other) = &document.extends {
            let other = Document::open(other)?;
            self = match self.base.take() {
                // The base itself may extend what it likes.
                Some(base) if other.extends.is_none() => {
                    let laid = self.document(Document::open(&base)?)?;
                    Self { base: Some(base), on_base: true, ..laid }
                }
                base => Self { base, ..self }.document(other)?,
            };
        }
        self.on_base |= below.read_members(&mut document)?;
        self.lay(document)?;
        self.open.pop();
        Ok(self)
    }

    /// Puts the settings of the files that members of a document name as `config` in their place; they lie on these layers,
    /// as the document itself does. True where one of them lies on the base of these.
    fn read_members(&self, document: &mut Document) -> Result<bool> {
        let mut table = std::mem::take(&mut document.table);
        let mut on_base = false;
        for member in members::all(&mut table) {
            let Some(config) = member.remove("config") else { continue };
            let Value::String(config) = config else {
                return document::fault(
                    "plan.members.config",
                    &config,
                    "the name of a TOML file, as a string",
                );
            };
            let encoders = self.encoders.of_member(&members::name(member));
            let own = Self { encoders, ..self.clone() }.file(document.beside(&config))?;
            on_base |= own.on_base;
            let mut experiment = own.table;
            own.encoders.put_into(&mut experiment);
            if let Some(Value::Table(settings)) = member.remove(members::SETTINGS) {
                merge(&mut experiment, settings);
            }
            member.insert(members::EXPERIMENT.to_owned(), Value::Table(experiment));
        }
        document.table = table;
        Ok(on_base)
    }

    fn lay(&mut self, document: Document) -> Result<()> {
        document.path.clone_into(&mut self.path);
        // Checked layer by layer, so that an error names the file that has the fault.
        let check = |table: &Table, prefix: &[String]| {
            let mut table = table.clone();
            members::expand(&mut table, &Table::new(), &Encoders::default())?;
            document::experiment(table)
                .map(drop)
                .map_err(|fault| fault.below(prefix).into_error(&document.path, Some(&document.text)))
        };
        self.note_epochs(&document.table, &document.path);
        merge(&mut self.table, document.table.clone());
        check(&self.table, &[])?;
        for (name, settings) in &document.conditional {
            let mut table = self.table.clone();
            merge(&mut table, settings.clone());
            check(&table, &["for".to_owned(), name.clone()])?;
            if self.names.contains(name) {
                self.table = table;
            }
        }
        self.names.extend(document.name());
        Ok(())
    }
}

#[cfg(test)]
mod tests;
