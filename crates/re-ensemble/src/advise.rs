//! Which members a vote needs: their accuracy, how they differ, and what each subset gains.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::advice::{Advice, LabelReport, MemberReport, PairReport, SubsetReport};
use crate::error::{Error, Result};
use crate::gold::{AlignedGold, Gold};
use crate::members::{Member, Members};
use crate::significance::{Bootstrap, Paired, accuracy, hits, mcnemar};
use crate::vote::{Scores, Vote, correct};

/// Settings of [`advise`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdviceOptions {
    /// The vote under which subsets are measured.
    pub vote: Vote,
    /// Up to this many members all subsets are tried, at most [`Self::MOST_EXHAUSTIVE`]; with more, members join one at a
    /// time, at each step the one that helps most, and then join or leave the best subset as long as
    /// that helps.
    pub exhaustive_up_to: usize,
    /// How intervals are found.
    pub bootstrap: Bootstrap,
}

impl AdviceOptions {
    /// The most members of which all subsets can be tried.
    pub const MOST_EXHAUSTIVE: usize = 16;
}

impl Default for AdviceOptions {
    /// Soft vote, all subsets of up to 10 members.
    fn default() -> Self {
        Self { vote: Vote::Mean, exhaustive_up_to: 10, bootstrap: Bootstrap::default() }
    }
}

/// Measures each member, each pair and each subset of the members on labelled rows that none of them
/// was trained on, and says which subset to keep and which members to drop.
///
/// The kept subset is the most accurate one; of equals the smaller one, then the one whose names come
/// first. It is chosen on the rows it is measured on, so its gain is optimistic where many subsets
/// compete: the intervals, which do not correct for this, are to be read with that in mind, and
/// [`OutOfFold::tune`](crate::OutOfFold::tune) measures a choice without this bias. Diversity figures
/// follow Kuncheva and Whitaker, "Measures of diversity in classifier ensembles", 2003.
///
/// Members take part with their weights; members of weight 0 count, all alike, only among themselves.
///
/// # Errors
/// A typed error that names the row where the gold labels are not those of the members' rows or one is
/// unknown, [`Error::NoRows`], and [`Error::Argument`] where a setting is out of range.
pub fn advise(members: &Members, gold: &Gold, options: &AdviceOptions) -> Result<Advice> {
    options.bootstrap.check()?;
    if options.exhaustive_up_to > AdviceOptions::MOST_EXHAUSTIVE {
        let found = options.exhaustive_up_to.to_string();
        return Err(Error::Argument { name: "exhaustive_up_to", found, expected: "at most 16 members" });
    }
    let gold = gold.aligned(members)?;
    let members = members.clone().sorted_by_name();
    let study = Study::new(&members, &gold, options);
    let mut tried = study.subsets();
    let (recommended, pairs) = loop {
        let best = study.best(tried.iter()).ok_or(Error::NoMembers)?;
        let pairs = study.with_and_without(&best);
        let new: Vec<Subset> = pairs
            .iter()
            .flat_map(|(with, without)| [with, without])
            .filter(|subset| !subset.is_empty() && !tried.contains_key(*subset))
            .cloned()
            .collect();
        if new.is_empty() {
            break (best, pairs);
        }
        tried.extend(study.evaluate(new));
    };
    let singles = tried.iter().filter(|(subset, _)| subset.len() == 1);
    let best_single = study.best(singles).ok_or(Error::NoMembers)?;
    let voted = study.best(tried.iter().filter(|(subset, _)| subset.len() > 1));

    let right = |subset: &Subset| tried.get(subset).map(Vec::as_slice).unwrap_or_default();
    let contributing: Vec<Option<Paired<'_>>> = pairs
        .iter()
        .map(|(with, without)| (!without.is_empty()).then(|| (right(with), right(without))))
        .collect();
    let gains: Vec<Paired<'_>> = tried
        .values()
        .map(|found| (found.as_slice(), right(&best_single)))
        .chain(contributing.iter().flatten().copied())
        .collect();
    let mut gains = options.bootstrap.means(&gold.groups, &gains).into_iter();

    let level = options.bootstrap.level;
    let mut subsets = tried
        .iter()
        .zip(gains.by_ref())
        .map(|((subset, right), gain)| {
            Ok(SubsetReport { members: study.named(subset), accuracy: accuracy(right, level)?, gain })
        })
        .collect::<Result<Vec<_>>>()?;
    subsets.sort_by(|a, b| {
        b.accuracy
            .value
            .total_cmp(&a.accuracy.value)
            .then_with(|| a.members.len().cmp(&b.members.len()))
            .then_with(|| a.members.cmp(&b.members))
    });

    let reports = members
        .members()
        .iter()
        .zip(&study.alone)
        .zip(&contributing)
        .enumerate()
        .map(|(at, ((member, right), contributing))| {
            Ok(MemberReport {
                name: member.name().to_owned(),
                weight: member.weight(),
                accuracy: accuracy(right, level)?,
                keep: recommended.contains(&at),
                contribution: contributing.as_ref().and_then(|_| gains.next()),
            })
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Advice {
        rows: gold.classes.len(),
        groups: gold.groups.count,
        vote: options.vote,
        bootstrap: options.bootstrap,
        exhaustive: study.exhaustive(),
        best_member: study.named(&best_single).join(" "),
        recommended: study.named(&recommended),
        members: reports,
        pairs: study.pairs(),
        subsets,
        labels_of: voted.as_ref().map(|subset| study.named(subset)).unwrap_or_default(),
        labels: voted.map(|subset| study.labels(right(&subset), right(&best_single))).unwrap_or_default(),
    })
}

/// Positions of members, ascending.
type Subset = Vec<usize>;

struct Study<'a> {
    members: &'a Members,
    gold: &'a AlignedGold,
    options: &'a AdviceOptions,
    scores: Vec<Scores>,
    /// Where each member alone is right.
    alone: Vec<Vec<bool>>,
    /// Predicted classes of each member.
    classes: Vec<Vec<usize>>,
}

