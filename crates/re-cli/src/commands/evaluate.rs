//! `re evaluate`.

mod documents;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Args;
use re_data::metrics::Metrics;
use re_data::{LabelSet, NoRelation, RelationExample, files};
use re_ensemble::significance::p_text;
use re_ensemble::{Bootstrap, Comparison, Evaluation, Member, Members, compare, evaluate};
use re_formats::read::{self, Saved};
use re_report::{Confusion, RowSet};
use re_trained::model_folder;
use serde::Serialize;

use crate::data::{AllRows, Rows};
use crate::documents::Documents;
use crate::exit::Usage;
use crate::input::{Input, InputArgs};
use crate::members::gold;
use crate::output::ResultArgs;
use crate::progress::Progress;
use crate::tuning::coverage;
use crate::verbosity::Verbosity;

/// The most frequent mistakes that are shown.
const MISTAKES: usize = 8;

/// Measure predictions against gold labels, or predicted documents against true ones
///
/// Rows: accuracy, micro-F1 without no-relation, macro-F1 and, from probabilities, the area under the precision-recall curve
/// as in KLUE-RE; the official macro-F1 of SemEval-2010 Task 8 where labels have directions.
///
/// Documents: precision, recall and F1 of mentions (strict, and by boundary alone) and of relations (by boundary, and strict:
/// with both types right), micro and macro and by label, as SpERT's evaluator computes them, and where each relation was lost.
///
/// Rows and documents are aligned by id, and held in memory.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  re evaluate predictions.csv dev.tsv
  re predict runs/mine dev.tsv --probs - | re evaluate - dev.tsv --json
  re evaluate runs/mine/validation_probabilities.csv train.tsv --subset
  re evaluate submission.csv dev.tsv --labels label_type.pkl
  re evaluate predictions.csv dev.tsv --no-relation unrelated
  re evaluate new.csv dev.tsv --against old.csv
  re extract runs/mine dev.json | re evaluate - dev.json --symmetric spouse
  re evaluate graphs.jsonl dev.jsonl --abstained abstained.jsonl --json
  re evaluate predicted.tsv klue-ner-v1.1_dev.tsv --characters")]
pub struct Evaluate {
    /// Predictions or probabilities as `re predict` writes them, or a submission; or documents in any layout, as `re extract`
    /// writes them. `-` is standard input
    predictions: PathBuf,
    /// Labelled rows, or documents with their mentions and relations; --format and --lenient are about them
    gold: PathBuf,
    /// Names of the classes (label_type.pkl, JSON, or one a line), or a trained run or model, for its labels
    /// [default: the labels that occur]
    #[arg(long, value_name = "FILE|RUN")]
    labels: Option<PathBuf>,
    /// The label that says "no relation", which micro-F1 leaves out; "" where none does [default: that of the benchmark,
    /// else a customary name such as no_relation, which is reported]
    #[arg(long, value_name = "LABEL")]
    no_relation: Option<NoRelation>,
    /// Use only the rows or documents that PREDICTIONS has, where GOLD has more
    #[arg(long)]
    subset: bool,
    /// Other predictions for the same rows: test whether the difference is significant
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Coverage of the intervals [default: 0.95]
    #[arg(long, value_name = "F", value_parser = coverage)]
    level: Option<f64>,
    #[command(flatten)]
    documents: documents::DocumentArgs,
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    result: ResultArgs,
}

/// What is written as JSON.
#[derive(Debug, Serialize)]
struct Found {
    #[serde(flatten)]
    evaluation: Evaluation,
    no_relation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    against: Option<Comparison>,
}

impl Evaluate {
    pub fn run(self, verbosity: Verbosity) -> Result<()> {
        let inputs = [&self.predictions, &self.gold].into_iter().chain(&self.against).map(PathBuf::as_path);
        self.input.check(inputs.chain(self.documents.abstained()), [self.result.path()])?;
        let (gold, progress) = self.input.open(&self.gold, Path::new(""), verbosity)?;
        match gold {
            Input::Documents(gold) => self.of_documents(*gold, progress, verbosity),
            Input::Rows(rows) => self.of_rows(*rows, progress, verbosity),
        }
    }

