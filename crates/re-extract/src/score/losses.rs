//! Where relations of the truth are lost, and why others are told that the truth does not have.

use std::collections::BTreeSet;

use re_data::{CharSpan, Document, Pair};
use serde::Serialize;

use super::{End, Predicted, Strict};
use crate::outcome::{Abstained, Reason};
use crate::properties::{RelationProperties, reverse};

/// What became of a mention on the other side, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EndState {
    /// It is there, with span and type.
    Found,
    /// Its span is there with another type, or without one.
    WrongType,
    /// Mentions overlap it, but none has its span.
    WrongBoundary,
    /// No mention touches it.
    Absent,
}

/// Where a relation was lost: the first step that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Loss {
    /// The document has no prediction.
    DocumentFailed,
    /// Subject or object was not tagged at all.
    NotTagged,
    /// Subject or object has another boundary.
    WrongBoundary,
    /// Subject or object has another type.
    WrongType,
    /// No rule generated the pair.
    NotGenerated,
    /// The types allow no relation, or not the one that the predictor would have chosen.
    TypesNotAllowed,
    /// The predictor failed on the pair.
    Unanswered,
    /// The pair got this relation in the other direction.
    WrongDirection,
    /// The pair got another relation, or would have without the threshold.
    WrongLabel,
    /// "No relation" was more probable.
    NoRelation,
    /// The right relation had too small a score.
    BelowThreshold,
    /// The pair got no relation, and the prediction does not say why: its abstained pairs were not kept.
    Unknown,
}

/// A relation of the truth that was lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LostRelation {
    /// Id of the document.
    pub document: String,
    /// The relation.
    pub relation: String,
    /// Subject and object: where they stand, in code points, and what became of them.
    pub ends: [(usize, usize, EndState); 2],
    /// Where it was lost.
    pub loss: Loss,
}

/// Why a relation was told that the truth does not have: the first step that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Spurious {
    /// Subject or object is no mention.
    NoMention,
    /// Subject or object has another boundary than the truth.
    WrongBoundary,
    /// Subject or object has another type than the truth.
    WrongType,
    /// The truth has this relation in the other direction.
    WrongDirection,
    /// The truth has another relation of this pair.
    WrongLabel,
    /// The truth has no relation of this pair.
    Unrelated,
}

/// A relation that was told and that the truth does not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SpuriousRelation {
    /// Id of the document.
    pub document: String,
    /// The relation.
    pub relation: String,
    /// Subject and object: where they stand, in code points, and what the truth has there.
    pub ends: [(usize, usize, EndState); 2],
    /// Why it was told.
    pub cause: Spurious,
}

pub(super) fn lost(
    gold: &Document,
    predicted: &Predicted<'_>,
    &(subject, object, label): &Strict<'_>,
    properties: &RelationProperties,
) -> LostRelation {
    let states = [subject, object].map(|end| predicted.document.map_or(EndState::Absent, |d| state(end, d)));
    let loss = match (predicted.document, worst(states)) {
        (None, _) => Loss::DocumentFailed,
        (_, EndState::Absent) => Loss::NotTagged,
        (_, EndState::WrongBoundary) => Loss::WrongBoundary,
        (_, EndState::WrongType) => Loss::WrongType,
        (Some(document), EndState::Found) => {
            of_pair(document, predicted, [subject, object], label, properties)
        }
    };
    let [a, b] = states;
    let relation = label.to_owned();
    LostRelation {
        document: gold.id().to_owned(),
        relation,
        ends: [place(subject, a), place(object, b)],
        loss,
    }
}

