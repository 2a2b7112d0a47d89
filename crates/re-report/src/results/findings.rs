//! What somebody else's report has found, beside what the runs say about it.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use re_data::files;
use re_ensemble::{Bootstrap, Comparison, Estimate, Member, Members, Vote, compare};
use serde::Deserialize;

use super::curves::curves;
use super::markdown::{cell, table};
use super::recorded::Recorded;
use super::tracking::tracking;
use crate::error::{Error, Result};
use crate::gold::{GoldFiles, Scored};
use crate::number::{count, percent, points};
use crate::run::{Log, RowSet};

/// A claim, what the runs say about it in figures, and what follows.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Finding {
    /// What was claimed.
    claim: String,
    verdict: Verdict,
    /// What the verdict rests on, in words.
    because: String,
    /// Differences in accuracy.
    #[serde(default)]
    pairs: Vec<Pair>,
    /// A system and its parts label by label.
    by_label: Option<Voters>,
    /// Runs, or parts of them as `RUN/PART`, whose evaluations are looked at one after the other.
    #[serde(default)]
    curves: Vec<String>,
    /// A run whose checkpoints have all predicted the validation rows.
    checkpoints: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Held,
    DidNotHold,
    CannotBeTold,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair {
    a: System,
    b: System,
}

/// What predicts: a run, by the path of its folder, or a vote.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum System {
    Run(String),
    Vote(Voters),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Voters {
    vote: Vote,
    of: Vec<System>,
}

/// The runs, their gold labels, and their predictions as far as they were asked for.
pub(super) struct Evidence<'a> {
    runs: BTreeMap<&'a str, &'a Recorded>,
    gold: GoldFiles,
    read: HashMap<String, Scored>,
}

impl<'a> Evidence<'a> {
    pub fn new(runs: &'a [Recorded], gold: &[PathBuf]) -> Self {
        let runs = runs.iter().map(|run| (run.path.as_str(), run)).collect();
        Self { runs, gold: GoldFiles::new(gold, None), read: HashMap::new() }
    }

    fn has(&self, system: &System) -> bool {
        match system {
            System::Run(name) => self.runs.contains_key(name.as_str()),
            System::Vote(voters) => voters.of.iter().all(|system| self.has(system)),
        }
    }

    /// The log of a run, or of the part of it that a path `RUN/PART` names.
    fn log(&self, path: &str) -> Option<&'a Log> {
        let part = || {
            let (run, part) = path.rsplit_once('/')?;
            self.runs.get(run)?.run.parts().iter().find(|found| found.name() == part)
        };
        let whole = self.runs.get(path).map(|recorded| &recorded.run);
        whole.or_else(part)?.log()
    }

    /// A run's predictions of rows that it was not trained on.
    fn scored(&mut self, name: &str) -> Result<&Scored> {
        if !self.read.contains_key(name) {
            let missing =
                |expected: &'static str| Error::Argument { name: "run", found: name.to_owned(), expected };
            let recorded =
                self.runs.get(name).ok_or_else(|| missing("a run below the folder of the runs"))?;
            let rows = [RowSet::Validation, RowSet::Holdout];
            let mut found = None;
            for rows in rows {
                found =
                    found.or(recorded.run.probabilities(rows)?.map(|probabilities| (rows, probabilities)));
            }
            let (rows, probabilities) =
                found.ok_or_else(|| missing("a run with predictions of validation rows"))?;
            let scored = self.gold.score(&recorded.run, rows, probabilities)?;
            let reason = |reason| Error::Gold { run: name.to_owned(), path: PathBuf::new(), reason };
            self.read.insert(name.to_owned(), scored.map_err(reason)?);
        }
        self.read.get(name).ok_or(Error::NoRuns)
    }

    /// What a system predicts, with the gold labels.
    fn of(&mut self, system: &System) -> Result<Scored> {
        let voters = match system {
            System::Run(name) => return self.scored(name).cloned(),
            System::Vote(voters) => voters,
        };
        let (mut members, mut rows) = (Vec::new(), None);
        for (number, system) in (1..).zip(&voters.of) {
            let scored = self.of(system)?;
            // One system may have several voices.
            members.push(Member::new(format!("{number}: {}", system.name()), scored.probabilities.clone()));
            rows = rows.or(Some(scored));
        }
        let probabilities = Members::align(members)?.vote(voters.vote)?;
        Ok(Scored { probabilities, ..rows.ok_or(Error::NoRuns)? })
    }

    fn compare(&mut self, pair: &Pair) -> Result<Comparison> {
        let (a, b) = (self.of(&pair.a)?, self.of(&pair.b)?);
        let ids: Vec<&str> = a.examples.iter().map(|example| example.id()).collect();
        let (member_a, gold) = a.member("A", &ids)?;
        let (member_b, _) = b.member("B", &ids)?;
        Ok(compare(member_a, member_b, &gold, &Bootstrap::default())?)
    }
}

impl System {
    fn name(&self) -> String {
        match self {
            Self::Run(name) => format!("`{name}`"),
            Self::Vote(voters) => voters.name(),
        }
    }
}