impl<'a> Study<'a> {
    fn new(members: &'a Members, gold: &'a AlignedGold, options: &'a AdviceOptions) -> Self {
        let all = members.members().iter();
        Self {
            members,
            gold,
            options,
            scores: all.clone().map(|m| Scores::new(options.vote, m.probabilities())).collect(),
            alone: all.clone().map(|m| hits(m, &gold.classes)).collect(),
            classes: all.map(|m| m.probabilities().classes()).collect(),
        }
    }

    fn exhaustive(&self) -> bool {
        self.scores.len() <= self.options.exhaustive_up_to
    }

    fn named(&self, subset: &[usize]) -> Vec<String> {
        let name = |&at: &usize| self.members.members().get(at).map(|m| m.name().to_owned());
        subset.iter().filter_map(name).collect()
    }

    fn evaluate(&self, subsets: Vec<Subset>) -> Vec<(Subset, Vec<bool>)> {
        let evaluate = |subset: Subset| {
            let right = self.right(&subset);
            (subset, right)
        };
        subsets.into_par_iter().map(evaluate).collect()
    }

    /// For each member the subset with it and without it.
    fn with_and_without(&self, subset: &[usize]) -> Vec<(Subset, Subset)> {
        (0..self.scores.len())
            .map(|member| {
                let without: Subset = subset.iter().copied().filter(|m| *m != member).collect();
                let mut with = without.clone();
                with.push(member);
                with.sort_unstable();
                (with, without)
            })
            .collect()
    }

    /// Where the vote of a subset is right; a member alone speaks for itself whatever its weight, and so
    /// do members that all have weight 0.
    fn right(&self, subset: &[usize]) -> Vec<bool> {
        if let [only] = subset {
            return self.alone.get(*only).cloned().unwrap_or_default();
        }
        let scores: Vec<&Scores> = subset.iter().filter_map(|&at| self.scores.get(at)).collect();
        let weight = |&at: &usize| self.members.members().get(at).map(Member::weight);
        let mut weights: Vec<f64> = subset.iter().filter_map(weight).collect();
        if weights.iter().all(|weight| *weight <= 0.0) {
            weights.fill(1.0);
        }
        correct(self.options.vote, &weights, &scores, &self.gold.classes)
    }

