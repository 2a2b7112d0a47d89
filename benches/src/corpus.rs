//! Labelled rows to measure on.

use std::path::Path;

use anyhow::Result;
use re_data::{LabelSet, MarkupConfig, RelationExample};
use re_formats::read::{self, EntityTypes, ReadOptions};

/// Labelled rows, those whose entities both have a type: every markup can write them.
#[derive(Debug, Clone)]
pub struct Corpus {
    /// The rows.
    pub examples: Vec<RelationExample>,
    /// Their labels.
    pub labels: LabelSet,
}

impl Corpus {
    /// The invented sentences in `fixtures/embedded`.
    ///
    /// # Errors
    /// A file is missing or damaged.
    pub fn embedded(folder: &Path) -> Result<Self> {
        Self::read(folder, "labels.json")
    }

    /// The competition's training rows.
    ///
    /// # Errors
    /// A file is missing or damaged.
    pub fn competition(folder: &Path) -> Result<Self> {
        Self::read(folder, "label_type.pkl")
    }

    fn read(folder: &Path, labels: &str) -> Result<Self> {
        let labels = read::labels(folder.join(labels))?;
        let examples = read::examples(folder.join("train.tsv"), &ReadOptions::default())?.examples;
        let (mut examples, _) = EntityTypes::open(folder.join("entity_types.tsv"))?.attach(examples);
        examples.retain(|example| example.entities().iter().all(|entity| entity.kind().is_some()));
        Ok(Self { examples, labels })
    }

    /// The first `rows` rows.
    #[must_use]
    pub fn first(mut self, rows: usize) -> Self {
        self.examples.truncate(rows);
        self
    }

    /// Bytes of all texts.
    pub fn bytes(&self) -> u64 {
        self.examples.iter().map(|example| example.text().len() as u64).sum()
    }

    /// Every markup by name; those that write types get the ones that occur.
    pub fn markups(&self) -> Vec<(&'static str, MarkupConfig)> {
        let kinds = self.examples.iter().flat_map(RelationExample::entities).filter_map(|e| e.kind());
        let mut types: Vec<String> = kinds.map(str::to_owned).collect();
        types.sort();
        types.dedup();
        vec![
            ("plain", MarkupConfig::Plain {}),
            ("pair", MarkupConfig::Pair {}),
            ("entity_tokens", MarkupConfig::EntityTokens { entity_embedding: true, pair: true }),
            ("typed_punct", MarkupConfig::TypedPunct {}),
            ("typed_tokens", MarkupConfig::TypedTokens { types }),
            ("query", MarkupConfig::Query {}),
        ]
    }
}
