//! Members of a vote, aligned: rows by id, labels by name.

use std::collections::HashMap;
use std::sync::Arc;

use ndarray::{Array3, Axis};
use re_data::{LabelSet, Probabilities};

use crate::error::{Error, Result};

/// What one model says about some rows, with the name it goes by and its weight in a vote.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    name: String,
    probabilities: Probabilities,
    weight: f64,
}

impl Member {
    /// A member of weight 1. The name appears in errors and reports: a run, a file.
    pub fn new(name: impl Into<String>, probabilities: Probabilities) -> Self {
        Self { name: name.into(), probabilities, weight: 1.0 }
    }

    /// The same member with another weight: finite, at least 0, in any unit.
    #[must_use]
    pub fn with_weight(mut self, weight: f64) -> Self {
        self.weight = weight;
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it says.
    pub fn probabilities(&self) -> &Probabilities {
        &self.probabilities
    }

    /// Its weight.
    pub fn weight(&self) -> f64 {
        self.weight
    }
}

/// One or more members with the same rows in the same order and the same classes in the same order.
///
/// Whatever is computed from it does not depend on the order in which the members were given.
#[derive(Debug, Clone, PartialEq)]
pub struct Members {
    members: Vec<Member>,
    ids: Vec<String>,
    labels: Arc<LabelSet>,
}

impl Members {
    /// Aligns members that may have their rows and classes in different orders.
    ///
    /// Rows come out in the order of the first member. Classes come out in the order the members agree
    /// on; where they do not, in the alphabetically smallest of their orders, because ties are broken by
    /// class order and must not depend on which member stands first. [`Members::align_to`] chooses both.
    ///
    /// # Errors
    /// A typed error that names the member and the id or label where a name or an id is duplicated,
    /// ids or label sets differ, or a weight is no finite number >= 0.
    pub fn align(members: impl IntoIterator<Item = Member>) -> Result<Self> {
        let members: Vec<Member> = members.into_iter().collect();
        let first = members.first().ok_or(Error::NoMembers)?;
        let reference = first.name.clone();
        let ids = first.probabilities.ids().to_vec();
        row_numbers(&reference, &ids)?;
        let labels =
            common_labels(members.iter().map(|m| (m.name.as_str(), m.probabilities.labels())))?.clone();
        Self::align_with(members, &reference, ids, &labels)
    }

    /// Aligns members to given classes and rows.
    ///
    /// # Errors
    /// As [`Members::align`]; the given classes and rows go by the name `expected`.
    pub fn align_to(
        members: impl IntoIterator<Item = Member>,
        labels: &Arc<LabelSet>,
        ids: &[String],
    ) -> Result<Self> {
        row_numbers("expected", ids)?;
        Self::align_with(members.into_iter().collect(), "expected", ids.to_vec(), labels)
    }

    fn align_with(
        members: Vec<Member>,
        reference: &str,
        ids: Vec<String>,
        labels: &Arc<LabelSet>,
    ) -> Result<Self> {
        check_members(members.iter().map(|m| (m.name.as_str(), m.weight)))?;
        let members = members
            .into_iter()
            .map(|member| {
                let Member { name, probabilities, weight } = member;
                let probabilities = with_columns(&name, probabilities, reference, labels)?;
                let probabilities = with_rows(&name, probabilities, reference, &ids)?;
                Ok(Member { name, probabilities, weight })
            })
            .collect::<Result<_>>()?;
        Ok(Self { members, ids, labels: Arc::clone(labels) })
    }

    /// The members, in the order in which they were given.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// What the members say, `[members, rows, classes]`, copied.
    pub fn to_array(&self) -> Array3<f32> {
        let mut all = Array3::zeros((self.members.len(), self.ids.len(), self.labels.len()));
        for (mut slot, member) in all.outer_iter_mut().zip(&self.members) {
            // Aligned: of this shape.
            slot.assign(&member.probabilities.as_array());
        }
        all
    }

    /// Ids of the rows, in order.
    pub fn ids(&self) -> &[String] {
        &self.ids
    }

    /// The classes, in column order.
    pub fn labels(&self) -> &Arc<LabelSet> {
        &self.labels
    }

    /// Names of the members, in the order in which they were given.
    pub fn names(&self) -> Vec<&str> {
        self.members.iter().map(Member::name).collect()
    }

    /// The members in the order of their names: for algorithms whose rounding would otherwise depend on
    /// the order in which members were given.
    pub(crate) fn sorted_by_name(mut self) -> Self {
        self.members.sort_by(|a, b| a.name.cmp(&b.name));
        self
    }
}

/// The class order that all label sets share, or else the smallest of their orders.
pub(crate) fn common_labels<'a>(
    mut sets: impl Iterator<Item = (&'a str, &'a Arc<LabelSet>)>,
) -> Result<&'a Arc<LabelSet>> {
    let (reference, first) = sets.next().ok_or(Error::NoMembers)?;
    sets.try_fold(first, |smallest, (member, labels)| {
        columns(member, labels, reference, first)?;
        Ok(if labels.names() < smallest.names() { labels } else { smallest })
    })
}

