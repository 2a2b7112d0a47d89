//! Reading and splitting the rows of an experiment.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use re_data::random::fnv1a;
use re_data::split::{self, Split, normalized_text};
use re_data::text::{brief, quoted};
use re_data::{Document, LabelSet, NoRelation, RelationExample, files};
use re_extract::GraphSettings;
use re_formats::read::{self, EntityTypes, Format, ReadOptions, ReadReport};

use crate::config::{DataConfig, Fold, Target};
use crate::documents;
use crate::error::{Error, Result};
use crate::experiment::{Experiment, Plan};
use crate::pairs::{PairRows, Pairs};

/// Name of the class of rows that have a relation, where only that is asked.
const RELATED: &str = "related";

/// The rows of an experiment in their roles.
#[derive(Debug, Clone)]
pub struct ExperimentData {
    /// The classes.
    pub labels: Arc<LabelSet>,
    /// Rows to train on.
    pub train: Vec<RelationExample>,
    /// Rows to evaluate on, possibly none.
    pub validation: Vec<RelationExample>,
    /// Rows that were set aside before the training rows were divided into folds; none without folds.
    pub holdout: Vec<RelationExample>,
    /// The test set, possibly empty.
    pub test: Vec<RelationExample>,
    /// What is worth knowing about the files, one line each.
    pub notes: Vec<String>,
    /// Which pairs of mentions are candidates, where the rows are pairs of documents.
    pub graph: Option<GraphSettings>,
}

impl ExperimentData {
    /// Reads all files of `config` and sets the validation rows aside; `seed` decides on them where `config` names no
    /// seed of its own.
    ///
    /// # Errors
    /// Whatever is wrong with a file, and [`re_train::Error::Config`] where `val_size` is out of range or given together
    /// with a validation file.
    pub fn read(config: &DataConfig, seed: u64) -> Result<Self> {
        if config.validation.is_some() && config.val_size > 0.0 {
            let found = config.val_size.to_string();
            return Err(Error::config(
                "data.val_size",
                found,
                "0 together with data.validation: data.val_size=0 on the command line",
            ));
        }
        let seed = config.split_seed.unwrap_or(seed);
        let mut reader = Reader::new(config, seed)?;
        let all = reader.read_to_train(&config.train)?;
        check_labels("data.train", &config.train, &all)?;
        let labels = match &reader.labels {
            Some(labels) => Arc::new(reader.decided(LabelSet::clone(labels), false)?),
            None => Arc::new(reader.labels_of(&all)?),
        };
        reader.labels = Some(Arc::clone(&labels));
        let (mut train, mut validation) = match &config.validation {
            Some(path) => {
                let rows = reader.read(path)?;
                check_labels("data.validation", path, &rows)?;
                (all, rows)
            }
            // A tagger of the same documents sets the same ones aside.
            None if reader.pairs.is_some() => {
                let aside = |row: &RelationExample| documents::is_aside(row.text(), config.val_size, seed);
                let (validation, train) = all.into_iter().partition(aside);
                (train, validation)
            }
            None => divide(&all, &split::by_fraction(&all, config.val_size, seed)?),
        };
        if config.val_size > 0.0 && validation.is_empty() {
            let (share, rows) = (config.val_size, train.len());
            reader.notes.push(format!(
                "data.val_size = {share} of {rows} rows: the validation split is empty, nothing is evaluated"
            ));
        }
        let mut holdout = Vec::new();
        if let Some(fold) = config.fold {
            holdout = std::mem::take(&mut validation);
            (train, validation) = divide(&train, &fold_split(&train, fold, seed)?);
        }
        // A submission has a line for every row: none may be left out.
        let lenient = std::mem::replace(&mut reader.lenient, false);
        let test = config.test.as_ref().map_or(Ok(Vec::new()), |path| reader.read(path))?;
        reader.lenient = lenient;
        let graph = reader.pairs.as_ref().map(|pairs| pairs.settings.clone());
        let mut data = Self { labels, train, validation, holdout, test, notes: Vec::new(), graph };
        let evaluated = data.evaluated_texts();
        let shared = with_texts(&data.train, &evaluated);
        if shared > 0 {
            let path = config.train.display();
            reader.notes.push(format!("{path}: {shared} training rows have sentences that are evaluated on"));
        }
        for path in &config.additional {
            let mut rows = reader.read_to_train(path)?;
            check_labels("data.additional", path, &rows)?;
            let leaked = without_texts(&mut rows, &evaluated);
            if leaked > 0 {
                let path = path.display();
                reader
                    .notes
                    .push(format!("{path}: {leaked} rows left out, their sentences are evaluated on"));
            }
            data.train.append(&mut rows);
        }
        if let Some(drawn) = &reader.drawn {
            data.train.retain(|row| drawn.contains(row.id()));
        }
        data.notes = reader.notes;
        data.notes.extend(data.repeated_ids());
        let data = data.for_target(config.target)?;
        if data.train.is_empty() {
            let found = format!("{}, which leaves no row to train on", config.train.display());
            return Err(Error::config("data.train", found, "at least 1"));
        }
        Ok(data)
    }

