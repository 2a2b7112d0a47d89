//! A vote of live predictors, itself a predictor.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use re_data::{LabelSet, Outcomes, PredictError, Predictor, RelationExample};

use crate::error::{Error, Result};
use crate::members::{Member, Members, check_members, common_labels, with_columns};
use crate::vote::{Combiner, Scores, Vote};

/// Name of the ensemble in errors.
const THIS: &str = "the ensemble";

/// A predictor in an [`Ensemble`], with its name and weight.
pub struct Voter<'a> {
    name: String,
    predictor: Box<dyn Predictor + 'a>,
    weight: f64,
}

impl<'a> Voter<'a> {
    /// A member of weight 1. A predictor that is used elsewhere too goes in as a [`re_data::SharedPredictor`].
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

impl Voter<'_> {
    fn outcomes_of(&self, examples: &[RelationExample]) -> Result<Outcomes> {
        outcomes_of(&self.name, self.predictor.as_ref(), examples)
    }
}

impl fmt::Debug for Voter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Voter").field("name", &self.name).field("weight", &self.weight).finish()
    }
}

/// A vote of predictors. Its own answers are those of a predictor, so ensembles nest: the report's
/// config09 is a hard vote with the config04 ensemble as one of its members.
#[derive(Debug)]
pub struct Ensemble<'a> {
    vote: Vote,
    labels: Arc<LabelSet>,
    members: Vec<Voter<'a>>,
}

impl<'a> Ensemble<'a> {
    /// An ensemble of members whose label sets hold the same names, in any order; its own classes stand
    /// in the order that [`Members::align`] describes.
    ///
    /// # Errors
    /// A typed error that names the member where there is none, a name is duplicated, label sets differ or
    /// a weight is no finite number >= 0.
    pub fn new(vote: Vote, members: impl IntoIterator<Item = Voter<'a>>) -> Result<Self> {
        let members: Vec<Voter<'a>> = members.into_iter().collect();
        check_members(members.iter().map(|m| (m.name.as_str(), m.weight)))?;
        let labels = common_labels(members.iter().map(|m| (m.name.as_str(), m.predictor.labels())))?.clone();
        Ok(Self { vote, labels, members })
    }

    /// What each member says, aligned; [`Members::vote`] and [`advise`](crate::advise()) take it on.
    ///
    /// # Errors
    /// [`Error::Member`] where a member fails or cannot answer a row, [`Error::DuplicateId`] where two examples have
    /// one id.
    pub fn members(&self, examples: &[RelationExample]) -> Result<Members> {
        let members: Vec<Member> = self
            .members
            .iter()
            .map(|m| {
                let failed = |error| Error::member(&m.name, error);
                let answer = m.outcomes_of(examples)?.into_probabilities().map_err(failed)?;
                let answer = with_columns(&m.name, answer, THIS, &self.labels)?;
                Ok(Member::new(&*m.name, answer).with_weight(m.weight))
            })
            .collect::<Result<_>>()?;
        let ids: Vec<String> = examples.iter().map(|example| example.id().to_owned()).collect();
        Members::align_to(members, &self.labels, &ids)
    }

    /// Votes on the rows that all members answer.
    fn combine(&self, examples: &[RelationExample]) -> Result<Outcomes> {
        let (mut scores, mut failed) = (Vec::new(), BTreeMap::new());
        for member in &self.members {
            let outcomes = member.outcomes_of(examples)?;
            let mut of_rows = Vec::with_capacity(examples.len());
            for (row, outcome) in outcomes.rows().enumerate() {
                if let Err(error) = outcome {
                    failed.entry(row).or_insert_with(|| error.clone().in_member(&*member.name));
                }
                of_rows.push(outcome.is_ok());
            }
            let answered = with_columns(&member.name, outcomes.into_answered(), THIS, &self.labels)?;
            scores.push((Scores::new(self.vote, &answered), of_rows));
        }
        let weights: Vec<f64> = self.members.iter().map(|m| m.weight).collect();
        let mut combiner = Combiner::new(self.vote, &weights);
        let mut votes: Vec<_> = scores.iter().map(|(scores, answered)| (scores.rows(), answered)).collect();
        let outcomes = examples.iter().enumerate().map(|(row, example)| {
            let of_row = votes.iter_mut().filter(|(_, answered)| answered.get(row) == Some(&true));
            let of_row: Vec<&[f64]> = of_row.filter_map(|(rows, _)| rows.next()).collect();
            match failed.remove(&row) {
                Some(error) => Err(error),
                None => {
                    let vote = combiner.row(&of_row).iter().map(|share| share.min(1.0));
                    Ok((example.id().to_owned(), vote.collect::<Vec<f32>>()))
                }
            }
        });
        Ok(Outcomes::new(Arc::clone(&self.labels), outcomes)?)
    }
}

impl Predictor for Ensemble<'_> {
    fn labels(&self) -> &Arc<LabelSet> {
        &self.labels
    }

    /// A row fails where a member could not answer it. Rows are combined by position, so that examples with equal ids are
    /// no obstacle.
    fn outcomes(&self, examples: &[RelationExample]) -> Result<Outcomes, PredictError> {
        Ok(self.combine(examples)?)
    }

    fn tokens(&self, example: &RelationExample) -> usize {
        self.members.iter().map(|member| member.predictor.tokens(example)).sum()
    }

    fn reads_types(&self) -> bool {
        self.members.iter().any(|member| member.predictor.reads_types())
    }
}

/// What a predictor says of the examples it was asked about, and of no others.
pub(crate) fn outcomes_of(
    member: &str,
    predictor: &dyn Predictor,
    examples: &[RelationExample],
) -> Result<Outcomes> {
    let outcomes = predictor.outcomes(examples).and_then(|outcomes| outcomes.checked_for(examples));
    outcomes.map_err(|source| Error::member(member, source))
}
