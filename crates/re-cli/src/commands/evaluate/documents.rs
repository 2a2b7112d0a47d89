//! Predicted documents against true ones.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use re_data::Document;
use re_data::metrics::LabelMetrics;
use re_data::text::brief;
use re_extract::score::{Agreement, CharacterScores, Loss, Predicted, Shares, Spurious, UnrelatedPairs};
use re_extract::{
    KeptPairs, PairRecord, RelationProperties, Scores, character_scores, score, unrelated_pairs,
};
use re_formats::documents::DocumentFormat;
use serde::Serialize;

use crate::exit::Usage;
use crate::input::{InputArgs, document_layouts};
use crate::output::ResultArgs;
use crate::verbosity::Verbosity;

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Documents")]
pub struct DocumentArgs {
    /// Relation that holds in both directions, so that either is right; may be given several times
    #[arg(long, value_name = "LABEL")]
    symmetric: Vec<String>,
    /// Score the tag of each character, too, as KLUE-NER does
    #[arg(long)]
    characters: bool,
    /// Pairs without a relation, as `re extract --abstained` writes them: they say where relations were lost, and how many
    /// unrelated pairs got one
    #[arg(long, value_name = "FILE")]
    abstained: Option<PathBuf>,
    /// Layout of PREDICTIONS, where neither their name nor their content tells
    #[arg(long, value_name = "FORMAT", value_parser = document_layouts(|_| true))]
    predicted_format: Option<DocumentFormat>,
}

impl DocumentArgs {
    /// A flag that was given, if any.
    pub fn given(&self) -> Option<&'static str> {
        let flags = [
            ("--symmetric", !self.symmetric.is_empty()),
            ("--characters", self.characters),
            ("--abstained", self.abstained.is_some()),
            ("--predicted-format", self.predicted_format.is_some()),
        ];
        flags.into_iter().find(|(_, given)| *given).map(|(flag, _)| flag)
    }

    /// A file that is read, too.
    pub fn abstained(&self) -> Option<&Path> {
        self.abstained.as_deref()
    }

    /// Reads the predicted documents.
    pub fn open(&self, input: &InputArgs, path: &Path, verbosity: Verbosity) -> Result<Vec<Document>> {
        let (documents, progress) = input.open_documents(path, self.predicted_format, verbosity)?;
        let (documents, read) = documents.read(progress)?;
        read.print_notes(verbosity);
        Ok(documents)
    }
}

/// What is written as JSON.
#[derive(Debug, Serialize)]
struct Found<'a> {
    #[serde(flatten)]
    scores: &'a Scores,
    losses: BTreeMap<&'a str, BTreeMap<Loss, usize>>,
    false_positives: BTreeMap<&'a str, BTreeMap<Spurious, usize>>,
    #[serde(rename = "unrelated_pairs", skip_serializing_if = "Option::is_none")]
    unrelated: Option<UnrelatedPairs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    characters: Option<CharacterScores>,
}

/// Compares documents, and writes what was found.
pub fn evaluate(
    gold: &[Document],
    predicted: &[Document],
    args: &DocumentArgs,
    subset: bool,
    result: &ResultArgs,
) -> Result<()> {
    let ids: HashSet<&str> = predicted.iter().map(Document::id).collect();
    let gold: Vec<&Document> =
        gold.iter().filter(|document| !subset || ids.contains(document.id())).collect();
    let symmetric: BTreeSet<&str> = args.symmetric.iter().map(String::as_str).collect();
    let labels: BTreeSet<&str> = gold
        .iter()
        .copied()
        .chain(predicted)
        .flat_map(|document| document.relations().iter().map(re_data::Relation::label))
        .collect();
    let unknown = symmetric.difference(&labels).next().copied();
    if let Some(unknown) = unknown {
        let labels: Vec<&str> = labels.iter().copied().collect();
        let text = format!(
            "--symmetric {unknown}: no document has this relation, expected one of {}",
            labels.join(", ")
        );
        return Err(Usage(text).into());
    }
    let properties = RelationProperties::new(symmetric, [])?;
    let kept = args.abstained().map(|path| kept_pairs(path, predicted)).transpose()?;
    // Of a document without such pairs.
    let none = KeptPairs::default();
    let with_pairs = |document| match &kept {
        Some(kept) => Predicted::with_pairs(document, kept.get(document.id()).unwrap_or(&none)),
        None => Predicted::from(document),
    };
    let scores = score(gold.iter().copied(), predicted.iter().map(with_pairs), &properties)?;
    // Without --abstained nobody knows which pairs were judged.
    let unrelated = match kept.is_some() {
        true => Some(unrelated_pairs(gold.iter().copied(), predicted.iter().map(with_pairs), &properties)?),
        false => None,
    };
    let characters = match args.characters {
        true => Some(character_scores(gold.iter().copied(), predicted)?),
        false => None,
    };
    let (losses, false_positives) = (scores.losses(), scores.false_positives());
    let found = Found { scores: &scores, losses, false_positives, unrelated, characters };
    result.write(|| text(&found), &found)
}