    /// Which rows have the id of another one: what is said of them cannot be told apart any more.
    fn repeated_ids(&self) -> Vec<String> {
        let rows = [("validation", &self.validation), ("holdout", &self.holdout), ("test", &self.test)];
        let repeated = rows.into_iter().filter_map(|(name, rows)| unique_ids(name, rows).err());
        repeated
            .map(|error| {
                format!("{error}; report, vote, advise and evaluate will not read what is said of them")
            })
            .collect()
    }

    /// Rows that are evaluated on: those set aside and, where they have labels, the test rows.
    pub(crate) fn evaluated_rows(&self) -> impl Iterator<Item = &RelationExample> {
        let test = if self.test_is_labelled() { self.test.as_slice() } else { &[] };
        self.validation.iter().chain(&self.holdout).chain(test)
    }

    /// [`normalized_text`] of their sentences.
    pub(crate) fn evaluated_texts(&self) -> HashSet<String> {
        self.evaluated_rows().map(|row| normalized_text(row.text())).collect()
    }

    /// The same rows, labelled for another question.
    fn for_target(mut self, target: Target) -> Result<Self> {
        if target == Target::Relation {
            return Ok(self);
        }
        let Some(none) = self.labels.no_relation_name().map(str::to_owned) else {
            let expected = "relation, or data.no_relation, which names the class";
            return Err(Error::config("data.target", "labels without a no-relation class", expected));
        };
        let unrelated = |example: &RelationExample| example.label() == Some(none.as_str());
        if target == Target::Related {
            self.labels = Arc::new(LabelSet::new([none.as_str(), RELATED])?.with_no_relation(Some(&none))?);
            let rows = [&mut self.train, &mut self.validation, &mut self.holdout, &mut self.test];
            for example in rows.into_iter().flatten().filter(|e| e.label().is_some() && !unrelated(e)) {
                *example = example.clone().with_label(RELATED);
            }
        } else {
            let names = self.labels.names().iter().filter(|name| **name != none);
            // No other label with a customary name takes its place.
            self.labels = Arc::new(LabelSet::new(names.cloned())?.with_no_relation(None)?);
            [&mut self.train, &mut self.validation, &mut self.holdout]
                .into_iter()
                .for_each(|rows| rows.retain(|example| !unrelated(example)));
            // Every test row gets an answer, also the unrelated ones, of which this question has no right one.
            self.test = self.test.into_iter().map(RelationExample::without_label).collect();
        }
        Ok(self)
    }

    /// Whether all test rows have labels, so that they can be evaluated on.
    pub(crate) fn test_is_labelled(&self) -> bool {
        labelled(&self.test)
    }

    /// A hash of all rows in their roles and of the classes.
    pub(crate) fn hash(&self) -> String {
        let mut text = self.labels.names().join("\0");
        for rows in [&self.train, &self.validation, &self.holdout, &self.test] {
            text.push('\u{1}');
            for row in rows {
                let [first, second] = row.entities().each_ref().map(|entity| (entity.span(), entity.kind()));
                let label = row.label();
                text.push_str(&format!("{}\0{}\0{first:?}{second:?}{label:?}\n", row.id(), row.text()));
            }
        }
        format!("{:016x}", fnv1a(text.as_bytes()))
    }

    /// Makes sure that predictions of the rows can be combined.
    ///
    /// # Errors
    /// [`Error::DuplicateId`].
    pub(crate) fn check_ids(&self) -> Result<()> {
        for (name, rows) in [("validation", &self.validation), ("test", &self.test)] {
            unique_ids(name, rows)?;
        }
        Ok(())
    }
}

/// Reads rows that are in no role yet, and says what is worth knowing about them.
pub(crate) fn read_rows(config: &DataConfig, path: &Path) -> Result<(Vec<RelationExample>, Vec<String>)> {
    let mut reader = Reader::new(config, 0)?;
    let rows = reader.read(path)?;
    Ok((rows, reader.notes))
}

/// Makes sure that rows to learn from or to evaluate on have labels.
fn check_labels(key: &'static str, path: &Path, rows: &[RelationExample]) -> Result<()> {
    match rows.iter().find(|row| row.label().is_none()) {
        None => Ok(()),
        Some(row) => {
            let found = format!("{}, whose row {} has no label", path.display(), brief(row.id()));
            Err(Error::config(key, found, "labelled rows"))
        }
    }
}

