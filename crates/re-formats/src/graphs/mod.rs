//! Graphs of documents in the layouts of programs that draw, count and query graphs. They are written and not read: a text
//! and the places of its mentions stand in the layouts of [`documents`](crate::documents).
//!
//! `csv` has a row for each relation. The others have a node for each entity: mentions of one entity id are one node, and
//! so are, of those without, mentions of one document with the same surface form and type.
//!
//! ```
//! use re_data::{CharSpan, Document, Mention, Pair, Relation};
//! use re_formats::graphs::{GraphFormat, GraphOptions, GraphWriter};
//!
//! let mentions = [(0, 5), (12, 6)].map(|(start, len)| Mention::new(CharSpan::with_len(start, len)).with_kind("PERSON"));
//! let spouse = Relation::new(Pair { subject: 0, object: 1 }, "spouse").with_score(0.8);
//! let document = Document::new("7", "Marie loves Pierre.", mentions.into())?.with_relations(vec![spouse])?;
//!
//! let mut file = Vec::new();
//! let mut writer = GraphWriter::new(&mut file, "-", GraphFormat::Dot, &GraphOptions::default())?;
//! writer.write(&document)?;
//! let report = writer.finish()?;
//! assert_eq!(report.to_string(), "1 relations; 0 documents without relations; 1 documents");
//! assert!(String::from_utf8(file)?.contains(r#"n0 -> n1 [label="spouse\n0.8"];"#));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod dot;
mod entities;
mod format;
mod graphml;
mod ntriples;
mod table;
mod writer;

use serde::{Deserialize, Serialize};

pub use format::GraphFormat;
pub use writer::{GraphWriteReport, GraphWriter, write};

/// Where an entity's id means the same entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EntityScope {
    /// Within its document, as the numbers of clusters are: a graph for each document.
    #[default]
    Document,
    /// In all documents, as ids of a knowledge base are: one graph. `dot` and `graphml` then keep the ids in memory.
    Corpus,
}

/// How graphs are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphOptions {
    /// Where an entity's id means the same entity; `csv` has the ids as they are.
    pub entities: EntityScope,
    /// What all IRIs of `ntriples` begin with but for those of RDF, RDFS and Dublin Core: an absolute IRI that ends in
    /// `/`, `#` or `:`.
    pub base: String,
}

impl Default for GraphOptions {
    fn default() -> Self {
        Self { entities: EntityScope::default(), base: "http://example.org/".to_owned() }
    }
}