    fn of_documents(&self, gold: Documents, progress: Progress, verbosity: Verbosity) -> Result<()> {
        let of_rows = [
            ("--labels", self.labels.is_some()),
            ("--no-relation", self.no_relation.is_some()),
            ("--against", self.against.is_some()),
            ("--level", self.level.is_some()),
        ];
        if let Some((flag, _)) = of_rows.into_iter().find(|(_, given)| *given) {
            let text = format!("{} holds documents: {flag} is for rows", self.gold.display());
            return Err(Usage(text).into());
        }
        let (gold, read) = gold.read(progress)?;
        read.print_notes(verbosity);
        let predicted = self.documents.open(&self.input, &self.predictions, verbosity)?;
        documents::evaluate(&gold, &predicted, &self.documents, self.subset, &self.result)
    }

    fn of_rows(&self, rows: Rows, progress: Progress, verbosity: Verbosity) -> Result<()> {
        if let Some(flag) = self.documents.given() {
            let text = format!("{} holds rows: {flag} is for documents", self.gold.display());
            return Err(Usage(text).into());
        }
        predictions_are_a_file(&self.predictions)?;
        let format = rows.format();
        let (examples, rows) = rows.read(progress)?;
        rows.print_notes(&self.gold, verbosity);
        let read = AllRows { examples, format };
        let level = self.level.unwrap_or(Bootstrap::default().level);
        let mut saved = vec![(&self.predictions, read::saved(&self.predictions)?)];
        if let Some(against) = &self.against {
            saved.push((against, read::saved(against)?));
        }
        let labels = self.labels(&read, saved.iter().map(|(_, saved)| saved), verbosity)?;
        let mut members = saved
            .into_iter()
            .map(|(path, saved)| self.member(path, saved, &labels, &read.examples))
            .collect::<Result<Vec<_>>>()?
            .into_iter();
        let Some(member) = members.next() else { return Ok(()) };
        let gold = gold(&self.gold, &read.examples, member.probabilities().ids(), self.subset)?;
        let of_gold = || self.gold.display().to_string();
        let evaluation = evaluate(member.clone(), &gold, level).with_context(of_gold)?;
        let bootstrap = Bootstrap { level, ..Bootstrap::default() };
        let against = members.next().map(|other| compare(member, other, &gold, &bootstrap)).transpose()?;
        let no_relation = labels.no_relation_name().map(str::to_owned);
        let found = Found { evaluation, no_relation, against };
        self.result.write(|| text(&found, self.against.as_deref()), &found)
    }

    /// The classes: those of a file, of the predictions, of a benchmark, or all that occur.
    fn labels<'s>(
        &self,
        read: &AllRows,
        saved: impl Iterator<Item = &'s Saved> + Clone,
        verbosity: Verbosity,
    ) -> Result<Arc<LabelSet>> {
        let of_probabilities = |saved: &Saved| match saved {
            Saved::Probabilities(probabilities) => Some(LabelSet::clone(probabilities.labels())),
            _ => None,
        };
        let labels = match (&self.labels, saved.clone().find_map(of_probabilities)) {
            // A model knows its labels by its settings.
            (Some(path), _) if files::is_dir(path)? => read::labels(model_folder(path)?.join("config.json"))?,
            (Some(path), _) => read::labels(path)?,
            (None, Some(labels)) => labels,
            (None, None) => {
                if saved.clone().any(|saved| matches!(saved, Saved::Submission(_))) {
                    let text = "a submission has class ids: name the classes with --labels".to_owned();
                    return Err(Usage(text).into());
                }
                let predicted = saved.filter_map(|saved| match saved {
                    Saved::Labels(rows) => Some(rows.iter().map(|row| row.label.as_str())),
                    _ => None,
                });
                let gold = LabelSet::of_names(read.examples.iter().filter_map(RelationExample::label), None)?;
                if let Some(benchmark) = read.format.labels_with(&gold) {
                    return self.decided(benchmark).map(Arc::new);
                }
                let names = gold.names().iter().map(String::as_str);
                let all = LabelSet::of_names(names.chain(predicted.flatten()), self.no_relation.as_ref())?;
                for name in all.names().iter().filter(|name| gold.id(name).is_none()) {
                    verbosity.note(format!(
                        "label {name:?} is predicted, and no row of {} has it",
                        self.gold.display()
                    ));
                }
                all
            }
        };
        if self.no_relation.is_none() && read.format.labels_with(&labels).is_none() {
            verbosity.note(labels.guessed_no_relation("--no-relation"));
        }
        self.decided(labels).map(Arc::new)
    }

    fn decided(&self, labels: LabelSet) -> Result<LabelSet> {
        Ok(match &self.no_relation {
            Some(choice) => labels.with_no_relation(choice.name())?,
            None => labels,
        })
    }

    /// Predictions with the classes in the order of `labels`.
    fn member(
        &self,
        path: &Path,
        saved: Saved,
        labels: &Arc<LabelSet>,
        rows: &[RelationExample],
    ) -> Result<Member> {
        let name = path.display().to_string();
        let ids: Vec<String> = rows.iter().map(|row| row.id().to_owned()).collect();
        let found = saved.into_probabilities(labels, &ids).with_context(|| name.clone())?;
        let none = labels.no_relation_name().filter(|name| found.labels().id(name).is_some());
        let found = found.with_no_relation(none)?;
        let ids = found.ids().to_vec();
        let aligned = Members::align_to([Member::new(&name, found)], labels, &ids);
        let aligned = match &self.labels {
            Some(path) => aligned.with_context(|| path.display().to_string())?,
            None => aligned?,
        };
        let member = aligned.members().first().cloned();
        member.context(name)
    }
}

