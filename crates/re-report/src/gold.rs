//! Predictions beside the gold labels of their rows.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use re_data::error::with_causes;
use re_data::metrics::Metrics;
use re_data::split::normalized_text;
use re_data::text::{brief, quoted};
use re_data::{LabelSet, NoRelation, Prediction, Probabilities, RelationExample, files};
use re_ensemble::{Gold, Member};
use re_extract::{TrainingPairOptions, training_pairs};
use re_formats::documents::{self, DocumentReadOptions};
use re_formats::read::{self, ReadOptions};

use crate::error::{Error, Result};
use crate::run::{CONFIG, RowSet, Run};

/// Name of the class of rows that have a relation, in trainings that ask only that.
const RELATED: &str = "related";

/// Predictions with their rows and gold labels.
#[derive(Debug, Clone)]
pub(crate) struct Scored {
    pub probabilities: Probabilities,
    /// The rows, in the order of the predictions.
    pub examples: Vec<RelationExample>,
    /// Gold class of each row.
    pub gold: Vec<usize>,
    /// Whether the rows are the pairs of mentions of documents.
    pub pairs: bool,
}

/// One row with its gold class and what was predicted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    pub example: &'a RelationExample,
    pub gold: usize,
    pub prediction: Prediction<'a>,
}

impl Row<'_> {
    pub fn right(&self) -> bool {
        self.gold == self.prediction.class
    }

    /// Probability of the gold class.
    pub fn gold_probability(&self) -> f32 {
        self.prediction.probabilities.get(self.gold).copied().unwrap_or_default()
    }
}

impl Scored {
    pub fn labels(&self) -> &LabelSet {
        self.probabilities.labels()
    }

    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let rows = self.examples.iter().zip(&self.gold).zip(self.probabilities.predictions());
        rows.map(|((example, &gold), prediction)| Row { example, gold, prediction })
    }

    pub fn metrics(&self) -> Result<Metrics> {
        Ok(Metrics::of_probabilities(&self.gold, &self.probabilities)?)
    }

    /// The rows whose id is among `ids`, as a member and its gold labels.
    pub fn member(&self, name: &str, ids: &[&str]) -> Result<(Member, Gold)> {
        let rows: HashMap<&str, Row<'_>> = self.rows().map(|row| (row.example.id(), row)).collect();
        let chosen: Vec<&Row<'_>> = ids.iter().filter_map(|id| rows.get(id)).collect();
        let values = chosen.iter().flat_map(|row| row.prediction.probabilities).copied().collect();
        let ids = chosen.iter().map(|row| row.example.id().to_owned()).collect();
        let probabilities = Probabilities::new(ids, self.probabilities.labels().clone(), values)?;
        let label = |class| self.labels().name(class).unwrap_or_default().to_owned();
        let triple = |row: &&Row<'_>| {
            (row.example.id().to_owned(), label(row.gold), normalized_text(row.example.text()))
        };
        Ok((Member::new(name, probabilities), Gold::grouped(chosen.iter().map(triple))?))
    }
}

/// Files with gold labels, each read once.
#[derive(Debug, Default)]
pub(crate) struct GoldFiles {
    /// Files that the caller names instead of those of the runs.
    named: Vec<PathBuf>,
    /// The class of no relation that the caller names instead of the settings of the runs.
    no_relation: Option<NoRelation>,
    read: HashMap<PathBuf, Rc<Vec<RelationExample>>>,
}

impl GoldFiles {
    pub fn new(named: &[PathBuf], no_relation: Option<&NoRelation>) -> Self {
        Self { named: named.to_vec(), no_relation: no_relation.cloned(), read: HashMap::new() }
    }

    /// The predictions of a run with their gold labels, or the reason why these are not known.
    ///
    /// What does not fit in files that the caller named is an error; the files that a run's settings name may
    /// have moved or changed since.
    pub fn score(
        &mut self,
        run: &Run,
        rows: RowSet,
        predicted: Probabilities,
    ) -> Result<Result<Scored, String>> {
        let predicted = match self.no_relation.as_ref().or(run.no_relation()) {
            Some(choice) => {
                let name = choice.among(predicted.labels()).map(str::to_owned);
                predicted.with_no_relation(name.as_deref())?
            }
            None => predicted,
        };
        if predicted.is_empty() {
            return Ok(Err(format!("{} has no row", rows.file())));
        }
        if !self.named.is_empty() {
            let named = self.named.clone();
            let read = |path: &PathBuf| self.rows(run, path, false, predicted.labels());
            let files: Vec<_> = named.iter().map(read).collect::<Result<_>>()?;
            let path = self.named.first().cloned().unwrap_or_default();
            return match scored(run, predicted, &files) {
                Ok(scored) => Ok(Ok(scored)),
                Err(reason) => Err(Error::Gold { run: run.name().to_owned(), path, reason }),
            };
        }
        let path = match source(run, rows) {
            Ok(path) => path,
            Err(reason) => return Ok(Err(reason)),
        };
        if !files::is_file(&path)? {
            let path = path.display();
            return Ok(Err(format!(
                "{path}, which {CONFIG} names, is not there; name the gold data with --gold"
            )));
        }
        let lenient = run.settings().is_some_and(|settings| settings.known.data.lenient);
        let file = match self.rows(run, &path, lenient, predicted.labels()) {
            Ok(file) => file,
            Err(error) => return Ok(Err(format!("{}; name the gold data with --gold", with_causes(&error)))),
        };
        let explain = |reason| format!("{}: {reason}; name the gold data with --gold", path.display());
        Ok(scored(run, predicted, &[file]).map_err(explain))
    }

