//! From documents to graphs and what they are worth, with models that say what they are told to.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod extract;
mod fit;
mod golden;
mod score;
mod shared;
mod training;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use re_data::{
    CharSpan, Document, LabelSet, Mention, Outcomes, Pair, PredictError, Predictor, Relation,
    RelationExample, RowError,
};

/// Classes: none, one that is symmetric where a test says so, two that are inverse, and one more.
const NAMES: [&str; 5] = ["no_relation", "spouse", "parent", "child", "likes"];

fn labels() -> Arc<LabelSet> {
    Arc::new(LabelSet::new(NAMES).unwrap())
}

/// A document of single letters with a mention for each type.
fn document(id: &str, kinds: &[Option<&str>]) -> Document {
    let mention = |(at, kind): (usize, &Option<&str>)| {
        let mention = Mention::new(CharSpan::with_len(2 * at, 1));
        kind.map_or(mention.clone(), |kind| mention.with_kind(kind))
    };
    let text = "a ".repeat(kinds.len());
    Document::new(id, text, kinds.iter().enumerate().map(mention).collect()).unwrap()
}

fn related(document: Document, relations: &[(usize, usize, &str)]) -> Document {
    let relation =
        |&(subject, object, label): &(usize, usize, &str)| Relation::new(Pair { subject, object }, label);
    document.with_relations(relations.iter().map(relation).collect()).unwrap()
}

/// Answers each row as it was told to, and with "no relation" where nothing was said.
#[derive(Default, Clone)]
struct Scripted {
    rows: HashMap<String, [f32; 5]>,
    failing: HashSet<String>,
    /// Text that breaks the model.
    breaks_on: Option<String>,
    /// Ids of each batch that it was asked about.
    asked: Arc<Mutex<Vec<Vec<String>>>>,
    reads_types: bool,
}

impl Scripted {
    fn says(mut self, id: &str, row: [f32; 5]) -> Self {
        self.rows.insert(id.to_owned(), row);
        self
    }

    fn fails(mut self, id: &str) -> Self {
        self.failing.insert(id.to_owned());
        self
    }
}

impl Predictor for Scripted {
    fn labels(&self) -> &Arc<LabelSet> {
        static LABELS: std::sync::OnceLock<Arc<LabelSet>> = std::sync::OnceLock::new();
        LABELS.get_or_init(labels)
    }

    fn outcomes(&self, examples: &[RelationExample]) -> Result<Outcomes, PredictError> {
        self.asked.lock().unwrap().push(examples.iter().map(|e| e.id().to_owned()).collect());
        if examples.iter().any(|example| self.breaks_on.as_deref() == Some(example.text())) {
            return Err(PredictError::model("out of memory"));
        }
        let rows = examples.iter().map(|example| {
            assert_eq!(example.label(), None, "the truth is not shown to the predictor");
            let id = example.id().to_owned();
            match self.failing.contains(&id) {
                true => Err(RowError::new(id, "too long")),
                false => Ok((id.clone(), self.rows.get(&id).copied().unwrap_or([1.0, 0.0, 0.0, 0.0, 0.0]))),
            }
        });
        Ok(Outcomes::new(Arc::clone(self.labels()), rows)?)
    }

    fn reads_types(&self) -> bool {
        self.reads_types
    }
}
