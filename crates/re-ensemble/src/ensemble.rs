//! A vote of live predictors, itself a predictor.

use std::fmt;
use std::sync::Arc;

use re_data::{LabelSet, Predictor, Probabilities, RelationExample};

use crate::error::{Error, Result};
use crate::members::{Member, Members, check_members, common_labels, with_columns};
use crate::vote::{Ballot, Scores, Vote, probabilities};

/// A predictor in an [`Ensemble`], with its name and weight.
pub struct LiveMember<'a> {
    name: String,
    predictor: Box<dyn Predictor + 'a>,
    weight: f64,
}

impl<'a> LiveMember<'a> {
    /// A member of weight 1. A predictor that is used elsewhere too goes in by reference.
    pub fn new(name: impl Into<String>, predictor: impl Predictor + 'a) -> Self {
        Self { name: name.into(), predictor: Box::new(predictor), weight: 1.0 }
    }

    /// The same member with another weight: finite, at least 0, in any unit.
    #[must_use]
    pub fn with_weight(mut self, weight: f64) -> Self {
        self.weight = weight;
        self
    }
}

impl fmt::Debug for LiveMember<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveMember").field("name", &self.name).field("weight", &self.weight).finish()
    }
}

/// A vote of predictors. Its own answers are those of a predictor, so ensembles nest: the report's
/// config09 is a hard vote with the config04 ensemble as one of its members.
#[derive(Debug)]
pub struct Ensemble<'a> {
    vote: Vote,
    labels: Arc<LabelSet>,
    members: Vec<LiveMember<'a>>,
}

impl<'a> Ensemble<'a> {
    /// An ensemble of members whose label sets hold the same names, in any order; its own classes stand
    /// in the order that [`Members::align`] describes.
    ///
    /// # Errors
    /// A typed error that names the member where there is none, a name stands twice, label sets differ or
    /// a weight is no finite number >= 0.
    pub fn new(vote: Vote, members: impl IntoIterator<Item = LiveMember<'a>>) -> Result<Self> {
        let members: Vec<LiveMember<'a>> = members.into_iter().collect();
        check_members(members.iter().map(|m| (m.name.as_str(), m.weight)))?;
        let labels = common_labels(members.iter().map(|m| (m.name.as_str(), m.predictor.labels())))?.clone();
        Ok(Self { vote, labels, members })
    }

    /// What each member says, aligned; [`Members::vote`] and [`advise`](crate::advise()) take it on.
    ///
    /// # Errors
    /// [`Error::Member`] where a member fails, [`Error::Answer`] where it answers for other rows,
    /// [`Error::DuplicateId`] where two examples have one id.
    pub fn members(&self, examples: &[RelationExample]) -> Result<Members> {
        let members: Vec<Member> = self
            .members
            .iter()
            .map(|m| Ok(Member::new(&*m.name, self.ask(m, examples)?).with_weight(m.weight)))
            .collect::<Result<_>>()?;
        let ids: Vec<String> = examples.iter().map(|example| example.id().to_owned()).collect();
        Members::align_to(members, &self.labels, &ids)
    }

    fn ask(&self, member: &LiveMember<'_>, examples: &[RelationExample]) -> Result<Probabilities> {
        let answer = ask(&member.name, member.predictor.as_ref(), examples)?;
        with_columns(&member.name, answer, "the ensemble", &self.labels)
    }
}

impl Predictor for Ensemble<'_> {
    fn labels(&self) -> &Arc<LabelSet> {
        &self.labels
    }

    /// Rows are combined by position, so that examples with equal ids are no obstacle.
    fn predict(&self, examples: &[RelationExample]) -> re_data::Result<Probabilities> {
        self.combine(examples).map_err(re_data::Error::predictor)
    }

    fn reads_types(&self) -> bool {
        self.members.iter().any(|member| member.predictor.reads_types())
    }
}

impl Ensemble<'_> {
    fn combine(&self, examples: &[RelationExample]) -> Result<Probabilities> {
        let scores: Vec<Scores> = self
            .members
            .iter()
            .map(|member| Ok(Scores::new(self.vote, &self.ask(member, examples)?)))
            .collect::<Result<_>>()?;
        let weights: Vec<f64> = self.members.iter().map(|m| m.weight).collect();
        let mut values = Vec::with_capacity(examples.len() * self.labels.len());
        Ballot::new(self.vote, &weights).cast(&scores.iter().collect::<Vec<_>>(), |row| {
            values.extend_from_slice(row);
        });
        let ids = examples.iter().map(|example| example.id().to_owned()).collect();
        probabilities(ids, &self.labels, values)
    }
}

/// A predictor's answer, checked to be for the examples it was asked about.
pub(crate) fn ask(
    member: &str,
    predictor: &dyn Predictor,
    examples: &[RelationExample],
) -> Result<Probabilities> {
    let answer =
        predictor.predict(examples).map_err(|source| Error::Member { member: member.to_owned(), source })?;
    for row in 0..answer.len().max(examples.len()) {
        let (found, expected) = (answer.ids().get(row), examples.get(row).map(RelationExample::id));
        if found.map(String::as_str) != expected {
            return Err(Error::Answer {
                member: member.to_owned(),
                row,
                rows: examples.len(),
                found: found.cloned(),
                expected: expected.map(str::to_owned),
            });
        }
    }
    Ok(answer)
}
