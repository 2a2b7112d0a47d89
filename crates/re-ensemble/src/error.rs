//! What can go wrong while predictions are aligned, combined or compared.

use re_data::PredictError;
use re_data::text::{brief, quoted};

/// Result with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong in this crate.
///
/// `member` is the name under which a prediction file or predictor was given, or `gold` for the gold
/// labels.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is nothing to combine.
    #[error("found no member, expected at least one")]
    NoMembers,
    /// There are no rows to measure on.
    #[error("found no rows, expected at least one")]
    NoRows,
    /// Two members have one name, so that errors, weights and advice could not tell them apart.
    #[error("two members are named {member:?}")]
    DuplicateMember {
        /// The name.
        member: String,
    },
    /// A member that tuned weights were found for is absent, or one is present that they were not found for.
    #[error("found members {found:?}, expected {expected:?}, for which the weights were tuned")]
    MemberSet {
        /// The names that were given.
        found: Vec<String>,
        /// The names that the weights belong to.
        expected: Vec<String>,
    },
    /// A member's weight is negative or not finite, or all weights are zero.
    #[error("{member}: weight {found} (expected finite numbers >= 0, at least one of them > 0)")]
    Weight {
        /// The member.
        member: String,
        /// Its weight.
        found: f64,
    },
    /// An id is duplicated, so that rows cannot be aligned by id.
    #[error("{member}: duplicate id {}", brief(id))]
    DuplicateId {
        /// Where it is duplicated.
        member: String,
        /// The id.
        id: String,
    },
    /// A row that others have is missing.
    #[error("{member}: missing row id {}, which {reference} has", brief(id))]
    MissingId {
        /// Where it is missing.
        member: String,
        /// The id.
        id: String,
        /// Where it stands.
        reference: String,
    },
    /// A row stands here that others do not have.
    #[error("{member}: unexpected row id {}, which {reference} does not have", brief(id))]
    UnexpectedId {
        /// Where it stands.
        member: String,
        /// The id.
        id: String,
        /// Where it is missing.
        reference: String,
    },
    /// A label that others have is missing.
    #[error("{member}: missing label {}, which {reference} has", quoted(label))]
    MissingLabel {
        /// Where it is missing.
        member: String,
        /// The label.
        label: String,
        /// Where it stands.
        reference: String,
    },
    /// A label stands here that others do not have.
    #[error("{member}: unexpected label {}, which {reference} does not have", quoted(label))]
    UnexpectedLabel {
        /// Where it stands.
        member: String,
        /// The label.
        label: String,
        /// Where it is missing.
        reference: String,
    },
    /// Label sets disagree on the class that says "no relation".
    #[error("{member}: the no-relation class is {}, in {reference} it is {}", role(found), role(expected))]
    NoRelation {
        /// The member that differs.
        member: String,
        /// Its no-relation class, if it has one.
        found: Option<String>,
        /// Where the other one stands.
        reference: String,
        /// The other one.
        expected: Option<String>,
    },
    /// A row has no gold label.
    #[error("example {} has no gold label", brief(id))]
    Unlabelled {
        /// Id of the row.
        id: String,
    },
    /// A gold label is none of the members' labels.
    #[error("gold: row {} has label {}, expected one of the predicted classes", brief(id), quoted(label))]
    UnknownGold {
        /// Id of the row.
        id: String,
        /// Its label.
        label: String,
    },
    /// A live predictor failed.
    #[error("{member}: prediction failed")]
    Member {
        /// Its name.
        member: String,
        /// Why it failed.
        source: PredictError,
    },
    /// A row was used to tune the weights, so that a vote on it with these weights would measure nothing.
    #[error(
        "row {} was used to tune these weights: use the nested estimate for it or, if it is another row with the same id, \
         pass --other-rows (Tuned::for_other_rows)",
        brief(id)
    )]
    TunedOn {
        /// Id of the row.
        id: String,
    },
    /// A class has no share in the training prior although probabilities are to be divided by it.
    #[error("class {} has share {found} in the prior (expected a finite number > 0)", quoted(label))]
    Prior {
        /// The class.
        label: String,
        /// Its share.
        found: f64,
    },
    /// A value that the caller chose is outside its range.
    #[error("{name} = {found} (expected {expected})")]
    Argument {
        /// Name of the argument.
        name: &'static str,
        /// The value that was given.
        found: String,
        /// What would be accepted.
        expected: &'static str,
    },
    /// A matrix of probabilities or a label set could not be built.
    #[error(transparent)]
    Data(#[from] re_data::Error),
}

/// A no-relation class in an error.
fn role(label: &Option<String>) -> String {
    label.as_deref().map_or("none".to_owned(), quoted)
}

impl Error {
    /// The failure of a live predictor.
    pub(crate) fn member(member: impl Into<String>, source: impl Into<PredictError>) -> Self {
        Self::Member { member: member.into(), source: source.into() }
    }
}

/// A member's failure is one of the model, unless it was stopped or a row is at fault.
impl From<Error> for PredictError {
    fn from(error: Error) -> Self {
        match error {
            Error::Member { source: Self::Interrupted, .. } => Self::Interrupted,
            Error::Member { member, source: Self::Row(error) } => error.in_member(member).into(),
            other => Self::model(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_files_hold_is_shown_in_part() {
        let long = "x".repeat(3_000_000);
        let [member, reference] = ["a", "b"].map(str::to_owned);
        let role = (Some(long.clone()), Some(long.clone()));
        for error in [
            Error::MissingId { member: member.clone(), id: long.clone(), reference: reference.clone() },
            Error::MissingLabel { member: member.clone(), label: long.clone(), reference: reference.clone() },
            Error::UnknownGold { id: long.clone(), label: long.clone() },
            Error::NoRelation { member, found: role.0, reference, expected: role.1 },
            Error::TunedOn { id: long },
        ] {
            assert!(error.to_string().chars().count() < 500);
        }
        assert_eq!(Error::Unlabelled { id: "\u{1b}[2J".into() }.to_string().find('\u{1b}'), None);
    }
}
