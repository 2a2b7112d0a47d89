//! The encoders that settings are read for.

use std::path::{Path, PathBuf};

use re_data::files;
use re_model::{EncoderConfig, hub};
use toml::{Table, Value};

use super::document::Document;
use crate::error::{Error, Result};

/// The encoders at hand: that of an experiment and, where they differ, those of the members of its vote.
///
/// ```no_run
/// use re_experiment::{Encoders, Layers};
/// let encoders = Encoders::new("bert-base-multilingual-cased", false)?
///     .with_member("xlmr", "xlm-roberta-large", false)?;
/// let experiment = Layers::for_encoders(encoders).file("examples/configs/ensembles.toml")?.experiment()?;
/// # Ok::<(), re_experiment::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Encoders {
    experiment: Option<Encoder>,
    members: Vec<(String, Encoder)>,
}

#[derive(Debug, Clone)]
struct Encoder {
    name: PathBuf,
    download: bool,
    hidden_size: i64,
}

impl Encoder {
    fn new(name: &Path, download: bool) -> Result<Self> {
        if name.to_str().is_none() {
            let expected = "a name in UTF-8, as settings are text";
            return Err(Error::config("--model", name.display().to_string(), expected));
        }
        let hidden_size = EncoderConfig::from_folder(&hub::model_folder(name, download)?)
            .map_err(re_model::Error::from)?
            .hidden_size;
        Ok(Self { name: name.to_owned(), download, hidden_size })
    }
}

impl Encoders {
    /// One encoder for everything: a folder or, with the feature `hub`, a model's name.
    ///
    /// # Errors
    /// Those of [`hub::model_folder`] and of reading its `config.json`.
    pub fn new(model: impl AsRef<Path>, download: bool) -> Result<Self> {
        Ok(Self { experiment: Some(Encoder::new(model.as_ref(), download)?), members: Vec::new() })
    }

    /// Another encoder for one member of a vote.
    ///
    /// # Errors
    /// As [`Encoders::new`].
    pub fn with_member(mut self, member: &str, model: impl AsRef<Path>, download: bool) -> Result<Self> {
        self.members.push((member.to_owned(), Encoder::new(model.as_ref(), download)?));
        Ok(self)
    }

    /// Encoders as a command line names them: `MODEL`, at most once, for everything, and `MEMBER=MODEL` for one member
    /// of a vote. What is a folder with this name is a model. `otherwise` stands in for the former; `None` where there
    /// is nothing.
    ///
    /// # Errors
    /// [`re_train::Error::Config`] where a model for everything is named twice, or only members are; [`re_train::Error::Data`] where one
    /// cannot look; as [`Encoders::new`].
    pub fn named<S: AsRef<str>>(
        models: &[S],
        otherwise: Option<&Path>,
        download: bool,
    ) -> Result<Option<Self>> {
        let (mut whole, mut members) = (Vec::new(), Vec::new());
        for model in models.iter().map(AsRef::as_ref) {
            match model.split_once('=') {
                Some(member) if !files::is_dir(model)? => members.push(member),
                _ => whole.push(Path::new(model)),
            }
        }
        let fault = |found: String, expected: &str| Err(Error::config("--model", found, expected));
        if let [_, second, ..] = whole.as_slice() {
            return fault(second.display().to_string(), "one model, and others as MEMBER=MODEL");
        }
        let Some(model) = whole.first().copied().or(otherwise) else {
            return match members.first() {
                None => Ok(None),
                Some((member, model)) => {
                    fault(format!("{member}={model}"), "a MODEL for the other members, too")
                }
            };
        };
        let mut encoders = Self::new(model, download)?;
        for (member, model) in members {
            encoders = encoders.with_member(member, model, download)?;
        }
        Ok(Some(encoders))
    }

    /// Those for the experiment of one member.
    pub(super) fn of_member(&self, member: &str) -> Self {
        let own = self.members.iter().find(|(name, _)| name == member).map(|(_, encoder)| encoder);
        Self { experiment: own.or(self.experiment.as_ref()).cloned(), members: Vec::new() }
    }

    /// The file to read in place of this one.
    pub(super) fn instead(&self, document: &Document) -> Option<PathBuf> {
        let (encoder, instead) = (self.experiment.as_ref()?, document.instead.as_ref()?);
        (encoder.hidden_size < instead.hidden_size_below).then(|| instead.extends.clone())
    }

    /// Enters the encoder into settings.
    pub(super) fn put_into(&self, table: &mut Table) {
        let Some(encoder) = &self.experiment else { return };
        let model = table.entry("model").or_insert_with(|| Value::Table(Table::new()));
        if let (Some(model), Some(name)) = (model.as_table_mut(), encoder.name.to_str()) {
            model.insert("folder".to_owned(), Value::String(name.to_owned()));
            if encoder.download {
                model.insert("download".to_owned(), Value::Boolean(true));
            }
        }
    }

    /// Makes sure that all members that encoders were given for exist.
    pub(super) fn check(&self, members: &[String]) -> Result<()> {
        match self.members.iter().find(|(name, _)| !members.contains(name)) {
            None => Ok(()),
            Some((name, encoder)) => Err(Error::config(
                "--model",
                format!("{name}={}", encoder.name.display()),
                match members {
                    [] => "one model: the experiment has no members".to_owned(),
                    members => format!("a model for one of the members {}", members.join(", ")),
                },
            )),
        }
    }
}