/// Reads files with the same options and remembers what they reported.
struct Reader {
    labels: Option<Arc<LabelSet>>,
    no_relation: Option<NoRelation>,
    types: Option<EntityTypes>,
    lenient: bool,
    notes: Vec<String>,
    /// Layout of the last file.
    format: Option<Format>,
    /// How documents become rows, where the files hold documents.
    pairs: Option<Pairs>,
    /// Ids of the pairs that are trained on, where not all of them are.
    drawn: Option<HashSet<String>>,
}

/// The file of entity types. A setting that came with a file of settings is not on the command line, so that the error
/// names it.
fn entity_types(path: &Path) -> Result<EntityTypes> {
    if !files::exists(path)? {
        let expected = "a file of entity types, or \"\" where the rows have types of their own";
        return Err(Error::config(
            "data.entity_types",
            format!("{}, which does not exist", path.display()),
            expected,
        ));
    }
    Ok(EntityTypes::open(path)?)
}

impl Reader {
    fn new(config: &DataConfig, seed: u64) -> Result<Self> {
        if config.pairs.is_some() && config.entity_types.is_some() {
            let expected =
                "no file of entity types together with data.pairs: mentions have types of their own";
            return Err(Error::config("data.entity_types", "a file".to_owned(), expected));
        }
        let pairs = config.pairs.as_ref();
        let pairs = pairs.map(|pairs| Pairs::new(pairs, config.no_relation.as_ref(), seed)).transpose()?;
        Ok(Self {
            labels: config.labels.as_ref().map(read::labels).transpose()?.map(Arc::new),
            no_relation: config.no_relation.clone(),
            types: config.entity_types.as_deref().map(entity_types).transpose()?,
            lenient: config.lenient,
            notes: Vec::new(),
            format: None,
            pairs,
            drawn: None,
        })
    }

    /// Reads rows to train on. Of documents, what the first file says of labels and types holds for the others.
    fn read_to_train(&mut self, path: &Path) -> Result<Vec<RelationExample>> {
        let Some(pairs) = &mut self.pairs else { return self.read(path) };
        let (documents, notes) = pairs.read(path, self.lenient)?;
        self.notes.extend(notes);
        if self.drawn.is_none() {
            if self.labels.is_none() {
                self.labels = Some(Arc::new(pairs.labels(&documents)?));
            }
            self.notes.extend(pairs.learn_types(&documents));
            self.notes.extend(pairs.load_hardest()?);
        }
        let rows = self.rows_of(&documents, path, true)?;
        self.drawn.get_or_insert_default().extend(rows.drawn);
        Ok(rows.examples)
    }

    fn rows_of(&mut self, documents: &[Document], path: &Path, train: bool) -> Result<PairRows> {
        let (Some(pairs), Some(labels)) = (&self.pairs, &self.labels) else {
            let expected = "training documents before others, as they give the labels";
            return Err(Error::config("data.pairs", path.display().to_string(), expected));
        };
        let mut rows = pairs.rows(documents, labels, path, train)?;
        self.notes.append(&mut rows.notes);
        Ok(rows)
    }

    fn read(&mut self, path: &Path) -> Result<Vec<RelationExample>> {
        if let Some(pairs) = &self.pairs {
            let (documents, notes) = pairs.read(path, self.lenient)?;
            self.notes.extend(notes);
            return Ok(self.rows_of(&documents, path, false)?.examples);
        }
        let options =
            ReadOptions { lenient: self.lenient, labels: self.labels.clone(), ..ReadOptions::default() };
        let found = read::examples(path, &options)?;
        self.note(path, &found.report);
        self.format = Some(found.format);
        let Some(types) = &self.types else { return Ok(found.examples) };
        let (examples, report) = types.attach(found.examples);
        if report.missing.count > 0 {
            self.notes.push(format!(
                "{}: {} rows without entity types",
                path.display(),
                report.missing.count
            ));
        }
        Ok(examples)
    }

    /// Labels where no file names them: those of the benchmark in whose layout the rows are, if they are its, or those that
    /// occur.
    fn labels_of(&mut self, rows: &[RelationExample]) -> Result<LabelSet> {
        let names = rows.iter().filter_map(RelationExample::label);
        let found = LabelSet::of_names(names, self.no_relation.as_ref())?;
        let benchmark = self.format.and_then(|format| Some((format, format.labels_with(&found)?)));
        let (labels, which, benchmark) = match benchmark {
            Some((format, labels)) => {
                (labels, format!("labels are those of {}, in its order", format.name()), true)
            }
            None => (
                found,
                "labels of the training rows are numbered in sorted order, \"no relation\" first".to_owned(),
                false,
            ),
        };
        self.notes.push(format!("no label file: the {} {which}", labels.len()));
        self.decided(labels, benchmark)
    }

