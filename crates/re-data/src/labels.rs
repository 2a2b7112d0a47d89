//! The closed set of relations a classifier chooses from.

mod benchmarks;
mod no_relation;

use std::collections::{BTreeSet, HashMap};

use crate::error::{Error, Result};
use crate::example::RelationExample;
use crate::text::{quoted, trim_invisible};

pub use no_relation::NoRelation;

use no_relation::CUSTOMARY;

/// Relations in a fixed order: position = class id = column of every matrix of logits or probabilities.
///
/// ```
/// use re_data::LabelSet;
/// let labels = LabelSet::new(["no_relation", "per:spouse"])?;
/// assert_eq!(labels.id("per:spouse"), Some(1));
/// assert_eq!(labels.no_relation(), Some(0));
/// # Ok::<(), re_data::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelSet {
    names: Vec<String>,
    ids: HashMap<String, usize>,
    no_relation: Option<usize>,
}

impl LabelSet {
    /// A label set in the given order, its names without what is invisible at their edges ([`trim_invisible`]), as labels
    /// everywhere. A name that corpora commonly use for "no relation" (`관계_없음`, `no_relation`, `Other`, `NA`) is
    /// recognised as such.
    ///
    /// # Errors
    /// [`Error::LabelSet`] where there is no name, an empty one or a duplicated one.
    pub fn new<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Result<Self> {
        let names = names.into_iter().map(|name| trim_invisible(&name.into()).to_owned());
        let names: Vec<String> = names.collect();
        let fault = |reason: String| Err(Error::LabelSet { path: None, reason });
        if names.is_empty() {
            return fault("found no label, expected at least one".into());
        }
        let mut ids = HashMap::with_capacity(names.len());
        for (id, name) in names.iter().enumerate() {
            if name.is_empty() {
                return fault(format!("class {id} has an empty name"));
            }
            if let Some(first) = ids.insert(name.clone(), id) {
                return fault(format!("{} is the name of class {first} and of class {id}", quoted(name)));
            }
        }
        let no_relation = CUSTOMARY.iter().find_map(|name| ids.get(*name).copied());
        Ok(Self { names, ids, no_relation })
    }

    /// The set of all `names`, however often each stands: sorted, but the one that says "no relation" first. That is the
    /// one that `no_relation` names, if it stands among them; a customary name where nothing is said.
    ///
    /// # Errors
    /// As [`LabelSet::new`].
    pub fn of_names<'a>(
        names: impl IntoIterator<Item = &'a str>,
        no_relation: Option<&NoRelation>,
    ) -> Result<Self> {
        let names: BTreeSet<&str> = names.into_iter().map(trim_invisible).collect();
        let mut names: Vec<&str> = names.into_iter().collect();
        let decided = |names: &[&str]| {
            let labels = Self::new(names.iter().copied())?;
            match no_relation {
                Some(choice) => {
                    let name = choice.among(&labels);
                    labels.with_no_relation(name)
                }
                None => Ok(labels),
            }
        };
        if let Some(none) = decided(&names)?.no_relation() {
            let name = names.remove(none);
            names.insert(0, name);
        }
        decided(&names)
    }

    /// The same set with another class, or none, in the role of "no relation".
    ///
    /// # Errors
    /// [`Error::LabelSet`] where `name` is not in the set.
    pub fn with_no_relation(mut self, name: Option<&str>) -> Result<Self> {
        self.no_relation = match name {
            None => None,
            Some(name) => Some(self.id(name).ok_or_else(|| Error::LabelSet {
                path: None,
                reason: format!("the no-relation class {} is not in the set", quoted(name)),
            })?),
        };
        Ok(self)
    }

    /// Number of classes.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Always false: a label set has at least one class.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Names in class order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Name of a class.
    pub fn name(&self, id: usize) -> Option<&str> {
        self.names.get(id).map(String::as_str)
    }

    /// Class of a name, whatever is invisible at its edges.
    pub fn id(&self, name: &str) -> Option<usize> {
        self.ids.get(trim_invisible(name)).copied()
    }

    /// The class that says "no relation", if the set has one.
    pub fn no_relation(&self) -> Option<usize> {
        self.no_relation
    }

    /// Class of an example's label, `None` where it has no label.
    ///
    /// # Errors
    /// [`Error::UnknownLabel`] where the label is not in the set.
    pub fn class_of(&self, example: &RelationExample) -> Result<Option<usize>> {
        example
            .label()
            .map(|label| {
                self.id(label).ok_or_else(|| Error::UnknownLabel {
                    id: example.id().to_owned(),
                    found: label.to_owned(),
                    expected: self.len(),
                })
            })
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_must_be_unique_and_present() {
        for bad in [vec![], vec!["a", ""], vec!["a", "b", "a"]] {
            assert!(LabelSet::new(bad).is_err());
        }
    }

    #[test]
    fn invisible_edges_make_no_other_class() {
        let labels = LabelSet::new(["x\r", "\u{feff}none"]).unwrap();
        assert_eq!(labels.names(), ["x", "none"]);
        assert_eq!((labels.id("x "), labels.id("\u{a0}none")), (Some(0), Some(1)));
        assert_eq!(labels.clone().with_no_relation(Some("none\n")).unwrap().no_relation(), Some(1));
        assert_eq!(LabelSet::of_names(["x", "x ", "\u{200b}x"], None).unwrap().names(), ["x"]);
        let error = LabelSet::new(["x", "x\u{a0}"]).unwrap_err().to_string();
        assert_eq!(error, "label set: \"x\" is the name of class 0 and of class 1");
        assert!(LabelSet::new(["x", " \r"]).is_err());
    }

    #[test]
    fn labels_that_occur_are_sorted_behind_no_relation() {
        let of = |choice: Option<&str>| {
            let choice = choice.map(NoRelation::from);
            let labels = LabelSet::of_names(["b", "no_relation", "a", "b"], choice.as_ref()).unwrap();
            (labels.names().join(" "), labels.no_relation())
        };
        assert_eq!(of(None), ("no_relation a b".to_owned(), Some(0)));
        assert_eq!(of(Some("b")), ("b a no_relation".to_owned(), Some(0)));
        assert_eq!(of(Some("")), ("a b no_relation".to_owned(), None));
        assert!(LabelSet::of_names([], None).is_err());
    }

    #[test]
    fn the_no_relation_class_is_known_or_chosen() {
        let labels = LabelSet::new(["x", "Other"]).unwrap();
        assert_eq!(labels.no_relation(), Some(1));
        assert_eq!(labels.clone().with_no_relation(Some("x")).unwrap().no_relation(), Some(0));
        assert_eq!(labels.clone().with_no_relation(None).unwrap().no_relation(), None);
        assert!(labels.with_no_relation(Some("y")).is_err());
    }
}
