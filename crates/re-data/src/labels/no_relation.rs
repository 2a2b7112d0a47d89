//! Which class says "no relation".

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::LabelSet;
use crate::text::{quoted, trim_invisible};

/// Names that corpora use for "no relation between the two".
pub(super) const CUSTOMARY: [&str; 4] = ["관계_없음", "no_relation", "Other", "NA"];

/// Which class says "no relation", as a setting or a flag names it.
///
/// In text (`FromStr`, `Display`, serde) it is the name of the class, and empty where there is none.
///
/// ```
/// use re_data::{LabelSet, NoRelation};
/// let labels = LabelSet::new(["none", "Other"])?;
/// let named = NoRelation::from("none");
/// assert_eq!(labels.clone().with_no_relation(named.name())?.no_relation(), Some(0));
/// assert_eq!(labels.with_no_relation(NoRelation::from("").name())?.no_relation(), None);
/// # Ok::<(), re_data::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum NoRelation {
    /// The class of this name.
    Class(String),
    /// No class: all of them are relations.
    Absent,
}

impl NoRelation {
    /// The name of the class, if there is one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Class(name) => Some(name),
            Self::Absent => None,
        }
    }

    /// The name of the class where it is among `labels`, which may be relations alone.
    pub fn among(&self, labels: &LabelSet) -> Option<&str> {
        self.name().filter(|name| labels.id(name).is_some())
    }
}

impl From<&str> for NoRelation {
    fn from(name: &str) -> Self {
        match trim_invisible(name) {
            "" => Self::Absent,
            name => Self::Class(name.to_owned()),
        }
    }
}

impl From<String> for NoRelation {
    fn from(name: String) -> Self {
        name.as_str().into()
    }
}

impl From<NoRelation> for String {
    fn from(choice: NoRelation) -> Self {
        choice.to_string()
    }
}

impl FromStr for NoRelation {
    type Err = Infallible;

    fn from_str(name: &str) -> Result<Self, Infallible> {
        Ok(name.into())
    }
}

impl fmt::Display for NoRelation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name().unwrap_or_default())
    }
}

impl LabelSet {
    /// What there is to know where nobody has said which class says "no relation", so that the customary names decide.
    /// `setting` is what says it, such as `data.no_relation`.
    pub fn guessed_no_relation(&self, setting: &str) -> String {
        match self.no_relation_name() {
            Some(name) => format!(
                "label {} is taken for \"no relation\" because of its name: {setting} names another label, or \
                 \"\" where none says it",
                quoted(name)
            ),
            None => format!(
                "no label has a customary name for \"no relation\", so that micro-F1 is the accuracy: {setting} names \
                 the label, or \"\" where none says it"
            ),
        }
    }

    /// Name of the class that says "no relation", if the set has one.
    pub fn no_relation_name(&self) -> Option<&str> {
        self.no_relation().and_then(|class| self.name(class))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_name_is_none() {
        for (text, choice) in [("", NoRelation::Absent), ("x", NoRelation::Class("x".to_owned()))] {
            assert_eq!(text.parse::<NoRelation>().unwrap(), choice);
            assert_eq!(serde_json::to_string(&choice).unwrap(), format!("{text:?}"));
            assert_eq!(serde_json::from_str::<NoRelation>(&format!("{text:?}")).unwrap(), choice);
        }
    }

    #[test]
    fn a_guess_names_the_label_and_the_setting() {
        let said = |names: &[&str]| {
            LabelSet::new(names.iter().copied()).unwrap().guessed_no_relation("data.no_relation")
        };
        assert!(said(&["a", "Other"]).starts_with("label \"Other\" is taken"));
        assert!(said(&["a", "none"]).starts_with("no label has a customary name"));
        assert!(said(&["a", "none"]).contains("data.no_relation names the label"));
    }
}
