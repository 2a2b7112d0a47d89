//! The pairs of documents, in memory that does not grow with their number.

use std::borrow::Borrow;
use std::sync::Arc;

use re_data::{Document, EncodeReport, Outcomes, Pair, PairRule, RelationExample, RowError};

use super::RelationClassifier;
use crate::error::{Error, Result};

/// Pairs that are encoded and judged together.
const PAIRS: usize = 16_384;
/// Documents that wait for that, and the bytes of their texts.
const DOCUMENTS: usize = 4096;
const BYTES: usize = 16 << 20;

/// Pairs of a document, classified.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PredictedPairs<'a> {
    /// The document.
    pub document: &'a Document,
    /// The pairs that the rule let pass, in its order.
    pub pairs: &'a [Pair],
    /// What became of each.
    pub outcomes: Outcomes,
    /// What encoding did to those that were answered.
    pub encoding: EncodeReport,
    /// Whether more pairs of the same document follow.
    pub more: bool,
}

/// Pairs of a document that wait for the others of their chunk.
struct Part<D> {
    document: D,
    pairs: Vec<Pair>,
    more: bool,
}

impl RelationClassifier {
    /// Classifies all pairs of mentions that `rule` lets pass, and hands them on document by document, in the order of the
    /// documents, those without a pair included. The pairs of a document come at once, unless there are more than some
    /// thousand.
    ///
    /// Pairs whose rows are equal share an encoder pass: with a markup that writes no markers, such as
    /// [`Plain`](re_data::markup::Plain), and a head that looks at the entities, a sentence costs one pass however many
    /// entities it has. Where the markup writes something for each pair, each costs a pass of its own.
    ///
    /// Memory does not grow with the number of documents or pairs.
    ///
    /// ```no_run
    /// # use re_data::{CharSpan, Document, Mention, PairRule};
    /// # use re_model::{Error, RelationClassifier};
    /// let classifier = RelationClassifier::from_pretrained("runs/plain/checkpoint-001600")?;
    /// let mentions = [(0, 5), (12, 6), (23, 5)].map(|(start, len)| Mention::new(CharSpan::with_len(start, len)));
    /// let documents = [Document::new("1", "Marie loves Pierre and Irène.", mentions.into())?];
    /// classifier.predict_pairs(&documents, &PairRule::default(), |found| {
    ///     for (pair, row) in found.pairs.iter().zip(found.outcomes.predictions()) {
    ///         let [subject, object] = [pair.subject, pair.object].map(|mention| found.document.surface(mention));
    ///         match row {
    ///             Ok(row) => println!("{subject} -> {object}: {} ({:.2})", row.label, row.probability),
    ///             Err(error) => eprintln!("{error}"),
    ///         }
    ///     }
    ///     Ok::<(), Error>(())
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The first one of the model or of `receive`. A pair that cannot be encoded ends nothing: its error is its outcome.
    pub fn predict_pairs<D: Borrow<Document> + Clone, E: From<Error>>(
        &self,
        documents: impl IntoIterator<Item = D>,
        rule: &PairRule,
        mut receive: impl FnMut(PredictedPairs<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let (mut parts, mut waiting, mut bytes) = (Vec::new(), 0, 0);
        for document in documents {
            let mut pairs = document.borrow().pairs(rule).peekable();
            loop {
                let part: Vec<Pair> = pairs.by_ref().take(PAIRS - waiting).collect();
                let more = pairs.peek().is_some();
                waiting += part.len();
                bytes += document.borrow().text().len();
                parts.push(Part { document: document.clone(), pairs: part, more });
                if waiting >= PAIRS || parts.len() >= DOCUMENTS || bytes >= BYTES {
                    self.judge(&parts, &mut receive)?;
                    (waiting, bytes) = (0, 0);
                    parts.clear();
                }
                if !more {
                    break;
                }
            }
        }
        self.judge(&parts, &mut receive)
    }

    fn judge<D: Borrow<Document>, E: From<Error>>(
        &self,
        parts: &[Part<D>],
        receive: &mut impl FnMut(PredictedPairs<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let (mut examples, mut encoded) = (Vec::new(), Vec::new());
        let mut reports = Vec::with_capacity(parts.len());
        for Part { document, pairs, .. } in parts {
            let of_part = pairs.iter().map(|&pair| document.borrow().example(pair));
            let of_part: Vec<RelationExample> =
                of_part.collect::<re_data::Result<_>>().map_err(Error::Data)?;
            let (rows, report) = self.encoder.encode_rows(&of_part);
            examples.extend(of_part);
            encoded.extend(rows);
            reports.push(report);
        }
        let outcomes = self.outcomes_of(&examples, encoded)?;
        let mut rows = examples.iter().zip(outcomes.rows());
        for (Part { document, pairs, more }, encoding) in parts.iter().zip(reports) {
            let of_part = rows.by_ref().take(pairs.len()).map(|(example, row)| match row {
                Ok(values) => Ok((example.id().to_owned(), values)),
                Err(error) => Err(RowError::clone(error)),
            });
            let outcomes = Outcomes::new(Arc::clone(&self.labels), of_part).map_err(Error::Data)?;
            let document = document.borrow();
            receive(PredictedPairs { document, pairs, outcomes, encoding, more: *more })?;
        }
        Ok(())
    }
}
