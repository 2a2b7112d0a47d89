//! Workload H: all ordered pairs of the entities of real sentences.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;
use re_data::markup::{Markup, TypedPunct};
use re_data::{CharSpan, Document, Mention, PairRule, Predictor, RelationExample};
use re_model::{Precision, RelationClassifier, TrainedParts};
use serde_json::json;

use crate::inputs::{Data, Report, report};

#[derive(Debug, Args)]
pub struct Pairs {
    #[command(flatten)]
    data: Data,
    /// Trained folder
    #[arg(long)]
    model: PathBuf,
    /// `fp32` or `bf16`
    #[arg(long, default_value = "bf16")]
    precision: String,
    /// Sentences
    #[arg(long, default_value_t = 500)]
    sentences: usize,
    /// Mentions of each sentence
    #[arg(long, default_value_t = 8)]
    mentions: usize,
    /// An encoder pass for each pair instead of one for each sentence
    #[arg(long)]
    separate: bool,
    /// File for the class of each pair, one a line
    #[arg(long)]
    out: PathBuf,
    /// Write the pairs with marked entities for the peers, one JSON object a line, instead of classifying them
    #[arg(long)]
    rows: bool,
}

impl Pairs {
    pub fn run(&self) -> Result<Report> {
        let documents = self.documents()?;
        let pairs = documents.len() * self.mentions * self.mentions.saturating_sub(1);
        let mut report = report("pairs", pairs);
        if self.rows {
            self.write_rows(&documents)?;
            return Ok(report);
        }
        let precision: Precision = serde_json::from_value(self.precision.as_str().into())?;
        let parts = TrainedParts { precision: Some(precision), ..TrainedParts::default() };
        let classifier = RelationClassifier::from_pretrained_with(&self.model, parts)?;
        let classify = |documents: &[Document]| match self.separate {
            true => separate(&classifier, documents),
            false => shared(&classifier, documents),
        };
        // The first pass finds libtorch's kernels and memory unprepared, for the peers as for us.
        classify(documents.get(..documents.len().min(2)).unwrap_or_default())?;
        let began = Instant::now();
        let classes = classify(&documents)?;
        let seconds = began.elapsed().as_secs_f64();
        if classes.len() != pairs {
            bail!("{} classes for {pairs} pairs", classes.len());
        }
        let lines: String = classes.iter().map(|class| format!("{class}\n")).collect();
        std::fs::write(&self.out, lines)?;
        report.insert("seconds".to_owned(), seconds.into());
        report.insert("labels".to_owned(), self.out.display().to_string().into());
        Ok(report)
    }

    /// The first sentences with enough words, some of which are the mentions, evenly spread.
    fn documents(&self) -> Result<Vec<Document>> {
        let (mut documents, mut seen) = (Vec::new(), std::collections::HashSet::new());
        for row in self.data.read()? {
            let words = words(row.text());
            if words.len() < self.mentions || !seen.insert(row.text().to_owned()) {
                continue;
            }
            let word = |number: usize| words.get(number * words.len() / self.mentions).copied();
            let mentions = (0..self.mentions).filter_map(word).map(Mention::new).collect();
            documents.push(Document::new(row.id(), row.text(), mentions)?);
            if documents.len() == self.sentences {
                return Ok(documents);
            }
        }
        bail!("{} sentences have {} words, expected {}", documents.len(), self.mentions, self.sentences)
    }

    fn write_rows(&self, documents: &[Document]) -> Result<()> {
        let mut out = BufWriter::new(File::create(&self.out)?);
        for example in documents.iter().flat_map(examples) {
            let example = example?;
            let text = TypedPunct.write(&example, "")?;
            writeln!(out, "{}", json!({"id": example.id(), "first": null, "sentence": text.sentence}))?;
        }
        out.flush().context("the rows could not be written")
    }
}

/// The words of a text, between white space, in code points.
fn words(text: &str) -> Vec<CharSpan> {
    let (mut words, mut start) = (Vec::new(), None);
    for (at, letter) in text.chars().chain([' ']).enumerate() {
        match (letter.is_whitespace(), start) {
            (false, None) => start = Some(at),
            (true, Some(first)) => {
                words.extend(CharSpan::new(first, at));
                start = None;
            }
            _ => {}
        }
    }
    words
}

fn examples(document: &Document) -> impl Iterator<Item = re_data::Result<RelationExample>> {
    static ALL: PairRule =
        PairRule { types: Vec::new(), max_characters: None, max_mentions: None, same_sentence: false };
    document.pairs(&ALL).map(|pair| document.example(pair))
}

fn shared(classifier: &RelationClassifier, documents: &[Document]) -> Result<Vec<usize>> {
    let mut classes = Vec::new();
    classifier.predict_pairs(documents, &PairRule::default(), |found| {
        classes.extend(found.outcomes.into_probabilities()?.classes());
        Ok::<(), anyhow::Error>(())
    })?;
    Ok(classes)
}

/// Judges the first pair of every sentence, then the second of every one ..: no batch has two rows of a sentence.
fn separate(classifier: &RelationClassifier, documents: &[Document]) -> Result<Vec<usize>> {
    let of_document = |document| examples(document).collect::<re_data::Result<Vec<_>>>();
    let examples: Vec<Vec<RelationExample>> =
        documents.iter().map(of_document).collect::<re_data::Result<_>>()?;
    let pairs = examples.first().map_or(0, Vec::len);
    let mut classes = vec![0; pairs * examples.len()];
    for pair in 0..pairs {
        let rows: Vec<RelationExample> = examples.iter().filter_map(|rows| rows.get(pair)).cloned().collect();
        for (row, class) in classifier.predict(&rows)?.classes().into_iter().enumerate() {
            if let Some(slot) = classes.get_mut(row * pairs + pair) {
                *slot = class;
            }
        }
    }
    Ok(classes)
}
