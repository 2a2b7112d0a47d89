//! First "related or not", then which relation.

use std::sync::Arc;

use re_data::{LabelSet, Outcomes, PredictError, Predictor, RelationExample};
use serde::{Deserialize, Serialize};

use crate::ensemble::outcomes_of;
use crate::error::{Error, Result};

/// Name of the first stage in errors.
const FIRST: &str = "first stage";
/// Name of the second stage in errors.
const SECOND: &str = "second stage";

/// How the two stages' probabilities become one.
///
/// Write `n` for the first stage's probability of "no relation" and `p(r)` for the second stage's
/// probability of relation `r`, given that there is one: if the second stage knows "no relation" too,
/// what it gives to it is left out and the rest normalised.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Gate {
    /// The chain rule: "no relation" gets `n`, relation `r` gets `(1 - n) p(r)`. The most probable
    /// class is then the most probable one of all: "no relation" wins with `n` below one half where
    /// no single relation reaches `n`.
    #[default]
    Product,
    /// The first stage decides: "no relation" gets 1 where `n >= threshold`; elsewhere relation `r`
    /// gets `p(r)`. The second stage is asked only about the rows that pass, which matters where it is
    /// slow, as question answering is.
    Decide {
        /// Probability of "no relation" from which on the first stage keeps a row, 0 to 1.
        threshold: f32,
    },
}

/// A predictor that says whether there is a relation, followed by one that says which.
#[derive(Debug)]
pub struct TwoStage<F, S> {
    first: F,
    second: S,
    gate: Gate,
    labels: Arc<LabelSet>,
    /// "no relation" in the first stage's label set.
    first_none: usize,
    /// "no relation" in the result.
    none: usize,
    /// Column of each class of the result in the second stage's; `None` for "no relation".
    columns: Vec<Option<usize>>,
}

impl<F: Predictor, S: Predictor> TwoStage<F, S> {
    /// Two stages that answer together with the classes `labels`.
    ///
    /// The first stage may be a binary classifier or any other one with a no-relation class. The second
    /// one's label set holds the relations of `labels`, in any order, with or without "no relation".
    ///
    /// # Errors
    /// [`Error::NoRelation`] where `labels` or the first stage has no no-relation class or the two differ
    /// (see [`LabelSet::with_no_relation`]); [`Error::MissingLabel`] and [`Error::UnexpectedLabel`] where
    /// the relations differ; [`Error::Argument`] where a threshold is outside 0..=1.
    pub fn new(first: F, second: S, gate: Gate, labels: Arc<LabelSet>) -> Result<Self> {
        if let Gate::Decide { threshold } = gate
            && !(0.0..=1.0).contains(&threshold)
        {
            return Err(Error::Argument {
                name: "threshold",
                found: threshold.to_string(),
                expected: "a number from 0 to 1",
            });
        }
        let role = |set: &LabelSet| set.no_relation().and_then(|c| set.name(c)).map(str::to_owned);
        let mismatch = || Error::NoRelation {
            member: FIRST.into(),
            found: role(first.labels()),
            reference: "the result".into(),
            expected: role(&labels),
        };
        let (Some(none), Some(first_none)) = (labels.no_relation(), first.labels().no_relation()) else {
            return Err(mismatch());
        };
        if labels.name(none) != first.labels().name(first_none) {
            return Err(mismatch());
        }
        let known = second.labels();
        let names = |label: &String| (SECOND.to_owned(), label.clone(), "the result".to_owned());
        if let Some(label) = known.names().iter().find(|label| labels.id(label).is_none()) {
            let (member, label, reference) = names(label);
            return Err(Error::UnexpectedLabel { member, label, reference });
        }
        let columns = labels
            .names()
            .iter()
            .enumerate()
            .map(|(class, label)| {
                if class == none {
                    return Ok(None);
                }
                known.id(label).map(Some).ok_or_else(|| {
                    let (member, label, reference) = names(label);
                    Error::MissingLabel { member, label, reference }
                })
            })
            .collect::<Result<_>>()?;
        Ok(Self { first, second, gate, labels, first_none, none, columns })
    }

    fn combine(&self, examples: &[RelationExample]) -> Result<Outcomes> {
        let first = outcomes_of(FIRST, &self.first, examples)?;
        let unrelated = |row: &[f32]| row.get(self.first_none).copied().unwrap_or_default().min(1.0);
        let kept = |n: f32| matches!(self.gate, Gate::Decide { threshold } if n >= threshold);
        let passes: Vec<bool> = first.rows().map(|row| row.is_ok_and(|row| !kept(unrelated(row)))).collect();
        let second = if passes.contains(&false) {
            let passed = examples.iter().zip(&passes).filter(|(_, passes)| **passes);
            outcomes_of(
                SECOND,
                &self.second,
                &passed.map(|(example, _)| example.clone()).collect::<Vec<_>>(),
            )?
        } else {
            outcomes_of(SECOND, &self.second, examples)?
        };
        let mut second = second.rows();
        let rows = examples.iter().zip(first.rows().zip(passes)).map(|(example, (first, passes))| {
            let second = if passes { second.next() } else { None };
            let n = unrelated(first.map_err(|error| error.clone().in_member(FIRST))?);
            let row = second.transpose().map_err(|error| error.clone().in_member(SECOND))?;
            let none = match self.gate {
                Gate::Product => n,
                Gate::Decide { .. } if row.is_none() => 1.0,
                Gate::Decide { .. } => 0.0,
            };
            Ok((example.id().to_owned(), self.row(none, row.unwrap_or_default())))
        });
        Ok(Outcomes::new(Arc::clone(&self.labels), rows)?)
    }

    /// One row: `none` for "no relation", the rest shared out as the second stage's `row` says.
    fn row(&self, none: f32, row: &[f32]) -> Vec<f32> {
        let of = |column: usize| f64::from(row.get(column).copied().unwrap_or_default());
        let total: f64 = self.columns.iter().flatten().map(|&column| of(column)).sum();
        let relations = self.columns.iter().flatten().count() as f64;
        let rest = 1.0 - f64::from(none);
        let of_class = |(class, column): (usize, &Option<usize>)| match column {
            _ if class == self.none => none,
            // A second stage that gives all to "no relation" says nothing about the relations.
            Some(_) if total <= 0.0 => (rest / relations) as f32,
            Some(column) => (rest * of(*column) / total) as f32,
            None => 0.0,
        };
        // Brought back to at most 1, which members may exceed by rounding.
        self.columns.iter().enumerate().map(|class| of_class(class).min(1.0)).collect()
    }
}

impl<F: Predictor, S: Predictor> Predictor for TwoStage<F, S> {
    fn labels(&self) -> &Arc<LabelSet> {
        &self.labels
    }

    /// A row fails where a stage that is asked about it cannot answer it.
    fn outcomes(&self, examples: &[RelationExample]) -> Result<Outcomes, PredictError> {
        Ok(self.combine(examples)?)
    }

    /// As if all rows passed.
    fn tokens(&self, example: &RelationExample) -> usize {
        self.first.tokens(example) + self.second.tokens(example)
    }

    fn reads_types(&self) -> bool {
        self.first.reads_types() || self.second.reads_types()
    }
}
