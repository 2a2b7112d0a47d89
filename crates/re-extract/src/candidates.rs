//! Which relations the types of two mentions allow.

use re_data::{Document, LabelSet, Pair};

use crate::constraints::TypeConstraints;
use crate::settings::GraphSettings;

/// For each two types among the mentions of a document, the classes that may join them.
pub(crate) struct TypeTable {
    /// Number of the type of each mention.
    kinds: Vec<usize>,
    /// Number of types.
    count: usize,
    /// For each type of subject, for each type of object, whether each class is allowed; empty where none is.
    allowed: Vec<Vec<bool>>,
}

impl TypeTable {
    /// `constraints` are [closed](TypeConstraints::closed).
    pub(crate) fn new(document: &Document, labels: &LabelSet, constraints: &TypeConstraints) -> Self {
        if constraints.is_empty() {
            let allowed = vec![vec![true; labels.len()]];
            return Self { kinds: vec![0; document.mentions().len()], count: 1, allowed };
        }
        let mut known: Vec<Option<&str>> = Vec::new();
        let mut kinds = Vec::with_capacity(document.mentions().len());
        for mention in document.mentions() {
            let kind = mention.kind();
            let number = known.iter().position(|known| *known == kind).unwrap_or_else(|| {
                known.push(kind);
                known.len() - 1
            });
            kinds.push(number);
        }
        let of = |(subject, object): (Option<&str>, Option<&str>)| {
            let allows = |(class, name): (usize, &String)| {
                labels.no_relation() != Some(class) && constraints.allows(name, subject, object)
            };
            let classes: Vec<bool> = labels.names().iter().enumerate().map(allows).collect();
            if classes.contains(&true) { classes } else { Vec::new() }
        };
        let pairs = known.iter().flat_map(|&subject| known.iter().map(move |&object| (subject, object)));
        Self { kinds, count: known.len(), allowed: pairs.map(of).collect() }
    }

    /// The classes that may join the mentions of a pair; `None` where no relation may.
    pub(crate) fn allowed(&self, pair: Pair) -> Option<&[bool]> {
        let (subject, object) = (self.kinds.get(pair.subject)?, self.kinds.get(pair.object)?);
        let classes = self.allowed.get(subject * self.count + object)?;
        (!classes.is_empty()).then_some(classes)
    }
}

impl GraphSettings {
    /// The pairs of a document that are judged: those that the rule lets pass, and whose types some relation joins.
    pub fn candidates(&self, document: &Document, labels: &LabelSet) -> Vec<Pair> {
        let table = TypeTable::new(document, labels, &self.constraints.closed(&self.properties));
        document.pairs(&self.rule).filter(|&pair| table.allowed(pair).is_some()).collect()
    }
}