/// Makes sure that predictions are not sought in a run's folder, and names the file that it has of them.
fn predictions_are_a_file(path: &Path) -> Result<()> {
    if !files::is_dir(path)? {
        return Ok(());
    }
    let mut text = format!("{}: a folder, expected a file of predictions", path.display());
    for rows in [RowSet::Validation, RowSet::Test] {
        let file = path.join(rows.file());
        if files::is_file(&file)? {
            text += &format!("; this run's are in {}", file.display());
            break;
        }
    }
    Err(Usage(text).into())
}

fn text(found: &Found, against: Option<&Path>) -> String {
    let Found { evaluation, no_relation, against: comparison } = found;
    let metrics = &evaluation.metrics;
    let mut text = format!("{} rows; figures in percent\n", metrics.rows);
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<16} {value}");
    };
    line("accuracy", &evaluation.accuracy_interval.percent());
    let without = no_relation.as_ref().map(|name| format!("  without {name}")).unwrap_or_default();
    line("micro-F1", &format!("{:.2}{without}", 100.0 * metrics.micro_f1));
    line("macro-F1", &format!("{:.2}", 100.0 * metrics.macro_f1));
    if let Some(auprc) = metrics.auprc {
        let absent = metrics.per_label.iter().filter(|label| label.support == 0).count();
        let note = match absent {
            0 => String::new(),
            _ => format!("  {absent} of {} labels have no row and count 50 each", metrics.per_label.len()),
        };
        line("AUPRC", &format!("{:.2}{note}", 100.0 * auprc));
    }
    if let Some(semeval) = metrics.semeval_macro_f1 {
        line("SemEval macro-F1", &format!("{:.2}", 100.0 * semeval));
    }
    text + &labels(metrics) + &mistakes(metrics) + &comparison_text(comparison.as_ref(), against)
}

fn labels(metrics: &Metrics) -> String {
    let mut labels: Vec<_> =
        metrics.per_label.iter().filter(|label| label.support + label.predicted > 0).collect();
    labels.sort_by_key(|label| std::cmp::Reverse(label.support));
    let mut text = String::from("\nprecision  recall      F1    rows  predicted  label\n");
    for label in labels {
        let [precision, recall, f1] = [label.precision, label.recall, label.f1].map(|share| 100.0 * share);
        let _ = writeln!(
            text,
            "{precision:9.2} {recall:7.2} {f1:7.2} {:7} {:10}  {}",
            label.support, label.predicted, label.label
        );
    }
    text
}

fn mistakes(metrics: &Metrics) -> String {
    let confusion = Confusion::of(metrics);
    let mistakes = confusion.mistakes(MISTAKES);
    if mistakes.is_empty() {
        return String::new();
    }
    let mut text = String::from("\nmost frequent mistakes: rows, gold -> predicted\n");
    for mistake in mistakes {
        let _ = writeln!(text, "{:7}  {} -> {}", mistake.rows, mistake.gold, mistake.predicted);
    }
    text
}

fn comparison_text(comparison: Option<&Comparison>, against: Option<&Path>) -> String {
    let (Some(comparison), Some(against)) = (comparison, against) else { return String::new() };
    format!(
        "\nagainst {}: accuracy {}\ndifference {} points; {} rows only the first gets right, {} only the other; McNemar p {}\n",
        against.display(),
        comparison.accuracy_b.percent(),
        comparison.difference.points(),
        comparison.only_a,
        comparison.only_b,
        p_text(comparison.mcnemar_p)
    )
}
