//! Relation extraction as question answering: a question for each relation, which the object answers.
//!
//! A reader of the sentence that knows the answer to "who is the spouse of entity 1?" knows the relation, if the answer
//! is entity 2 (Levy et al. 2017, arXiv:1706.04115).

mod template;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use re_data::markup::{MarkedText, Markup, unmarked};
use re_data::text::quoted;
use re_data::{LabelSet, RelationExample, model_file};
use re_formats::json::UniqueKeys;
use serde_json::Value;

use crate::error::{Error, Result};

use template::Template;

/// The questions of this crate and what errors call them.
const KOREAN: (&str, &str) = (include_str!("questions/ko.json"), "questions/ko.json");

/// A question for each relation. The place `{e1}` of a question is filled with the subject's surface form, and
/// `{e1:은/는}` with the form and the Korean particle that fits its last sound.
///
/// As a [`Markup`] it writes the question of the example's own label as first segment, then the sentence: to ask
/// whether a relation holds, give the example its label.
///
/// ```
/// use re_data::{ByteSpan, Entity, LabelSet, RelationExample};
/// use re_qa::Questions;
///
/// let labels = LabelSet::new(["관계_없음", "인물:나이", "인물:사망_일시"])?;
/// let questions = Questions::korean()?.for_labels(&labels)?;
/// let entity = |start, len| Entity::new(ByteSpan::with_len(start, len));
/// let example = RelationExample::new("1", "이순신은 1598년 전사했다.", [entity(0, 9), entity(13, 7)])?;
/// assert_eq!(questions.question("인물:사망_일시", &example).as_deref(), Some("이순신은 언제 사망했나요?"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Questions {
    path: PathBuf,
    labels: Arc<LabelSet>,
    templates: Vec<Template>,
}

impl Questions {
    /// Korean questions for the 41 relations of the competition and of the embedded default.
    ///
    /// # Errors
    /// None.
    pub fn korean() -> Result<Self> {
        let (text, path) = KOREAN;
        Self::parse(text, path)
    }

    /// Reads questions from a JSON file: an object of labels and questions. What it says of a label of no relation is
    /// never asked.
    ///
    /// # Errors
    /// Those of [`model_file::read_text`]; [`Error::Questions`] where it is malformed, a question has no
    /// place for the subject, or two labels have the same question.
    pub fn from_path(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::parse(&model_file::read_text(path)?, path)
    }

    /// Parses the text of a file of questions, which errors call `path`.
    ///
    /// # Errors
    /// As [`Questions::from_path`].
    pub fn parse(text: &str, path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let fault = |label: Option<&str>, found: String, expected: String| Error::Questions {
            path: path.clone(),
            label: label.map(str::to_owned),
            found,
            expected,
        };
        let object = || "a JSON object of labels and questions".to_owned();
        let UniqueKeys(entries) = serde_json::from_str(text.trim_start_matches('\u{feff}'))
            .map_err(|error| fault(None, format!("something else ({error})"), object()))?;
        if entries.is_empty() || entries.contains_key("") {
            let found = if entries.is_empty() { "no question" } else { "a question without a label" };
            return Err(fault(None, found.to_owned(), object()));
        }
        let mut templates: Vec<Template> = Vec::with_capacity(entries.len());
        for (label, value) in &entries {
            let Some(question) = value.as_str() else {
                let expected = "a question in quotes".to_owned();
                return Err(fault(Some(label), value.to_string(), expected));
            };
            // Only the questions before this one have a template yet.
            if let Some((other, _)) = entries.keys().zip(&templates).find(|(_, t)| t.text() == question) {
                let expected = "questions that keep the two apart".to_owned();
                return Err(fault(Some(label), format!("the question of {}", quoted(other)), expected));
            }
            let template = Template::parse(question);
            templates.push(template.map_err(|(found, expected)| fault(Some(label), found, expected))?);
        }
        let names = entries.into_iter().map(|(label, _)| label);
        // Which label says "no relation" is for the label set in use to tell.
        let labels = LabelSet::new(names)?.with_no_relation(None)?;
        Ok(Self { path, labels: Arc::new(labels), templates })
    }

    /// The questions of the relations in `labels`, in their order: all classes but "no relation".
    ///
    /// # Errors
    /// [`Error::Questions`] with the first relation that has no question, or where there is no relation at all.
    pub fn for_labels(&self, labels: &LabelSet) -> Result<Self> {
        let fault = |label: Option<&str>, found: &str, expected: &str| Error::Questions {
            path: self.path.clone(),
            label: label.map(str::to_owned),
            found: found.to_owned(),
            expected: expected.to_owned(),
        };
        let relations = || {
            let classes = labels.names().iter().enumerate();
            classes.filter(|(class, _)| labels.no_relation() != Some(*class)).map(|(_, name)| name)
        };
        if relations().next().is_none() {
            return Err(fault(None, "a label set without a relation", "at least one to ask for"));
        }
        let template = |label: &String| {
            let found = self.labels.id(label).and_then(|class| self.templates.get(class));
            found.cloned().ok_or_else(|| fault(Some(label), "no question", "one for each relation"))
        };
        let templates = relations().map(template).collect::<Result<_>>()?;
        let labels = LabelSet::new(relations().cloned())?.with_no_relation(None)?;
        Ok(Self { path: self.path.clone(), labels: Arc::new(labels), templates })
    }

    /// The relations that are asked for, in the order of the questions.
    pub fn labels(&self) -> &Arc<LabelSet> {
        &self.labels
    }

    /// The question whether `example` has the relation `label`; `None` where there is none for that label.
    pub fn question(&self, label: &str, example: &RelationExample) -> Option<String> {
        let template = self.templates.get(self.labels.id(label)?)?;
        Some(template.question(example.surface(0)))
    }

    /// The text of a file that [`Questions::parse`] reads back.
    pub fn to_json(&self) -> String {
        let texts = self.templates.iter().map(|template| Value::from(template.text()));
        let entries = self.labels.names().iter().cloned().zip(texts);
        format!("{:#}\n", Value::Object(entries.collect()))
    }
}

impl Markup for Questions {
    fn name(&self) -> &'static str {
        "questions"
    }

    fn write(&self, example: &RelationExample, _: &str) -> re_data::Result<MarkedText> {
        let missing = || re_data::Error::MissingLabel { id: example.id().to_owned() };
        let label = example.label().ok_or_else(missing)?;
        let question = self.question(label, example).ok_or_else(|| re_data::Error::UnknownLabel {
            id: example.id().to_owned(),
            found: label.to_owned(),
            expected: self.labels.len(),
        })?;
        Ok(unmarked(example, Some(question)))
    }

    fn writes_pair(&self) -> bool {
        true
    }
}
