//! What can go wrong while predictions are aligned, combined or compared.

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
    #[error("{member}: weight {found} (expected a finite number >= 0, and one of all > 0)")]
    Weight {
        /// The member.
        member: String,
        /// Its weight.
        found: f64,
    },
    /// A row stands twice, so that rows cannot be aligned by id.
    #[error("{member}: id {id} stands twice")]
    DuplicateId {
        /// Where it stands twice.
        member: String,
        /// The id.
        id: String,
    },
    /// A row that others have is missing.
    #[error("{member}: no row with id {id}, which {reference} has")]
    MissingId {
        /// Where it is missing.
        member: String,
        /// The id.
        id: String,
        /// Where it stands.
        reference: String,
    },
    /// A row stands here that others do not have.
    #[error("{member}: a row with id {id}, which {reference} has not")]
    UnexpectedId {
        /// Where it stands.
        member: String,
        /// The id.
        id: String,
        /// Where it is missing.
        reference: String,
    },
    /// A label that others have is missing.
    #[error("{member}: no label {label:?}, which {reference} has")]
    MissingLabel {
        /// Where it is missing.
        member: String,
        /// The label.
        label: String,
        /// Where it stands.
        reference: String,
    },
    /// A label stands here that others do not have.
    #[error("{member}: a label {label:?}, which {reference} has not")]
    UnexpectedLabel {
        /// Where it stands.
        member: String,
        /// The label.
        label: String,
        /// Where it is missing.
        reference: String,
    },
    /// Label sets disagree on the class that says "no relation".
    #[error("{member}: the no-relation class is {found:?}, in {reference} it is {expected:?}")]
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
    #[error("example {id} has no label, and gold labels are needed")]
    Unlabelled {
        /// Id of the row.
        id: String,
    },
    /// A gold label is none of the members' labels.
    #[error("gold: row {id} has label {label:?}, expected one of the predicted classes")]
    UnknownGold {
        /// Id of the row.
        id: String,
        /// Its label.
        label: String,
    },
    /// A live predictor failed.
    #[error("{member}: no answer")]
    Member {
        /// Its name.
        member: String,
        /// Why it failed.
        source: re_data::Error,
    },
    /// A live predictor answered for other rows than it was asked for.
    #[error("{member}: answer {row} of {rows} is for id {found:?}, expected {expected:?}")]
    Answer {
        /// Its name.
        member: String,
        /// Position of the first wrong answer, from 0.
        row: usize,
        /// Number of rows it was asked for.
        rows: usize,
        /// The id it answered with, if any.
        found: Option<String>,
        /// The id it was asked for, if any.
        expected: Option<String>,
    },
    /// A row was used to tune the weights, so that a vote on it with these weights would measure nothing.
    #[error(
        "row {id} was used to tune these weights: use the nested estimate for it or, if it is another row with the same id, \
         say so (--other-rows, Tuned::for_other_rows)"
    )]
    TunedOn {
        /// Id of the row.
        id: String,
    },
    /// A class has no share in the training prior although probabilities are to be divided by it.
    #[error("class {label:?} has share {found} in the prior (expected a finite number > 0)")]
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