    /// The rows of a file: of documents, the pairs that the run judges.
    fn rows(
        &mut self,
        run: &Run,
        path: &Path,
        lenient: bool,
        labels: &LabelSet,
    ) -> Result<Rc<Vec<RelationExample>>> {
        let Some(settings) = run.graph()? else { return self.examples(path, lenient) };
        let format = run.settings().and_then(|settings| settings.get("data.pairs.format"));
        let format = format.filter(|name| !name.is_empty()).map(str::parse).transpose()?;
        let found = documents::read(path, &DocumentReadOptions { format, lenient })?;
        let options = TrainingPairOptions { ratio: None, ..TrainingPairOptions::default() };
        Ok(Rc::new(training_pairs(&found.documents, labels, &settings, options, None)?.examples))
    }

    fn examples(&mut self, path: &Path, lenient: bool) -> Result<Rc<Vec<RelationExample>>> {
        if let Some(known) = self.read.get(path) {
            return Ok(Rc::clone(known));
        }
        let options = ReadOptions { lenient, ..ReadOptions::default() };
        let examples = Rc::new(read::examples(path, &options)?.examples);
        self.read.insert(path.to_owned(), Rc::clone(&examples));
        Ok(examples)
    }
}

/// The file whose rows a run has predicted, as its settings say.
fn source(run: &Run, rows: RowSet) -> Result<PathBuf, String> {
    let Some(settings) = run.settings() else {
        return Err(format!("without {CONFIG} the gold data are not known; name them with --gold"));
    };
    let data = &settings.known.data;
    let set_aside = data.validation().or(data.train());
    let (key, path) = match rows {
        RowSet::Test => ("data.test", data.test()),
        RowSet::Validation if data.fold.is_none() => ("data.validation", set_aside),
        RowSet::Holdout => ("data.validation", set_aside),
        RowSet::Validation | RowSet::OutOfFold => ("data.train", data.train()),
    };
    path.map(Path::to_owned).ok_or_else(|| format!("{CONFIG} has no {key}; name the gold data with --gold"))
}

/// Finds the rows of the predictions in the files, by id.
fn scored(
    run: &Run,
    probabilities: Probabilities,
    files: &[Rc<Vec<RelationExample>>],
) -> Result<Scored, String> {
    let mut by_id: HashMap<&str, Option<&RelationExample>> = HashMap::new();
    for example in files.iter().flat_map(|file| file.iter()) {
        // A duplicated row is one row; rows that differ under one id are told apart by nothing.
        let known = by_id.entry(example.id()).or_insert(Some(example));
        *known = known.filter(|known| *known == example);
    }
    let target = run.settings().and_then(|settings| settings.known.data.target.as_deref());
    let labels = probabilities.labels();
    let (mut examples, mut gold) = (Vec::new(), Vec::new());
    for id in probabilities.ids() {
        let example = match by_id.get(id.as_str()) {
            Some(Some(example)) => *example,
            Some(None) => return Err(format!("two different rows have the id {}", brief(id))),
            None => {
                let missing =
                    probabilities.ids().iter().filter(|id| !by_id.contains_key(id.as_str())).count();
                return Err(format!(
                    "no row {}, which was predicted ({missing} of {} missing)",
                    brief(id),
                    probabilities.len()
                ));
            }
        };
        let Some(label) = example.label() else { return Err(format!("row {} has no label", brief(id))) };
        let label = asked(label, target, labels);
        let Some(class) = labels.id(label) else {
            let (id, label) = (brief(id), quoted(label));
            return Err(format!("row {id} has the label {label}, none of the {} predicted", labels.len()));
        };
        examples.push(example.clone());
        gold.push(class);
    }
    let pairs = run.settings().is_some_and(|settings| settings.known.data.pairs.is_some());
    Ok(Scored { probabilities, examples, gold, pairs })
}

/// The label of a row where a training asks another question about it.
fn asked<'a>(label: &'a str, target: Option<&str>, labels: &LabelSet) -> &'a str {
    let relates = labels.no_relation_name() != Some(label);
    if target == Some(RELATED) && relates { RELATED } else { label }
}
