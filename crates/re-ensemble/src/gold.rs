//! Gold labels of rows, and which rows belong together.

use re_data::RelationExample;
use re_data::split::normalized_text;

use crate::error::{Error, Result};
use crate::members::{Members, row_numbers, row_order};

/// Gold labels by row id. Rows of one group (one sentence) are not independent: they are resampled
/// together by a bootstrap and never parted by a fold border.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gold {
    ids: Vec<String>,
    labels: Vec<String>,
    groups: Vec<String>,
}

impl Gold {
    /// Gold labels of labelled examples; examples whose texts have the same [`normalized_text`] form a group, as in splits.
    ///
    /// # Errors
    /// [`Error::Unlabelled`] where an example has no label, [`Error::DuplicateId`] where an id is duplicated.
    pub fn from_examples<'a>(examples: impl IntoIterator<Item = &'a RelationExample>) -> Result<Self> {
        let mut rows = Vec::new();
        for example in examples {
            let id = example.id().to_owned();
            let label = example.label().ok_or_else(|| Error::Unlabelled { id: id.clone() })?;
            rows.push((id, label.to_owned(), normalized_text(example.text())));
        }
        Self::grouped(rows)
    }

    /// Gold labels from pairs of id and label; each row is a group of its own.
    ///
    /// # Errors
    /// [`Error::DuplicateId`] where an id is duplicated.
    pub fn new<S: Into<String>, L: Into<String>>(rows: impl IntoIterator<Item = (S, L)>) -> Result<Self> {
        Self::grouped(rows.into_iter().map(|(id, label)| {
            let id = id.into();
            (id.clone(), label.into(), id)
        }))
    }

    /// Gold labels from triples of id, label and the name of the group.
    ///
    /// # Errors
    /// [`Error::DuplicateId`] where an id is duplicated.
    pub fn grouped(rows: impl IntoIterator<Item = (String, String, String)>) -> Result<Self> {
        let mut gold = Self { ids: Vec::new(), labels: Vec::new(), groups: Vec::new() };
        for (id, label, group) in rows {
            gold.ids.push(id);
            gold.labels.push(label);
            gold.groups.push(group);
        }
        row_numbers("gold", &gold.ids)?;
        Ok(gold)
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Gold labels of some of the rows: those that a prediction file has, when the gold file has more.
    ///
    /// # Errors
    /// [`Error::MissingId`] where an id has no gold label, [`Error::DuplicateId`] where one is duplicated.
    pub fn select(&self, ids: &[String]) -> Result<Self> {
        row_numbers("predictions", ids)?;
        let rows = row_numbers("gold", &self.ids)?;
        Self::grouped(
            ids.iter()
                .map(|id| {
                    let row = rows.get(id.as_str()).copied();
                    let field = |of: &[String]| row.and_then(|row| of.get(row)).cloned();
                    field(&self.labels).zip(field(&self.groups)).map(|(l, g)| (id.clone(), l, g)).ok_or_else(
                        || Error::MissingId {
                            member: "gold".into(),
                            id: id.clone(),
                            reference: "predictions".into(),
                        },
                    )
                })
                .collect::<Result<Vec<_>>>()?,
        )
    }

    /// Classes and groups in the order of the members' rows, which must be the same rows.
    pub(crate) fn aligned(&self, members: &Members) -> Result<AlignedGold> {
        let reference = members.names().first().copied().unwrap_or_default();
        if members.ids().is_empty() {
            return Err(Error::NoRows);
        }
        let order = row_order("gold", &self.ids, reference, members.ids())?;
        // Numbered by name: resamples must not depend on the order of the rows.
        let mut names: Vec<Option<&String>> = order.iter().map(|&row| self.groups.get(row)).collect();
        names.sort_unstable();
        names.dedup();
        let mut aligned = AlignedGold { classes: Vec::new(), groups: Groups::default() };
        for (id, row) in members.ids().iter().zip(order) {
            let label = self.labels.get(row).map(String::as_str).unwrap_or_default();
            aligned.classes.push(
                members
                    .labels()
                    .id(label)
                    .ok_or_else(|| Error::UnknownGold { id: id.clone(), label: label.to_owned() })?,
            );
            let group = names.binary_search(&self.groups.get(row));
            aligned.groups.of_row.push(group.unwrap_or_default());
        }
        aligned.groups.count = names.len();
        Ok(aligned)
    }
}

/// Gold classes of aligned members.
#[derive(Debug, Clone)]
pub(crate) struct AlignedGold {
    pub(crate) classes: Vec<usize>,
    pub(crate) groups: Groups,
}

/// Rows that belong together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Groups {
    /// Group of each row, numbered from 0.
    pub(crate) of_row: Vec<usize>,
    /// Number of groups.
    pub(crate) count: usize,
}

impl Groups {
    /// Each row by itself.
    pub(crate) fn single(rows: usize) -> Self {
        Self { of_row: (0..rows).collect(), count: rows }
    }
}
