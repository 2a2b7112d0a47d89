//! Parts of a caller's own: a head, a markup, a loss and a metric that no setting can name.

use std::fmt;
use std::sync::Arc;

use re_data::Markup;
use re_model::{Builder, EncoderConfig, Head};
use re_train::{OwnLoss, OwnMetric};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What an experiment is made of that its settings cannot say. What is left out is as the settings say.
///
/// The names of the parts are settings: `config.toml` records them, and a run goes on only with parts of the same names.
#[derive(Debug, Clone, Default)]
pub struct OwnParts {
    /// What stands on the encoder.
    pub head: Option<OwnHead>,
    /// How entities are written into the input.
    pub markup: Option<Arc<dyn Markup>>,
    /// What logits are held against.
    pub loss: Option<Arc<dyn OwnLoss>>,
    /// What the best step is chosen by, higher is better.
    pub metric: Option<Arc<dyn OwnMetric>>,
}

/// A head of the caller's own.
#[derive(Clone)]
pub struct OwnHead {
    name: String,
    make: Arc<MakeHead>,
}

type MakeHead =
    dyn Fn(&mut Builder<'_>, &EncoderConfig, i64) -> re_model::Result<Box<dyn Head>> + Send + Sync;

impl OwnHead {
    /// A head that `make` builds for an encoder and a number of classes; its parameters come from the [`Builder`].
    pub fn new(
        name: impl Into<String>,
        make: impl Fn(&mut Builder<'_>, &EncoderConfig, i64) -> re_model::Result<Box<dyn Head>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self { name: name.into(), make: Arc::new(make) }
    }

    /// What settings and messages call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// As [`HeadChoice::Own`](re_model::HeadChoice::Own) and [`TrainedParts`](re_model::TrainedParts) take it.
    pub(crate) fn builder(&self) -> re_model::classifier::HeadBuilder {
        let make = Arc::clone(&self.make);
        Box::new(move |builder, config, classes| make(builder, config, classes))
    }
}

impl fmt::Debug for OwnHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnHead").field(&self.name).finish()
    }
}

/// Parts are the same where their names are: what they do cannot be compared.
impl PartialEq for OwnParts {
    fn eq(&self, other: &Self) -> bool {
        self.names() == other.names()
    }
}

impl OwnParts {
    /// What they are called.
    pub fn names(&self) -> PartNames {
        PartNames {
            head: self.head.as_ref().map(|head| head.name().to_owned()),
            markup: self.markup.as_ref().map(|markup| markup.name().to_owned()),
            loss: self.loss.as_ref().map(|loss| loss.name().to_owned()),
            metric: self.metric.as_ref().map(|metric| metric.name().to_owned()),
        }
    }

    /// Makes sure that they are those that the settings name.
    pub(crate) fn check(&self, named: &PartNames) -> Result<()> {
        let given = self.names();
        let parts = [
            ("own.head", &given.head, &named.head),
            ("own.markup", &given.markup, &named.markup),
            ("own.loss", &given.loss, &named.loss),
            ("own.metric", &given.metric, &named.metric),
        ];
        match parts.into_iter().find(|(_, given, named)| given != named) {
            None => Ok(()),
            Some((key, given, named)) => Err(mismatch(key, given, named)),
        }
    }

    /// The head and the markup of a model that was trained with parts of these names.
    ///
    /// # Errors
    /// [`re_train::Error::Config`] where one of them is not among these.
    pub(crate) fn of_model(&self, trained: &PartNames) -> Result<Self> {
        let own = self.names();
        let needed = [("own.head", &trained.head, &own.head), ("own.markup", &trained.markup, &own.markup)];
        for (key, needed, own) in needed {
            if needed.is_some() && needed != own {
                return Err(mismatch(key, own, needed));
            }
        }
        Ok(Self {
            head: self.head.clone().filter(|_| trained.head.is_some()),
            markup: self.markup.clone().filter(|_| trained.markup.is_some()),
            ..Self::default()
        })
    }
}

/// Names of parts of the caller's own, as settings record them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PartNames {
    /// Name of the head; none where `head` says which it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// Name of the markup; none where `markup` says which it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub markup: Option<String>,
    /// Name of the loss; none where `training.loss` says which it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<String>,
    /// Name of the metric; none where `training.metric` says which it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
}

impl PartNames {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn mismatch(key: &'static str, given: &Option<String>, named: &Option<String>) -> Error {
    let given = given.as_ref().map_or("no part".to_owned(), |name| format!("{name:?}"));
    let expected = match named {
        Some(name) => format!("{name:?}, given as OwnParts by the program that defines it"),
        None => "none, as in the settings".to_owned(),
    };
    Error::config(key, given, expected)
}
