//! What [`advise`](crate::advise()) found, for machines (serde) and for readers (`Display`).

use std::fmt;

use serde::Serialize;

use crate::significance::{Bootstrap, Estimate, p_text};
use crate::vote::Vote;

/// Subsets that the text table shows; the struct has all.
const SHOWN_SUBSETS: usize = 15;

/// Figures about members and their votes on labelled rows. Shares and accuracies are 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Advice {
    /// Number of rows.
    pub rows: usize,
    /// Number of groups of rows that belong together.
    pub groups: usize,
    /// The vote under which subsets were measured.
    pub vote: Vote,
    /// How intervals were found.
    pub bootstrap: Bootstrap,
    /// Whether all subsets were tried.
    pub exhaustive: bool,
    /// The most accurate member.
    pub best_member: String,
    /// Names of the members to keep: the most accurate subset.
    pub recommended: Vec<String>,
    /// The members, in the order of their names.
    pub members: Vec<MemberReport>,
    /// All pairs of members.
    pub pairs: Vec<PairReport>,
    /// The subsets that were tried, the most accurate one first.
    pub subsets: Vec<SubsetReport>,
    /// The subset that `labels` is about: the most accurate one of at least two members; empty with one
    /// member.
    pub labels_of: Vec<String>,
    /// The vote of that subset label by label, the label with most rows first.
    pub labels: Vec<LabelReport>,
}

/// One member.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct MemberReport {
    /// Its name.
    pub name: String,
    /// Its weight in the votes.
    pub weight: f64,
    /// Its accuracy alone, with Wilson's interval.
    pub accuracy: Estimate,
    /// Whether it is in the recommended subset.
    pub keep: bool,
    /// Accuracy of the recommended subset with it less that without it, with a paired bootstrap
    /// interval: negative where it hurts. `None` where nothing would be left without it.
    pub contribution: Option<Estimate>,
}

/// Two members.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PairReport {
    /// Their names.
    pub members: [String; 2],
    /// Share of the rows for which they give different classes.
    pub disagreement: f64,
    /// Share of the rows on which both are wrong (Giacinto and Roli, 2001).
    pub double_fault: f64,
    /// Share of the rows on which both are wrong with the same class: what no vote of the two mends.
    pub same_error: f64,
    /// Yule's Q, -1 to 1: 0 for independent members, 1 for members that are right on the same rows;
    /// `None` where it is not defined.
    pub q: Option<f64>,
    /// Exact McNemar test of equal accuracy, see [`mcnemar`](crate::mcnemar).
    pub mcnemar_p: f64,
}

/// The vote of some of the members.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SubsetReport {
    /// Their names.
    pub members: Vec<String>,
    /// Accuracy of their vote, with Wilson's interval.
    pub accuracy: Estimate,
    /// That accuracy less the best member's, with a paired bootstrap interval.
    pub gain: Estimate,
}

/// One gold label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LabelReport {
    /// Its name.
    pub label: String,
    /// Rows that have it.
    pub rows: usize,
    /// How many of these each member gets right, in the order of [`Advice::members`].
    pub members: Vec<usize>,
    /// How many the vote gets right.
    pub vote: usize,
    /// How many more the vote gets right than the best member; their sum over all labels is the vote's
    /// gain in rows.
    pub gain: i64,
}

impl Advice {
    /// The members that are not recommended.
    pub fn dropped(&self) -> impl Iterator<Item = &MemberReport> {
        self.members.iter().filter(|member| !member.keep)
    }

    /// The report of a subset, its names in any order.
    pub fn subset(&self, names: &[&str]) -> Option<&SubsetReport> {
        self.subsets.iter().find(|subset| {
            subset.members.len() == names.len() && names.iter().all(|n| subset.members.iter().any(|m| m == n))
        })
    }

    /// Members by their numbers in the tables.
    fn numbers(&self, names: &[String]) -> String {
        let number = |name: &String| self.members.iter().position(|m| m.name == *name).map_or(0, |at| at + 1);
        names.iter().map(|name| number(name).to_string()).collect::<Vec<_>>().join(" ")
    }

    fn write_members(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:>3}  {:<22}  {:<24}  member", "", "accuracy", "contribution")?;
        for (at, member) in self.members.iter().enumerate() {
            let contribution = member.contribution.map_or("-".to_owned(), |c| c.points());
            let accuracy = member.accuracy.percent();
            writeln!(f, "{:>3}  {accuracy:<22}  {contribution:<24}  {}", at + 1, member.name)?;
        }
        writeln!(f)
    }

    fn write_pairs(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "disagree  both wrong  same error      Q  McNemar p  members")?;
        for pair in &self.pairs {
            writeln!(
                f,
                "{:>8.1}  {:>10.1}  {:>10.1}  {:>5}  {:>9}  {}",
                100.0 * pair.disagreement,
                100.0 * pair.double_fault,
                100.0 * pair.same_error,
                pair.q.map_or("-".to_owned(), |q| format!("{q:.2}")),
                p_text(pair.mcnemar_p),
                self.numbers(&pair.members),
            )?;
        }
        writeln!(f)
    }

    fn write_subsets(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<22}  {:<24}  members", "accuracy", "gain over best member")?;
        for subset in self.subsets.iter().take(SHOWN_SUBSETS) {
            let (accuracy, gain) = (subset.accuracy.percent(), subset.gain.points());
            writeln!(f, "{accuracy:<22}  {gain:<24}  {}", self.numbers(&subset.members))?;
        }
        if let Some(more @ 1..) = self.subsets.len().checked_sub(SHOWN_SUBSETS) {
            writeln!(f, "... and {more} more")?;
        }
        writeln!(f)
    }

    fn write_labels(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "rows right by label, of the vote of {}", self.numbers(&self.labels_of))?;
        write!(f, "{:>6}", "rows")?;
        for number in 1..=self.members.len() {
            write!(f, "{number:>6}")?;
        }
        writeln!(f, "{:>6}{:>6}  label", "vote", "gain")?;
        for label in &self.labels {
            write!(f, "{:>6}", label.rows)?;
            for right in &label.members {
                write!(f, "{right:>6}")?;
            }
            writeln!(f, "{:>6}{:>+6}  {}", label.vote, label.gain, label.label)?;
        }
        writeln!(f)
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} rows in {} groups, vote {}; figures in percent, intervals at {:.0} %",
            self.rows,
            self.groups,
            match self.vote {
                Vote::Mean => "mean",
                Vote::LogMean => "log_mean",
                Vote::Hard => "hard",
            },
            100.0 * self.bootstrap.level
        )?;
        writeln!(f)?;
        self.write_members(f)?;
        if self.members.len() > 1 {
            self.write_pairs(f)?;
            self.write_subsets(f)?;
            self.write_labels(f)?;
        }
        writeln!(f, "keep: {}", self.recommended.join(", "))?;
        for member in self.dropped() {
            write!(f, "drop: {}", member.name)?;
            match &member.contribution {
                Some(c) if c.high < 0.0 => writeln!(f, ": it would cost {} points", c.points())?,
                Some(c) => writeln!(f, ": no gain shown, {} points", c.points())?,
                None => writeln!(f)?,
            }
        }
        Ok(())
    }
}