/// Where a relation between two mentions that were found was lost.
fn of_pair(
    document: &Document,
    predicted: &Predicted<'_>,
    [subject, object]: [End<'_>; 2],
    label: &str,
    properties: &RelationProperties,
) -> Loss {
    let of = |end: End<'_>| {
        let same = move |&(_, mention): &(usize, &re_data::Mention)| (mention.span(), mention.kind()) == end;
        document.mentions().iter().enumerate().filter(same).map(|(number, _)| number).collect::<Vec<_>>()
    };
    // A tagger may give a mention twice.
    let (subjects, objects) = (of(subject), of(object));
    let forward: BTreeSet<Pair> = subjects
        .iter()
        .flat_map(|&subject| objects.iter().map(move |&object| Pair { subject, object }))
        .collect();
    let is_symmetric = properties.is_symmetric(label);
    let is_this = |pair: Pair| forward.contains(&pair) || is_symmetric && forward.contains(&reverse(pair));
    let mut wrong = None;
    for relation in document.relations() {
        let turned = forward.contains(&reverse(relation.pair()));
        if turned && relation.label() == label {
            return Loss::WrongDirection;
        }
        // Another symmetric relation says something of both directions.
        if is_this(relation.pair()) || turned && properties.is_symmetric(relation.label()) {
            wrong = Some(Loss::WrongLabel);
        }
    }
    if let Some(wrong) = wrong {
        return wrong;
    }
    let Some(abstained) = predicted.abstained else { return Loss::Unknown };
    // Of both directions of a symmetric relation, the one that came nearest.
    let nearest =
        abstained.iter().filter(|abstained| is_this(abstained.pair)).map(|a| of_reason(a, label)).max();
    let failed =
        || predicted.unanswered.is_some_and(|failed| failed.first.iter().any(|(pair, _)| is_this(*pair)));
    match nearest {
        Some(loss) => loss,
        None if failed() => Loss::Unanswered,
        None => Loss::NotGenerated,
    }
}

fn of_reason(abstained: &Abstained, label: &str) -> Loss {
    match &abstained.reason {
        Reason::NoRelation => Loss::NoRelation,
        Reason::BelowThreshold(_) if abstained.relation.as_deref() == Some(label) => Loss::BelowThreshold,
        Reason::BelowThreshold(_) => Loss::WrongLabel,
        Reason::LabelNotAllowed(forbidden) if **forbidden != *label => Loss::WrongLabel,
        Reason::LabelNotAllowed(_) | Reason::TypesNotAllowed => Loss::TypesNotAllowed,
    }
}

pub(super) fn spurious(
    gold: &Document,
    &(subject, object, label): &Strict<'_>,
    truth: &BTreeSet<Strict<'_>>,
    properties: &RelationProperties,
) -> SpuriousRelation {
    let states = [subject, object].map(|end| state(end, gold));
    let cause = match worst(states) {
        EndState::Absent => Spurious::NoMention,
        EndState::WrongBoundary => Spurious::WrongBoundary,
        EndState::WrongType => Spurious::WrongType,
        EndState::Found if truth.contains(&(object, subject, label)) => Spurious::WrongDirection,
        EndState::Found => {
            let is_symmetric = properties.is_symmetric(label);
            let related = truth.iter().any(|&(s, o, other)| {
                let either = is_symmetric || properties.is_symmetric(other);
                (s, o) == (subject, object) || either && (s, o) == (object, subject)
            });
            if related { Spurious::WrongLabel } else { Spurious::Unrelated }
        }
    };
    let [a, b] = states;
    let relation = label.to_owned();
    SpuriousRelation {
        document: gold.id().to_owned(),
        relation,
        ends: [place(subject, a), place(object, b)],
        cause,
    }
}

/// What a document has in the place of a mention.
fn state((span, kind): End<'_>, document: &Document) -> EndState {
    let of = |mention: &re_data::Mention| {
        if mention.span() == span {
            if mention.kind() == kind { EndState::Found } else { EndState::WrongType }
        } else if mention.span().overlaps(&span) {
            EndState::WrongBoundary
        } else {
            EndState::Absent
        }
    };
    document.mentions().iter().map(of).min().unwrap_or(EndState::Absent)
}

fn worst(states: [EndState; 2]) -> EndState {
    let [one, other] = states;
    one.max(other)
}

fn place((span, _): (CharSpan, Option<&str>), state: EndState) -> (usize, usize, EndState) {
    (span.start(), span.end(), state)
}
