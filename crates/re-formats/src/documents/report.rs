//! What happened while documents were read and written.

use std::collections::BTreeMap;
use std::fmt;

use re_data::Tally;
use re_data::text::brief;
use serde::Serialize;

use crate::error::RecordError;

/// What a reader met.
///
/// Its `Display` is a summary in one line for people; serialised it is complete up to [`Tally::KEPT`]. Ids and names stand in
/// it as [`brief`] shows them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct DocumentReadReport {
    /// Documents that the reader gave.
    pub documents: usize,
    /// Their mentions.
    pub mentions: usize,
    /// Their relations.
    pub relations: usize,
    /// Ids of documents in which a relation stands several times; it is read once.
    pub repeated_relations: Tally<String>,
    /// Malformed documents that a lenient reader left out.
    pub rejected: Tally<RecordError>,
    /// What documents have no place for, such as keys or kinds of annotations, each with how often it was met; of
    /// more than [`Tally::KEPT`] names only the first ones.
    pub unread: BTreeMap<String, usize>,
}

impl DocumentReadReport {
    pub(super) fn add_unread(&mut self, name: &str) {
        let name = brief(name);
        if self.unread.len() < Tally::<()>::KEPT || self.unread.contains_key(&name) {
            *self.unread.entry(name).or_default() += 1;
        }
    }

    /// Whether everything in the file was read.
    pub fn is_lossless(&self) -> bool {
        self.rejected.count == 0 && self.unread.is_empty()
    }
}

impl fmt::Display for DocumentReadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { documents, mentions, relations, .. } = self;
        write!(f, "{documents} documents, {mentions} mentions, {relations} relations")?;
        if self.repeated_relations.count > 0 {
            write!(f, ", {} documents with repeated relations", self.repeated_relations.count)?;
        }
        if self.rejected.count > 0 {
            write!(f, "; {} malformed documents left out", self.rejected.count)?;
        }
        if let Some(fault) = self.rejected.first.first() {
            write!(f, ", the first one {fault}")?;
        }
        for (at, (name, count)) in self.unread.iter().enumerate() {
            write!(f, "{}{name} ({count})", if at == 0 { "; not read: " } else { ", " })?;
        }
        Ok(())
    }
}

/// What a layout could not hold of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Lost {
    /// The document's id: it is read as another one, or it or characters of it cannot be written.
    Id,
    /// The document's source.
    Source,
    /// White space of the text.
    Text,
    /// A mention: it nests, overlaps with another one or repeats it, or is white space alone.
    Mention,
    /// White space at the edges of a mention.
    Edge,
    /// That a mention has no type: it is written with the type [`UNTYPED`].
    Untyped,
    /// Characters of a type or label, in whose place `_` is written.
    Name,
    /// A mention's score.
    MentionScore,
    /// A mention's entity, or that it has none.
    Entity,
    /// The id of a mention's entity; which mentions are of the same entity is kept.
    EntityId,
    /// A relation.
    Relation,
    /// Between which mentions of its entities a relation holds.
    Endpoint,
    /// A relation's score.
    RelationScore,
    /// A mention's surface form: its entity is shown by another one, or characters of it cannot be written.
    Surface,
    /// A mention's type, as its entity is shown with another one.
    Type,
}

/// The type that is written where a layout needs one and the mention has none.
pub const UNTYPED: &str = "MENTION";

impl Lost {
    /// For people, as in `3 mentions`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Id => "ids",
            Self::Source => "sources",
            Self::Text => "texts (their white space)",
            Self::Mention => "mentions",
            Self::Edge => "mentions' edges (white space)",
            Self::Untyped => "missing types (written as MENTION)",
            Self::Name => "types or labels (characters replaced by _)",
            Self::MentionScore => "mentions' scores",
            Self::Entity => "mentions' entities",
            Self::EntityId => "entities' ids",
            Self::Relation => "relations",
            Self::Endpoint => "relations' mentions (their entities are kept)",
            Self::RelationScore => "relations' scores",
            Self::Surface => "mentions' surface forms",
            Self::Type => "mentions' types",
        }
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a layout could not hold of one document, each with how many of its mentions, relations or the like are concerned.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Losses(BTreeMap<Lost, usize>);

impl Losses {
    /// Whether the document is held in full.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many of a kind are concerned.
    pub fn count(&self, lost: Lost) -> usize {
        self.0.get(&lost).copied().unwrap_or_default()
    }

    /// All kinds that are concerned, with how many.
    pub fn iter(&self) -> impl Iterator<Item = (Lost, usize)> + '_ {
        self.0.iter().map(|(lost, count)| (*lost, *count))
    }

    pub(crate) fn add(&mut self, lost: Lost, count: usize) {
        if count > 0 {
            *self.0.entry(lost).or_default() += count;
        }
    }
}

/// What a writer wrote, and what of it the layout could not hold.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct DocumentWriteReport {
    /// Documents written.
    pub documents: usize,
    /// What was lost.
    pub lost: BTreeMap<Lost, LostCount>,
}

/// How often something was lost.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct LostCount {
    /// How many mentions, relations or the like.
    pub items: usize,
    /// The documents that they belong to, by id.
    pub documents: Tally<String>,
}

impl DocumentWriteReport {
    /// Whether everything was written.
    pub fn is_lossless(&self) -> bool {
        self.lost.is_empty()
    }

    pub(crate) fn add(&mut self, id: &str, losses: &Losses) {
        self.documents += 1;
        for (lost, count) in losses.iter() {
            let total = self.lost.entry(lost).or_default();
            total.items += count;
            total.documents.add(|| brief(id));
        }
    }
}

impl fmt::Display for DocumentWriteReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} documents", self.documents)?;
        for (at, (lost, LostCount { items, documents })) in self.lost.iter().enumerate() {
            let before = if at == 0 { "; lost: " } else { ", " };
            write!(f, "{before}{items} {lost} in {} documents", documents.count)?;
        }
        Ok(())
    }
}
