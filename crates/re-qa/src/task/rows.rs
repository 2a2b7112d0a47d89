//! Related examples and the questions that can be asked about them.

use std::collections::{BTreeMap, BTreeSet};

use re_data::{EncodeReport, Encoded, RelationExample};

use crate::answerer::QuestionAnswerer;
use crate::error::Result;

/// Examples whose questions are encoded at a time.
const EXAMPLES_AT_ONCE: usize = 256;

/// A related example with the row of the question that its object answers.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub example: RelationExample,
    /// Its class among the relations that are asked for.
    pub class: usize,
    pub row: Encoded,
}

/// Related examples with the rows of the questions that their objects answer.
#[derive(Debug, Clone, Default)]
pub struct QuestionRows {
    pub(super) items: Vec<Item>,
    /// Tokens of all questions about the examples.
    pub(super) tokens: BTreeSet<u32>,
}

impl QuestionRows {
    /// Encodes `examples`, all of which must have a relation that is asked for. Where entities that truncation removes
    /// are counted, an example whose object goes has no answer and is left out; the report lists it.
    ///
    /// # Errors
    /// [`re_data::Error::MissingLabel`], [`re_data::Error::UnknownLabel`], and those of encoding any question about
    /// any of the examples.
    pub fn new(answerer: &QuestionAnswerer, examples: &[RelationExample]) -> Result<(Self, EncodeReport)> {
        let (encoder, relations) = (answerer.encoder(), answerer.questions().labels());
        let (rows, report) = encoder.encode_batch(examples)?;
        let mut found = Self::default();
        for (example, row) in examples.iter().zip(rows) {
            let missing = || re_data::Error::MissingLabel { id: example.id().to_owned() };
            let class = relations.class_of(example)?.ok_or_else(missing)?;
            if row.entities.last().is_some_and(Option::is_some) {
                found.items.push(Item { example: example.clone(), class, row });
            }
        }
        // A question that cannot be asked should be known now, not in the middle of training.
        for part in found.items.chunks(EXAMPLES_AT_ONCE) {
            for label in relations.names() {
                let asked: Vec<_> = part.iter().map(|item| item.example.clone().with_label(label)).collect();
                let (rows, _) = encoder.encode_batch(&asked)?;
                found.tokens.extend(rows.iter().flat_map(|row| &row.ids));
            }
        }
        Ok((found, report))
    }

    /// Number of examples.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is no example.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// At most `most` of the examples, spread evenly; all where it is 0.
    #[must_use]
    pub fn sample(mut self, most: usize) -> Self {
        let all = self.len();
        if most > 0 && most < all {
            let mut at = 0..all;
            self.items.retain(|_| at.next().is_some_and(|at| at * most / all != (at + 1) * most / all));
        }
        self
    }

    /// For each example the relations, of so many, that its subject does not have in the sentence as far as the labels
    /// tell: what can be asked without there being an answer.
    pub(super) fn unanswered(&self, relations: usize) -> Vec<Vec<usize>> {
        let subject = |item: &Item| (item.example.text().to_owned(), item.example.surface(0).to_owned());
        let mut known: BTreeMap<(String, String), BTreeSet<usize>> = BTreeMap::new();
        for item in &self.items {
            known.entry(subject(item)).or_default().insert(item.class);
        }
        let rest = |item: &Item| {
            let known = known.get(&subject(item));
            (0..relations).filter(|class| known.is_none_or(|known| !known.contains(class))).collect()
        };
        self.items.iter().map(rest).collect()
    }
}