/// Checks that names are unique and weights usable.
pub(crate) fn check_members<'a>(members: impl Iterator<Item = (&'a str, f64)> + Clone) -> Result<()> {
    let mut total = 0.0;
    let mut heaviest = None;
    for (at, (name, weight)) in members.clone().enumerate() {
        if members.clone().take(at).any(|(other, _)| other == name) {
            return Err(Error::DuplicateMember { member: name.to_owned() });
        }
        total += weight;
        if !(weight >= 0.0 && f64::is_finite(total)) {
            return Err(Error::Weight { member: name.to_owned(), found: weight });
        }
        heaviest = Some(name);
    }
    let last = heaviest.ok_or(Error::NoMembers)?;
    if total > 0.0 { Ok(()) } else { Err(Error::Weight { member: last.to_owned(), found: 0.0 }) }
}

/// For each class of `expected` its column in `labels`.
fn columns(member: &str, labels: &LabelSet, reference: &str, expected: &LabelSet) -> Result<Vec<usize>> {
    let names = |label: &String| (member.to_owned(), label.clone(), reference.to_owned());
    let columns = expected
        .names()
        .iter()
        .map(|label| {
            let (member, label, reference) = match labels.id(label) {
                Some(column) => return Ok(column),
                None => names(label),
            };
            Err(Error::MissingLabel { member, label, reference })
        })
        .collect::<Result<Vec<usize>>>()?;
    if let Some(label) = labels.names().iter().find(|label| expected.id(label).is_none()) {
        let (member, label, reference) = names(label);
        return Err(Error::UnexpectedLabel { member, label, reference });
    }
    let role = |set: &LabelSet| set.no_relation().and_then(|class| set.name(class)).map(str::to_owned);
    let (found, wanted) = (role(labels), role(expected));
    if found != wanted {
        return Err(Error::NoRelation {
            member: member.to_owned(),
            found,
            reference: reference.to_owned(),
            expected: wanted,
        });
    }
    Ok(columns)
}

/// The same probabilities with their columns in the order of `labels`.
pub(crate) fn with_columns(
    member: &str,
    probabilities: Probabilities,
    reference: &str,
    labels: &Arc<LabelSet>,
) -> Result<Probabilities> {
    let columns = columns(member, probabilities.labels(), reference, labels)?;
    if columns.iter().enumerate().all(|(at, &column)| at == column) {
        return Ok(probabilities);
    }
    let values = probabilities.as_array().select(Axis(1), &columns);
    Ok(Probabilities::from_array(probabilities.ids().to_vec(), Arc::clone(labels), values)?)
}

fn with_rows(
    member: &str,
    probabilities: Probabilities,
    reference: &str,
    ids: &[String],
) -> Result<Probabilities> {
    if probabilities.ids() == ids {
        return Ok(probabilities);
    }
    let order = row_order(member, probabilities.ids(), reference, ids)?;
    let values = probabilities.as_array().select(Axis(0), &order);
    Ok(Probabilities::from_array(ids.to_vec(), Arc::clone(probabilities.labels()), values)?)
}

/// For each id of `expected`, which has no id twice, its row in `found`.
pub(crate) fn row_order(
    member: &str,
    found: &[String],
    reference: &str,
    expected: &[String],
) -> Result<Vec<usize>> {
    let rows = row_numbers(member, found)?;
    let names = |id: &str| (member.to_owned(), id.to_owned(), reference.to_owned());
    let order = expected
        .iter()
        .map(|id| match rows.get(id.as_str()) {
            Some(&row) => Ok(row),
            None => {
                let (member, id, reference) = names(id);
                Err(Error::MissingId { member, id, reference })
            }
        })
        .collect::<Result<Vec<usize>>>()?;
    if order.len() < found.len() {
        let known = row_numbers(reference, expected)?;
        if let Some(id) = found.iter().find(|id| !known.contains_key(id.as_str())) {
            let (member, id, reference) = names(id);
            return Err(Error::UnexpectedId { member, id, reference });
        }
    }
    Ok(order)
}

/// Row number of each id.
pub(crate) fn row_numbers<'a>(member: &str, ids: &'a [String]) -> Result<HashMap<&'a str, usize>> {
    let mut rows = HashMap::with_capacity(ids.len());
    for (row, id) in ids.iter().enumerate() {
        if rows.insert(id.as_str(), row).is_some() {
            return Err(Error::DuplicateId { member: member.to_owned(), id: id.clone() });
        }
    }
    Ok(rows)
}