    /// The subsets to try, with the rows each of them gets right.
    fn subsets(&self) -> BTreeMap<Subset, Vec<bool>> {
        let count = self.scores.len();
        if self.exhaustive() {
            let subset = |mask: u32| (0..count).filter(|at| mask >> at & 1 == 1).collect();
            return self.evaluate((1..1_u32 << count).map(subset).collect()).into_iter().collect();
        }
        let mut tried: BTreeMap<Subset, Vec<bool>> =
            self.evaluate((0..count).map(|at| vec![at]).collect()).into_iter().collect();
        let mut path = self.best(tried.iter()).unwrap_or_default();
        while path.len() < count {
            let candidates = (0..count).filter(|at| !path.contains(at)).map(|at| {
                let mut subset = path.clone();
                subset.push(at);
                subset.sort_unstable();
                subset
            });
            let found: BTreeMap<Subset, Vec<bool>> =
                self.evaluate(candidates.collect()).into_iter().collect();
            path = self.best(found.iter()).unwrap_or_default();
            tried.extend(found);
        }
        tried
    }

    /// The most accurate subset; of equals the smallest, then the first in the order of names.
    fn best<'s>(&self, tried: impl Iterator<Item = (&'s Subset, &'s Vec<bool>)>) -> Option<Subset> {
        let count = |right: &[bool]| right.iter().filter(|right| **right).count();
        let order =
            |(a, right_a): &(&Subset, &Vec<bool>), (b, right_b): &(&Subset, &Vec<bool>)| -> Ordering {
                count(right_b).cmp(&count(right_a)).then_with(|| a.len().cmp(&b.len())).then_with(|| a.cmp(b))
            };
        tried.min_by(order).map(|(subset, _)| subset.clone())
    }

    fn pairs(&self) -> Vec<PairReport> {
        let all: Vec<_> = self.members.names().into_iter().zip(&self.alone).zip(&self.classes).collect();
        let mut reports = Vec::new();
        for (at, ((a, right_a), classes_a)) in all.iter().enumerate() {
            for ((b, right_b), classes_b) in all.iter().skip(at + 1) {
                let count = |wanted: [bool; 2]| {
                    right_a.iter().zip(*right_b).filter(|(a, b)| [**a, **b] == wanted).count()
                };
                let same_class = classes_a.iter().zip(*classes_b).filter(|(a, b)| a == b).count();
                let [both, only_a, only_b, none] =
                    [[true, true], [true, false], [false, true], [false, false]].map(count);
                let rows = right_a.len() as f64;
                let (agree, differ) = ((both * none) as f64, (only_a * only_b) as f64);
                reports.push(PairReport {
                    members: [(*a).to_owned(), (*b).to_owned()],
                    disagreement: 1.0 - same_class as f64 / rows,
                    double_fault: none as f64 / rows,
                    same_error: (same_class - both) as f64 / rows,
                    q: (agree + differ > 0.0).then(|| (agree - differ) / (agree + differ)),
                    mcnemar_p: mcnemar(only_a as u64, only_b as u64),
                });
            }
        }
        reports
    }

    /// Recall of every label that has gold rows, most frequent first.
    fn labels(&self, vote: &[bool], best: &[bool]) -> Vec<LabelReport> {
        let mut reports: Vec<LabelReport> = self
            .members
            .labels()
            .names()
            .iter()
            .enumerate()
            .filter_map(|(class, label)| {
                let count = |right: &[bool]| {
                    right.iter().zip(&self.gold.classes).filter(|(r, gold)| **r && **gold == class).count()
                };
                let rows = self.gold.classes.iter().filter(|gold| **gold == class).count();
                (rows > 0).then(|| LabelReport {
                    label: label.clone(),
                    rows,
                    members: self.alone.iter().map(|right| count(right)).collect(),
                    vote: count(vote),
                    gain: count(vote) as i64 - count(best) as i64,
                })
            })
            .collect();
        reports.sort_by_key(|report| std::cmp::Reverse(report.rows));
        reports
    }
}
