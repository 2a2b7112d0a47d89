//! The relations that were told, each with its score and whether it holds.

use std::collections::BTreeMap;

use re_data::Document;

use super::{Predicted, Strict, align, ends, relations_of};
use crate::error::{Error, Result};
use crate::properties::RelationProperties;
use crate::threshold::Answer;

/// What thresholds are chosen on, and what a [`RiskCoverage`](re_data::metrics::RiskCoverage) curve is drawn of: the relations of
/// predicted documents, each right where the truth has the same relation with the same spans and types.
///
/// The predictions are best made without thresholds. A relation that stands twice has its largest score.
///
/// # Errors
/// [`Error::Setting`] where a relation has no score, and as [`score`](super::score()).
pub fn answers<'a, P: Into<Predicted<'a>>>(
    gold: impl IntoIterator<Item = &'a Document>,
    predicted: impl IntoIterator<Item = P>,
    properties: &RelationProperties,
) -> Result<Vec<Answer>> {
    let mut answers = Vec::new();
    for (gold, predicted) in align(gold, predicted)? {
        let Some(document) = predicted.document else { continue };
        let truth = relations_of(gold, properties);
        let mut told: BTreeMap<Strict<'_>, f32> = BTreeMap::new();
        for (number, relation) in document.relations().iter().enumerate() {
            let score = relation.score().ok_or_else(|| {
                let field = format!("document {}: relation {number}: score", document.id());
                Error::setting(field, "none", "a number from 0 to 1")
            })?;
            let Some(key) = ends(document, relation, properties) else { continue };
            told.entry(key).and_modify(|known| *known = known.max(score)).or_insert(score);
        }
        answers.extend(told.into_iter().map(|(key, score)| Answer {
            relation: key.2.to_owned(),
            score,
            right: truth.contains(&key),
        }));
    }
    Ok(answers)
}