/// The pairs without a relation in a file, by the id of their document.
fn kept_pairs<'a>(path: &Path, predicted: &'a [Document]) -> Result<HashMap<&'a str, KeptPairs>> {
    let documents: HashMap<&str, &Document> =
        predicted.iter().map(|document| (document.id(), document)).collect();
    let file = File::open(path).map_err(|source| re_data::Error::io(path, source))?;
    let mut kept: HashMap<&str, KeptPairs> = HashMap::new();
    for (number, line) in BufReader::new(file).lines().enumerate() {
        let place = || format!("{}:{}", path.display(), number + 1);
        let line = line.map_err(|source| re_data::Error::io(path, source))?;
        let record: PairRecord = serde_json::from_str(&line).with_context(place)?;
        let document = documents.get(record.document.as_str()).with_context(|| {
            format!("{}: document: found {}, expected a predicted one", place(), brief(&record.document))
        })?;
        kept.entry(document.id()).or_default().add(document, record).with_context(place)?;
    }
    Ok(kept)
}

fn text(found: &Found<'_>) -> String {
    let scores = found.scores;
    let mut text = format!(
        "{} documents; figures in percent\nprecision  recall      F1    gold  predicted  correct\n",
        scores.documents
    );
    // All mentions have one label where types do not count, so that there is nothing to take the mean of.
    let kinds = [
        ("mentions, strict", &scores.mentions, true),
        ("mentions, boundary", &scores.mention_boundaries, false),
        ("relations, boundary", &scores.relations, true),
        ("relations, strict", &scores.strict_relations, true),
    ];
    for (name, agreement, has_labels) in kinds {
        let Agreement { gold, predicted, correct, micro, .. } = agreement;
        let _ = writeln!(text, "{} {gold:7} {predicted:10} {correct:8}  {name}, micro", shares(*micro));
        if has_labels {
            let macro_average = shares(agreement.macro_average);
            let _ = writeln!(text, "{macro_average} {:27}  {name}, macro", "");
        }
    }
    if let Some(characters) = &found.characters {
        let CharacterScores { macro_f1, macro_f1_with_outside, characters, untagged, .. } = characters;
        let _ = writeln!(
            text,
            "\n{characters} characters: macro-F1 {:.2} without `O`, {:.2} with it",
            100.0 * macro_f1,
            100.0 * macro_f1_with_outside
        );
        if untagged.count > 0 {
            let _ = writeln!(text, "{} mentions overlap with others and have no tags", untagged.count);
        }
    }
    if let Some(unrelated) = &found.unrelated {
        let UnrelatedPairs { unrelated: judged, related, other_mentions, .. } = unrelated;
        let share = 100.0 * unrelated.rate();
        let _ = writeln!(text, "\n{related} of {judged} unrelated pairs got a relation ({share:.2} %)");
        if *other_mentions > 0 {
            let _ =
                writeln!(text, "{other_mentions} pairs were judged whose mentions the truth does not have");
        }
    }
    text += &by_label("type of mention, strict", &scores.mentions.per_label);
    text += &by_label("relation, strict", &scores.strict_relations.per_label);
    text += &causes("relations of the truth that were lost, by the step where", &found.losses);
    text + &causes("relations that the truth does not have, by the reason", &found.false_positives)
}

fn shares(shares: Shares) -> String {
    let [precision, recall, f1] = [shares.precision, shares.recall, shares.f1].map(|share| 100.0 * share);
    format!("{precision:9.2} {recall:7.2} {f1:7.2}")
}

fn by_label(title: &str, labels: &[LabelMetrics]) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let mut labels: Vec<&LabelMetrics> = labels.iter().collect();
    labels.sort_by_key(|label| std::cmp::Reverse(label.support));
    let mut text = format!("\nprecision  recall      F1    gold  predicted  {title}\n");
    for label in labels {
        let LabelMetrics { label, precision, recall, f1, support, predicted } = label;
        let figures = shares(Shares { precision: *precision, recall: *recall, f1: *f1 });
        let label = if label.is_empty() { "(none)" } else { label };
        let _ = writeln!(text, "{figures} {support:7} {predicted:10}  {label}");
    }
    text
}

/// A table of causes, each with how often it was met and the relations that it concerns.
fn causes<C: Ord + Copy + Serialize>(title: &str, table: &BTreeMap<&str, BTreeMap<C, usize>>) -> String {
    let mut by_cause: BTreeMap<C, (usize, Vec<String>)> = BTreeMap::new();
    for (label, causes) in table {
        for (cause, count) in causes {
            let (total, labels) = by_cause.entry(*cause).or_default();
            *total += count;
            labels.push(format!("{label} {count}"));
        }
    }
    if by_cause.is_empty() {
        return String::new();
    }
    let mut text = format!("\n{title}\n");
    for (cause, (total, labels)) in by_cause {
        let name = serde_json::to_value(cause).ok();
        let name = name.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default().replace('_', " ");
        let _ = writeln!(text, "{total:7}  {name:18} {}", labels.join(", "));
    }
    text
}