    /// The labels with the class of no relation that the settings name. What is guessed in place of it is noted, unless
    /// these are the labels of a benchmark, which says itself.
    fn decided(&mut self, labels: LabelSet, benchmark: bool) -> Result<LabelSet> {
        const KEY: &str = "data.no_relation";
        match &self.no_relation {
            None if benchmark => Ok(labels),
            None => {
                self.notes.push(labels.guessed_no_relation(KEY));
                Ok(labels)
            }
            Some(NoRelation::Class(name)) if labels.id(name).is_none() => {
                let expected =
                    format!("one of the {} labels, or \"\" where none says \"no relation\"", labels.len());
                Err(Error::config(KEY, quoted(name), expected))
            }
            Some(choice) => Ok(labels.with_no_relation(choice.name())?),
        }
    }

    fn note(&mut self, path: &Path, report: &ReadReport) {
        let counts = [
            (report.repaired.count, "with repaired offsets"),
            (report.overlapping.count, "with overlapping entities"),
            (report.blind.count, "with a label such as `blind`, which counts as no label"),
            (report.rejected.count, "malformed and left out"),
        ];
        let details: Vec<String> =
            counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
        let details = if details.is_empty() { String::new() } else { format!(" ({})", details.join(", ")) };
        self.notes.push(format!("{}: {} rows{details}", path.display(), report.rows));
        self.notes.extend(report.rejected.first.iter().map(|fault| format!("left out: {fault}")));
    }
}

fn labelled(rows: &[RelationExample]) -> bool {
    !rows.is_empty() && rows.iter().all(|example| example.label().is_some())
}

/// How many of the rows have sentences with these [`normalized_text`].
pub(crate) fn with_texts(rows: &[RelationExample], texts: &HashSet<String>) -> usize {
    rows.iter().filter(|row| texts.contains(&normalized_text(row.text()))).count()
}

/// Removes the rows whose sentences have these [`normalized_text`], and says how many.
pub(crate) fn without_texts(rows: &mut Vec<RelationExample>, texts: &HashSet<String>) -> usize {
    let before = rows.len();
    rows.retain(|example| !texts.contains(&normalized_text(example.text())));
    before - rows.len()
}

/// Makes sure that no id is duplicated.
pub(crate) fn unique_ids(name: &'static str, rows: &[RelationExample]) -> Result<()> {
    let mut seen = HashSet::new();
    match rows.iter().find(|example| !seen.insert(example.id())) {
        None => Ok(()),
        Some(example) => Err(Error::DuplicateId { rows: name, id: example.id().to_owned() }),
    }
}

/// The rows that are divided into folds, gold rows alone, and the folds in the order of their numbers.
pub(crate) fn folds(config: &DataConfig, of: usize, seed: u64) -> Result<(Vec<RelationExample>, Vec<Split>)> {
    let gold = DataConfig { additional: Vec::new(), ..config.clone() };
    let rows = ExperimentData::read(&gold, seed)?.train;
    let folds = k_fold(&rows, of, config.split_seed.unwrap_or(seed), "plan.folds")?;
    Ok((rows, folds))
}

/// As [`split::k_fold`]; `key` is the setting that says how many folds.
fn k_fold(rows: &[RelationExample], of: usize, seed: u64, key: &'static str) -> Result<Vec<Split>> {
    split::k_fold(rows, of, seed).map_err(|error| match error {
        re_data::Error::Argument { found, expected, .. } => Error::config(key, found, expected),
        other => other.into(),
    })
}

fn fold_split(rows: &[RelationExample], fold: Fold, seed: u64) -> Result<Split> {
    let folds = k_fold(rows, fold.of, seed, "data.fold.of")?;
    let index = fold.number.checked_sub(1);
    index.and_then(|index| folds.into_iter().nth(index)).ok_or_else(|| {
        Error::config("data.fold.number", fold.number.to_string(), format!("1 to {}", fold.of))
    })
}

fn divide(all: &[RelationExample], split: &Split) -> (Vec<RelationExample>, Vec<RelationExample>) {
    let pick = |rows: &[usize]| rows.iter().filter_map(|&row| all.get(row).cloned()).collect();
    (pick(&split.train), pick(&split.validation))
}

/// A hash of all rows that an experiment reads.
pub(crate) fn data_hash(experiment: &Experiment, data: &ExperimentData) -> Result<String> {
    let Plan::PseudoLabels { unlabelled, .. } = &experiment.plan else { return Ok(data.hash()) };
    let file = std::fs::read(unlabelled).map_err(|source| Error::io(unlabelled, source))?;
    Ok(format!("{}{:016x}", data.hash(), fnv1a(&file)))
}
