//! Which prediction belongs to which document of the truth.

use std::collections::HashMap;

use re_data::{Document, Pair, RowError, Tally};

use crate::error::{Error, Result};
use crate::outcome::{Abstained, Outcome};
use crate::record::KeptPairs;

/// What was predicted for a document: another [`Document`], or an [`Outcome`], which also knows what it left out.
#[derive(Debug, Clone, Copy)]
pub struct Predicted<'a> {
    id: &'a str,
    pub(super) document: Option<&'a Document>,
    pub(super) abstained: Option<&'a [Abstained]>,
    pub(super) unanswered: Option<&'a Tally<(Pair, RowError)>>,
}

impl<'a> Predicted<'a> {
    /// A document with its pairs without a relation, of which nothing but records is left.
    pub fn with_pairs(document: &'a Document, pairs: &'a KeptPairs) -> Self {
        Self {
            abstained: Some(&pairs.abstained),
            unanswered: Some(&pairs.unanswered),
            ..Self::from(document)
        }
    }
}

impl<'a> From<&'a Document> for Predicted<'a> {
    fn from(document: &'a Document) -> Self {
        Self { id: document.id(), document: Some(document), abstained: None, unanswered: None }
    }
}

impl<'a> From<&'a Outcome> for Predicted<'a> {
    fn from(outcome: &'a Outcome) -> Self {
        match outcome {
            Ok(extracted) => Self {
                abstained: extracted.abstained.as_deref(),
                unanswered: Some(&extracted.unanswered),
                ..Self::from(&extracted.document)
            },
            Err(error) => Self { id: error.id(), document: None, abstained: None, unanswered: None },
        }
    }
}

/// Each document of the truth, in its order, with what was predicted for it.
pub(super) fn align<'a, P: Into<Predicted<'a>>>(
    gold: impl IntoIterator<Item = &'a Document>,
    predicted: impl IntoIterator<Item = P>,
) -> Result<Vec<(&'a Document, Predicted<'a>)>> {
    let repeated = |side, id: &str| Err(Error::RepeatedDocument { side, id: id.to_owned() });
    let mut unknown = Vec::new();
    let mut of_id: HashMap<&str, Predicted<'a>> = HashMap::new();
    let mut order = Vec::new();
    for predicted in predicted.into_iter().map(Into::into) {
        if of_id.insert(predicted.id, predicted).is_some() {
            return repeated("prediction", predicted.id);
        }
        order.push(predicted.id);
    }
    let (mut pairs, mut missing) = (Vec::new(), Vec::new());
    let mut seen = std::collections::HashSet::new();
    for gold in gold {
        if !seen.insert(gold.id()) {
            return repeated("truth", gold.id());
        }
        match of_id.remove(gold.id()) {
            Some(predicted) => pairs.push((gold, predicted)),
            None => missing.push(gold.id().to_owned()),
        }
    }
    unknown.extend(order.into_iter().filter(|id| of_id.contains_key(id)).map(str::to_owned));
    if !missing.is_empty() || !unknown.is_empty() {
        return Err(Error::OtherDocuments { missing, unknown });
    }
    for (gold, predicted) in &pairs {
        if let Some(found) = predicted.document.filter(|found| found.text() != gold.text()) {
            let same = gold.text().chars().zip(found.text().chars()).take_while(|(a, b)| a == b).count();
            let from = |text: &str| text.chars().skip(same).collect();
            return Err(Error::OtherText {
                id: gold.id().to_owned(),
                found: from(found.text()),
                expected: from(gold.text()),
            });
        }
    }
    Ok(pairs)
}
