//! The entities that the mentions of a document name, and their numbers as nodes of a graph.

use std::collections::HashMap;

use re_data::{Document, Pair};

use super::EntityScope;
use crate::documents::writer::Holds;
use crate::documents::{Losses, Lost};

/// What mentions of one id name or, of those without, mentions of one surface form and type.
pub(super) struct Entity<'d> {
    pub(super) id: Option<&'d str>,
    /// The first mention's.
    pub(super) surface: &'d str,
    /// That of the first mention that has one.
    pub(super) kind: Option<&'d str>,
    /// Numbers of its mentions, in their order in the document.
    pub(super) mentions: Vec<usize>,
}

/// The entities of a document, in the order of their first mentions.
pub(super) struct Entities<'d> {
    pub(super) all: Vec<Entity<'d>>,
    /// For each mention the place of its entity.
    places: Vec<usize>,
}

impl<'d> Entities<'d> {
    /// Those of a document. Counts what no layout of nodes can hold; only some hold the document's source.
    pub(super) fn counted(document: &'d Document, source: bool, losses: &mut Losses) -> Self {
        let holds = Holds {
            mentions: true,
            entities: true,
            relations: true,
            relation_scores: true,
            mention_scores: false,
            source,
        };
        holds.count(document, losses);
        let entities = Self::of(document);
        entities.count_endpoints(document, losses);
        entities
    }

    fn of(document: &'d Document) -> Self {
        #[derive(PartialEq, Eq, Hash)]
        enum Key<'d> {
            Id(&'d str),
            Name(&'d str, Option<&'d str>),
        }
        let mut found: HashMap<Key<'_>, usize> = HashMap::new();
        let mut all: Vec<Entity<'_>> = Vec::new();
        let mut places = Vec::new();
        for (number, mention) in document.mentions().iter().enumerate() {
            let (id, surface, kind) = (mention.entity(), document.surface(number), mention.kind());
            let key = id.map_or(Key::Name(surface, kind), Key::Id);
            let place = *found.entry(key).or_insert(all.len());
            places.push(place);
            match all.get_mut(place) {
                Some(entity) => {
                    entity.mentions.push(number);
                    entity.kind = entity.kind.or(kind);
                }
                None => all.push(Entity { id, surface, kind, mentions: vec![number] }),
            }
        }
        Self { all, places }
    }

    /// Places of the entities of subject and object.
    pub(super) fn ends(&self, pair: Pair) -> Option<[usize; 2]> {
        Some([*self.places.get(pair.subject)?, *self.places.get(pair.object)?])
    }

    /// Counts relations of entities with several mentions: between which of them they hold is lost.
    fn count_endpoints(&self, document: &Document, losses: &mut Losses) {
        let several = |place: usize| self.all.get(place).is_some_and(|entity| entity.mentions.len() > 1);
        let unclear = document.relations().iter().filter_map(|relation| self.ends(relation.pair()));
        losses.add(Lost::Endpoint, unclear.filter(|ends| ends.iter().any(|&place| several(place))).count());
    }
}

/// Numbers of the nodes that were written, from 0.
pub(super) struct Nodes {
    scope: EntityScope,
    next: usize,
    /// Those that later documents may name, by entity id.
    known: HashMap<String, Shown>,
}

/// A node, and what it shows of its entity.
struct Shown {
    number: usize,
    surface: String,
    kind: Option<String>,
}

impl Nodes {
    pub(super) fn new(scope: EntityScope) -> Self {
        Self { scope, next: 0, known: HashMap::new() }
    }

    /// The nodes of a document's entities. Counts the mentions that their nodes do not show as they are.
    pub(super) fn number(
        &mut self,
        document: &Document,
        entities: &Entities<'_>,
        losses: &mut Losses,
    ) -> Numbers {
        let mut numbers = Vec::with_capacity(entities.all.len());
        for entity in &entities.all {
            let known = entity.id.filter(|_| self.scope == EntityScope::Corpus);
            let old = known.and_then(|id| self.known.get(id));
            let (surface, kind) = match old {
                Some(shown) => (shown.surface.as_str(), shown.kind.as_deref()),
                None => (entity.surface, entity.kind),
            };
            for &mention in &entity.mentions {
                let of_mention = document.mentions().get(mention).and_then(|mention| mention.kind());
                losses.add(Lost::Surface, usize::from(document.surface(mention) != surface));
                losses.add(Lost::Type, usize::from(of_mention != kind));
            }
            if let Some(shown) = old {
                numbers.push((shown.number, false));
                continue;
            }
            if let Some(id) = known {
                let (surface, kind) = (entity.surface.to_owned(), entity.kind.map(str::to_owned));
                self.known.insert(id.to_owned(), Shown { number: self.next, surface, kind });
            }
            numbers.push((self.next, true));
            self.next += 1;
        }
        Numbers(numbers)
    }
}

/// For each entity of a document its node, and whether that is a new one.
pub(super) struct Numbers(Vec<(usize, bool)>);

impl Numbers {
    /// The entities whose nodes are new, each with its node.
    pub(super) fn new_nodes<'e, 'd>(
        &'e self,
        entities: &'e Entities<'d>,
    ) -> impl Iterator<Item = (&'e Entity<'d>, usize)> {
        let all = entities.all.iter().zip(&self.0);
        all.filter(|(_, (_, new))| *new).map(|(entity, (number, _))| (entity, *number))
    }

    /// The nodes of subject and object.
    pub(super) fn ends(&self, entities: &Entities<'_>, pair: Pair) -> Option<[usize; 2]> {
        let [subject, object] = entities.ends(pair)?;
        Some([self.0.get(subject)?.0, self.0.get(object)?.0])
    }
}