impl Voters {
    fn name(&self) -> String {
        let how = match self.vote {
            Vote::Mean => "soft vote",
            Vote::LogMean => "log-mean vote",
            Vote::Hard => "hard vote",
        };
        let of: Vec<String> = self.of.iter().map(System::name).collect();
        format!("{how} ({})", of.join(", "))
    }
}

/// All findings, as Markdown.
pub(super) fn markdown(findings: &[Finding], runs: &[Recorded], gold: &[PathBuf]) -> Result<String> {
    let mut evidence = Evidence::new(runs, gold);
    let lines = (1_u64..).zip(findings).map(|(number, finding)| {
        [count(number), cell(&finding.claim), finding.verdict.words().to_owned(), cell(&finding.because)]
    });
    let mut text = format!("\n{}\n", table(["", "the report's finding", "here", "because"], lines));
    for (number, finding) in (1_u64..).zip(findings) {
        let figures = finding.figures(&mut evidence)?;
        if !figures.is_empty() {
            text += &format!("#### Finding {number}: figures\n\n{figures}");
        }
    }
    Ok(text)
}

impl Verdict {
    const fn words(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::DidNotHold => "did not hold",
            Self::CannotBeTold => "cannot be told",
        }
    }
}

impl Finding {
    fn figures(&self, evidence: &mut Evidence<'_>) -> Result<String> {
        let mut text = String::new();
        if !self.pairs.is_empty() {
            let lines =
                self.pairs.iter().map(|pair| pair_line(pair, evidence)).collect::<Result<Vec<_>>>()?;
            let head = ["A", "B", "accuracy of A", "of B", "A − B, 95 % interval", "rows"];
            text += &format!("{}\n", table(head, lines.into_iter()));
        }
        if let Some(voters) = &self.by_label {
            text += &by_label(voters, evidence)?;
        }
        if !self.curves.is_empty() {
            let logs = self.curves.iter().map(|name| (name.as_str(), evidence.log(name)));
            text += &curves(logs);
        }
        if let Some(name) = &self.checkpoints {
            text += &match evidence.runs.get(name.as_str()) {
                Some(recorded) => tracking(&recorded.run, evidence.scored(name)?)?,
                None => format!("`{name}`: no run yet.\n\n"),
            };
        }
        Ok(text)
    }
}

fn pair_line(pair: &Pair, evidence: &mut Evidence<'_>) -> Result<[String; 6]> {
    let names = (pair.a.name(), pair.b.name());
    if !(evidence.has(&pair.a) && evidence.has(&pair.b)) {
        let none = String::new;
        return Ok([names.0, names.1, none(), none(), "no run yet".to_owned(), none()]);
    }
    let found = evidence.compare(pair)?;
    Ok([
        names.0,
        names.1,
        percent(found.accuracy_a.value),
        percent(found.accuracy_b.value),
        interval(found.difference),
        count(found.rows as u64),
    ])
}

fn interval(Estimate { value, low, high }: Estimate) -> String {
    format!("{} ({} to {})", points(value), points(low), points(high))
}

/// How many rows of each label the vote and each of its members get right.
fn by_label(voters: &Voters, evidence: &mut Evidence<'_>) -> Result<String> {
    let whole = System::Vote(voters.clone());
    if !evidence.has(&whole) {
        return Ok(format!("{}: no run yet.\n\n", whole.name()));
    }
    let systems: Vec<System> = std::iter::once(whole).chain(voters.of.iter().cloned()).collect();
    // Support and hits of each label, by the order of the labels.
    let mut labels: Vec<(String, u64, Vec<u64>)> = Vec::new();
    for (at, system) in systems.iter().enumerate() {
        let scored = evidence.of(system)?;
        let names = scored.labels().names();
        if labels.is_empty() {
            labels = names.iter().map(|name| (name.clone(), 0, vec![0; systems.len()])).collect();
        }
        // A member may have the labels in another order.
        for row in scored.rows() {
            let name = names.get(row.gold);
            if let Some(entry) = labels.iter_mut().find(|(label, ..)| Some(label) == name) {
                entry.1 += u64::from(at == 0);
                if let Some(hits) = entry.2.get_mut(at).filter(|_| row.right()) {
                    *hits += 1;
                }
            }
        }
    }
    labels.retain(|(_, support, _)| *support > 0);
    labels.sort_by_key(|(_, support, _)| std::cmp::Reverse(*support));
    let mut text = String::from("<details><summary>Rows that are right, by label</summary>\n\n");
    let head: Vec<String> = systems.iter().map(System::name).collect();
    text += &format!("| label | rows | {} |\n|{}\n", head.join(" | "), " --- |".repeat(2 + head.len()));
    for (label, support, hits) in labels {
        let hits: Vec<String> = hits.into_iter().map(count).collect();
        text += &format!("| {} | {} | {} |\n", cell(&label), count(support), hits.join(" | "));
    }
    Ok(text + "\n</details>\n\n")
}

/// Whether all files with gold labels are there.
pub(super) fn there(gold: &[PathBuf]) -> Result<bool> {
    for path in gold {
        if !files::is_file(path)? {
            return Ok(false);
        }
    }
    Ok(!gold.is_empty())
}
