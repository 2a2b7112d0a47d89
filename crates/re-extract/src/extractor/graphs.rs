//! From a batch of documents with mentions to their graphs.

use std::sync::Arc;

use re_data::{Document, Mention, Pair, PredictError, Relation, RelationExample, RowError, Tally};

use super::Extractor;
use crate::candidates::TypeTable;
use crate::decide::Row;
use crate::error::{DocumentError, Step};
use crate::outcome::{Abstained, Doubts, ExtractReport, Extracted, Outcome, PairCounts, Reason};
use crate::properties::reverse;

/// A graph in the making.
struct Draft {
    document: Document,
    types: TypeTable,
    relations: Vec<Relation>,
    abstained: Option<Vec<Abstained>>,
    unanswered: Tally<(Pair, RowError)>,
    pairs: PairCounts,
    doubts: Doubts,
}

/// Pairs that are asked about together.
#[derive(Default)]
struct Batch {
    /// Number of the document, and the pair.
    pairs: Vec<(usize, Pair)>,
    examples: Vec<RelationExample>,
}

/// The answer for a pair: its probabilities, and the class of the relation where there is one.
type Judged = (Pair, Row, Option<usize>);

impl Extractor {
    /// The graphs of a batch of documents. A pair and its other direction are always asked about together, so that nothing
    /// but the graphs has to be kept of pairs that were judged.
    pub(super) fn graphs(
        &self,
        documents: Vec<Result<Document, DocumentError>>,
        report: &mut ExtractReport,
    ) -> Result<Vec<Outcome>, PredictError> {
        let mut drafts: Vec<Result<Draft, DocumentError>> =
            documents.into_iter().map(|document| document.map(|document| self.draft(document))).collect();
        let mut batch = Batch::default();
        for number in 0..drafts.len() {
            let Some(Ok(draft)) = drafts.get(number) else { continue };
            let document = draft.document.clone();
            for pair in document.pairs(&self.settings.rule) {
                let is_turned = batch.pairs.last() == Some(&(number, reverse(pair)));
                if batch.pairs.len() >= self.options.batch_pairs && !is_turned {
                    self.judge(&mut batch, &mut drafts)?;
                }
                let Some(Ok(draft)) = drafts.get_mut(number) else { continue };
                self.propose(number, &document, pair, draft, &mut batch, report);
            }
        }
        self.judge(&mut batch, &mut drafts)?;
        let outcomes: Vec<Outcome> = drafts.into_iter().map(|draft| draft.and_then(Draft::finish)).collect();
        outcomes.iter().for_each(|outcome| report.add(outcome));
        Ok(outcomes)
    }

    fn draft(&self, document: Document) -> Draft {
        let mentions = document.mentions().len();
        let pairs = PairCounts { possible: mentions * mentions.saturating_sub(1), ..PairCounts::default() };
        let mut doubts = Doubts::default();
        for score in document.mentions().iter().filter_map(Mention::score) {
            doubts.add_choice(f64::from(score));
        }
        Draft {
            types: TypeTable::new(&document, &self.labels, &self.constraints),
            document,
            relations: Vec::new(),
            abstained: self.options.keep_abstained.then(Vec::new),
            unanswered: Tally::default(),
            pairs,
            doubts,
        }
    }

    /// Puts a pair into the batch, if some relation may join its types.
    fn propose(
        &self,
        number: usize,
        document: &Document,
        pair: Pair,
        draft: &mut Draft,
        batch: &mut Batch,
        report: &mut ExtractReport,
    ) {
        if draft.types.allowed(pair).is_none() {
            draft.pairs.types_not_allowed += 1;
            draft.abstain(pair, None, Reason::TypesNotAllowed);
            return;
        }
        match document.example(pair) {
            Ok(example) => {
                if self.predictor.reads_types() && example.entities().iter().any(|e| e.kind().is_none()) {
                    report.untyped_pairs += 1;
                }
                // The relation that a document came with is not shown to the predictor.
                batch.examples.push(example.without_label());
                batch.pairs.push((number, pair));
            }
            Err(error) => draft.unanswered(pair, RowError::new(document.id(), error)),
        }
    }

    /// Asks the predictor, and settles what it answers.
    fn judge(
        &self,
        batch: &mut Batch,
        drafts: &mut [Result<Draft, DocumentError>],
    ) -> Result<(), PredictError> {
        let Batch { pairs, examples } = std::mem::take(batch);
        if examples.is_empty() {
            return Ok(());
        }
        let outcomes = self.predictor.outcomes(&examples)?.checked_for(&examples)?;
        let mut rows = pairs.into_iter().zip(outcomes.rows()).peekable();
        while let Some(((number, pair), row)) = rows.next() {
            let turned = rows.next_if(|((other, next), _)| *other == number && *next == reverse(pair));
            let Some(Ok(draft)) = drafts.get_mut(number) else { continue };
            let both = [Some((pair, row)), turned.map(|((_, pair), row)| (pair, row))];
            let answered = both.into_iter().flatten().filter_map(|(pair, row)| match row {
                Ok(row) => {
                    let allowed = draft.types.allowed(pair).unwrap_or_default();
                    Some((pair, self.classes.row(row, allowed)))
                }
                Err(error) => {
                    draft.unanswered(pair, error.clone());
                    None
                }
            });
            let answered: Vec<(Pair, Row)> = answered.collect();
            self.settle(answered, draft);
        }
        Ok(())
    }

    /// Decides on a pair, or on both directions of it.
    fn settle(&self, mut rows: Vec<(Pair, Row)>, draft: &mut Draft) {
        let classes: Vec<Option<usize>> = match rows.as_mut_slice() {
            [(_, one), (_, other)] => {
                self.classes.combine(one, other);
                self.classes.answers(one, other).to_vec()
            }
            rows => rows.iter().map(|(_, row)| self.classes.answer(row)).collect(),
        };
        let judged: Vec<Judged> =
            rows.into_iter().zip(classes).map(|((pair, row), class)| (pair, row, class)).collect();
        for (_, row, _) in &judged {
            draft.doubts.add(row.margin(), row.entropy());
        }
        // What both directions say is one statement, so that it has one score, and is told or not told as a whole.
        if let [(_, _, Some(one)), (_, _, Some(other))] = judged.as_slice()
            && self.classes.counterpart(*one) == Some(*other)
        {
            let scores = judged.iter().map(|judged| self.score(judged));
            let score = scores.sum::<f64>() / 2.0;
            self.tell(&judged, score, draft);
            return;
        }
        for one in &judged {
            let score = self.score(one);
            self.tell(std::slice::from_ref(one), score, draft);
        }
    }

    fn score(&self, (_, row, class): &Judged) -> f64 {
        let class = class.or_else(|| self.classes.best_relation(row));
        let name = class.and_then(|class| self.names.get(class));
        match (class, name) {
            (Some(class), Some(name)) => self.settings.calibration.score(name, row.probability(class)),
            _ => 0.0,
        }
    }

    /// Writes one statement into the graph, or why it is not told.
    fn tell(&self, judged: &[Judged], score: f64, draft: &mut Draft) {
        // Rounding could leave the range of probabilities.
        let score = (score as f32).clamp(0.0, 1.0);
        let name = |class: Option<usize>| class.and_then(|class| self.names.get(class)).cloned();
        let failed = judged.iter().filter_map(|(_, _, class)| name(*class)).find_map(|name| {
            let threshold = self.settings.thresholds.of(&name).0?;
            (!threshold.passes(score)).then_some(threshold.value)
        });
        let mut is_told = false;
        for (pair, row, class) in judged {
            let Some(relation) = name(*class) else {
                let best = name(self.classes.best_relation(row)).map(|relation| (relation, score));
                match name(row.forbidden()) {
                    Some(forbidden) => {
                        draft.pairs.label_not_allowed += 1;
                        draft.abstain(*pair, best, Reason::LabelNotAllowed(forbidden));
                    }
                    None => {
                        draft.pairs.no_relation += 1;
                        draft.abstain(*pair, best, Reason::NoRelation);
                    }
                }
                continue;
            };
            if let Some(threshold) = failed {
                draft.pairs.below_threshold += 1;
                draft.abstain(*pair, Some((relation, score)), Reason::BelowThreshold(threshold));
                continue;
            }
            let is_symmetric = *class == class.and_then(|class| self.classes.counterpart(class));
            if is_symmetric && is_told {
                draft.pairs.told_from_other_end += 1;
                continue;
            }
            is_told = true;
            draft.pairs.related += 1;
            let pair = if is_symmetric && pair.subject > pair.object { reverse(*pair) } else { *pair };
            draft.relations.push(Relation::new(pair, relation).with_score(score));
        }
    }
}

impl Draft {
    fn abstain(&mut self, pair: Pair, best: Option<(Arc<str>, f32)>, reason: Reason) {
        if let Some(abstained) = &mut self.abstained {
            let (relation, score) = best.unzip();
            abstained.push(Abstained { pair, relation, score, reason });
        }
    }

    fn unanswered(&mut self, pair: Pair, error: RowError) {
        self.pairs.unanswered += 1;
        self.unanswered.add(|| (pair, error));
    }

    fn finish(mut self) -> Outcome {
        let seen = self.pairs.judged() + self.pairs.types_not_allowed + self.pairs.unanswered;
        self.pairs.outside_rule = self.pairs.possible.saturating_sub(seen);
        let id = self.document.id().to_owned();
        let document = self.document.with_relations(self.relations);
        Ok(Extracted {
            document: document.map_err(|error| DocumentError::at(Step::Relating, id, error))?,
            abstained: self.abstained,
            unanswered: self.unanswered,
            pairs: self.pairs,
            doubt: self.doubts.mean(),
        })
    }
}
