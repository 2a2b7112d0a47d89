//! Training a question answerer.

mod rows;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rand::RngExt;
use re_data::random::{fnv1a, stream};
use re_data::{Batch, Encoded, LabelSet, Predictor, RelationExample, TokenSpan};
use re_model::parameters::Parameters;
use re_model::{Masks, Mode, TokenBatch};
use re_train::hash::{mix, words};
use re_train::{Evaluation, LossConfig, Task, TrainConfig};
use serde::{Deserialize, Serialize};
use tch::Tensor;

pub use rows::QuestionRows;

use crate::answerer::{QuestionAnswerer, Rule};
use crate::error::Result;
use crate::questions::Questions;
use crate::span::span_loss;

/// The answer to a question that has none: the row's first token, as for SQuAD 2.0 (Devlin et al. 2019, section 4.3).
const NO_ANSWER: TokenSpan = TokenSpan::with_len(0, 1);

/// How relations are asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QuestionConfig {
    /// File with a question for each relation; the Korean ones of this project where left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// How many questions for other relations, to which there is no answer, are trained on for each row and epoch, from
    /// 0 to 1000. With 0 a model learns to find the object whatever is asked.
    pub negatives: f64,
    /// How answers decide between relations.
    pub rule: Rule,
    /// Most validation rows that are asked about while training, spread evenly over all; 0 asks about every one. Each
    /// takes a forward pass for every relation.
    pub validation_rows: usize,
}

impl Default for QuestionConfig {
    fn default() -> Self {
        Self { file: None, negatives: 1.0, rule: Rule::default(), validation_rows: 200 }
    }
}

impl QuestionConfig {
    /// Checks the ranges of the settings.
    ///
    /// # Errors
    /// [`re_train::Error::Config`] with the key that is out of range.
    pub fn check(&self) -> Result<()> {
        if (0.0..=1000.0).contains(&self.negatives) {
            return Ok(());
        }
        Err(re_train::Error::config("questions.negatives", self.negatives.to_string(), "from 0 to 1000")
            .into())
    }

    /// Checks the ranges of the settings, and that a training asks nothing of answers that only classes have.
    ///
    /// # Errors
    /// As [`QuestionConfig::check`].
    pub fn check_with(&self, training: &TrainConfig) -> Result<()> {
        self.check()?;
        let rules = [
            ("training.label_smoothing", training.label_smoothing),
            ("training.r_drop_alpha", training.r_drop_alpha),
            ("training.logit_adjustment", training.logit_adjustment),
        ];
        if let Some((key, value)) = rules.into_iter().find(|(_, value)| *value != 0.0) {
            return Err(re_train::Error::config(key, value.to_string(), "0 where questions are asked").into());
        }
        if training.loss != LossConfig::default() {
            let found = format!("{:?}", training.loss);
            return Err(re_train::Error::config(
                "training.loss",
                found,
                "cross entropy without weights where questions are asked",
            )
            .into());
        }
        Ok(())
    }

    /// The questions for the relations in `labels`.
    ///
    /// # Errors
    /// As [`Questions::from_path`] and [`Questions::for_labels`].
    pub fn questions(&self, labels: &LabelSet) -> Result<Questions> {
        self.all_questions()?.for_labels(labels)
    }

    /// The questions for whatever relations there are.
    ///
    /// # Errors
    /// As [`Questions::from_path`].
    pub fn all_questions(&self) -> Result<Questions> {
        self.file.as_ref().map_or_else(Questions::korean, Questions::from_path)
    }
}

/// A question answerer with the examples it is trained and evaluated on.
///
/// Its training rows are the questions that the objects answer, and as many as the settings say that have no answer.
/// Which relations the latter ask for follows from seed, epoch and the number of the row.
#[derive(Debug)]
pub struct QuestionTask {
    answerer: QuestionAnswerer,
    train: QuestionRows,
    validation: Vec<RelationExample>,
    /// Classes of the validation rows.
    gold: Vec<usize>,
    /// Training examples of which some relation can be asked for without an answer, with these relations.
    unanswered: Vec<(usize, Vec<usize>)>,
    /// Training rows without an answer.
    negatives: usize,
    seed: u64,
}

impl QuestionTask {
    /// A task that trains `answerer` on `train`; `validation` may be empty.
    ///
    /// # Errors
    /// Those of [`QuestionConfig::check_with`]; [`re_train::Error::Config`] where questions without an answer are asked for and
    /// there are none; [`re_model::Error::TokenId`] where the rows were encoded for another model.
    pub fn new(
        mut answerer: QuestionAnswerer,
        train: QuestionRows,
        validation: QuestionRows,
        config: &TrainConfig,
        questions: &QuestionConfig,
    ) -> Result<Self> {
        questions.check_with(config)?;
        let negatives = (train.len() as f64 * questions.negatives).round() as usize;
        let relations = answerer.questions().labels().len();
        let unanswered = train.unanswered(relations).into_iter().enumerate();
        let unanswered: Vec<(usize, Vec<usize>)> = unanswered.filter(|(_, rest)| !rest.is_empty()).collect();
        if negatives > 0 && unanswered.is_empty() {
            let expected = "0 where every relation that is asked for holds";
            let found = questions.negatives.to_string();
            return Err(re_train::Error::config("questions.negatives", found, expected).into());
        }
        let validation = validation.sample(questions.validation_rows);
        answerer.model_mut().set_precision(config.precision());
        if config.trim_vocabulary {
            let tokens = train.tokens.union(&validation.tokens).copied();
            answerer.model_mut().trim_vocabulary(tokens)?;
        }
        let (validation, gold) = validation.items.into_iter().map(|item| (item.example, item.class)).unzip();
        Ok(Self { answerer, train, validation, gold, unanswered, negatives, seed: config.seed })
    }

    /// Ends an evaluation between two batches once `stop` is true, which
    /// [`Trainer::stop_when`](re_train::Trainer::stop_when) is given, too.
    #[must_use]
    pub fn stop_when(mut self, stop: Arc<AtomicBool>) -> Self {
        self.answerer.model_mut().stop_when(stop);
        self
    }

    /// The answerer in its present state.
    pub fn answerer(&self) -> &QuestionAnswerer {
        &self.answerer
    }

    /// The validation rows that are asked about, with their classes among the relations.
    pub fn validation(&self) -> (&[RelationExample], &[usize]) {
        (&self.validation, &self.gold)
    }

    /// Training example and relation of the question without an answer that has this number.
    fn negative(&self, epoch: u64, number: usize) -> Option<(usize, usize)> {
        // Where they are fewer than the examples, an epoch goes on where the one before has ended.
        let turn = epoch.wrapping_mul(self.negatives as u64).wrapping_add(number as u64);
        let at = usize::try_from(turn % self.unanswered.len().max(1) as u64).ok()?;
        let (example, relations) = self.unanswered.get(at)?;
        let choice = stream(self.seed, "negative question", turn).random_range(0..relations.len());
        Some((*example, *relations.get(choice)?))
    }

    /// Questions without an answer, encoded.
    fn encode_negatives(
        &self,
        epoch: u64,
        numbers: impl Iterator<Item = usize>,
    ) -> re_train::Result<Vec<Encoded>> {
        let ask = |(example, relation): (usize, usize)| {
            let label = self.answerer.questions().labels().name(relation)?;
            Some(self.train.items.get(example)?.example.clone().with_label(label))
        };
        let asked: Vec<RelationExample> =
            numbers.filter_map(|number| self.negative(epoch, number)).filter_map(ask).collect();
        Ok(self.answerer.encoder().encode_batch(&asked)?.0)
    }
}

impl Task for QuestionTask {
    fn parameters(&self) -> &Parameters {
        self.answerer.model().parameters()
    }

    fn rows(&self) -> usize {
        self.train.len() + self.negatives
    }

    fn data_hash(&self) -> u64 {
        let questions = fnv1a(self.answerer.questions().to_json().as_bytes());
        let rows =
            self.train.items.iter().flat_map(|item| words(&item.row).chain([item.class as u64, u64::MAX]));
        [questions, self.negatives as u64].into_iter().chain(rows).fold(0, mix)
    }

    fn loss(&self, epoch: u64, rows: &[usize], masks: &Masks) -> re_train::Result<Tensor> {
        let positives = rows.iter().filter_map(|&row| self.train.items.get(row)).map(|item| &item.row);
        let answer = |row: &Encoded| row.entities.last().copied().flatten().unwrap_or(NO_ANSWER);
        let mut answers: Vec<TokenSpan> = positives.clone().map(answer).collect();
        let behind = self.train.len();
        let negatives =
            self.encode_negatives(epoch, rows.iter().filter_map(|row| row.checked_sub(behind)))?;
        answers.extend(negatives.iter().map(|_| NO_ANSWER));
        let batch = Batch::new(positives.chain(&negatives), &[])?;
        let batch = TokenBatch::new(&batch, &self.answerer.model().encoder().batch_spec())?;
        Ok(span_loss(&self.answerer.forward(&batch, Mode::Train(masks))?, &answers)?)
    }

    fn evaluate(&self) -> re_train::Result<Option<Evaluation>> {
        if self.validation.is_empty() {
            return Ok(None);
        }
        Ok(Some(Evaluation::new(&self.gold, &self.answerer.predict(&self.validation)?)?))
    }

    fn save(&self, folder: &Path) -> re_train::Result<()> {
        Ok(self.answerer.save_into(folder)?)
    }
}

#[cfg(test)]
mod tests {
    use re_data::{ByteSpan, Entity};

    use super::*;
    use crate::answerer::AnswererOptions;
    use crate::error::Error;

    const LABELS: [&str; 4] = ["인물:배우자", "인물:자녀", "인물:나이", "인물:동료"];

    fn answerer() -> QuestionAnswerer {
        let questions = Questions::korean().unwrap().for_labels(&LabelSet::new(LABELS).unwrap()).unwrap();
        let options = AnswererOptions { random_weights: true, layers: Some(1), ..AnswererOptions::default() };
        QuestionAnswerer::new("../../fixtures/embedded/model", questions, options).unwrap().0
    }

    fn example(id: usize, text: &str, label: &str) -> RelationExample {
        let entity = |start, len| Entity::new(ByteSpan::with_len(start, len));
        let second = text.len() - 6;
        RelationExample::new(id.to_string(), text, [entity(0, 6), entity(second, 6)])
            .unwrap()
            .with_label(label)
    }

    fn task(examples: &[RelationExample], negatives: f64, seed: u64) -> Result<QuestionTask> {
        let answerer = answerer();
        let (rows, _) = QuestionRows::new(&answerer, examples).unwrap();
        let config = TrainConfig { seed, ..TrainConfig::default() };
        let questions = QuestionConfig { negatives, ..QuestionConfig::default() };
        QuestionTask::new(answerer, rows, QuestionRows::default(), &config, &questions)
    }

    #[test]
    fn negative_questions_ask_for_what_does_not_hold_and_follow_from_seed_and_epoch() {
        // The first two share sentence and subject: neither relation is asked for as one without an answer.
        let examples = [
            example(1, "하늘은 바다와 구름", LABELS[0]),
            example(2, "하늘은 바다와 구름", LABELS[1]),
            example(3, "강산과 구름", LABELS[1]),
        ];
        let all = |seed, epoch| {
            let task = task(&examples, 8.0, seed).unwrap();
            assert_eq!(Task::rows(&task), 27);
            (0..24).map(|number| task.negative(epoch, number).unwrap()).collect::<Vec<_>>()
        };
        let first = all(7, 0);
        assert!(first.iter().all(|&(row, relation)| match row {
            0 | 1 => relation >= 2,
            _ => relation != 1,
        }));
        for row in 0..3 {
            assert_eq!(first.iter().filter(|(at, _)| *at == row).count(), 8);
        }
        assert_eq!(all(7, 0), first);
        assert_ne!(all(7, 1), first);
        assert_ne!(all(8, 0), first);
    }

    #[test]
    fn half_a_question_for_each_row_reaches_all_rows_in_two_epochs() {
        let examples: Vec<RelationExample> =
            (0..6).map(|id| example(id, &format!("하늘은 {id} 구름"), LABELS[0])).collect();
        let task = task(&examples, 0.5, 7).unwrap();
        assert_eq!(Task::rows(&task), 9);
        let mut rows: Vec<usize> = (0..2)
            .flat_map(|epoch| (0..3).map(move |n| (epoch, n)))
            .map(|(e, n)| task.negative(e, n).unwrap().0)
            .collect();
        rows.sort_unstable();
        assert_eq!(rows, [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn settings_that_cannot_work_are_refused() {
        let same = |label: &&str| example(1, "하늘은 바다와 구름", label);
        let every: Vec<RelationExample> = LABELS.iter().map(same).collect();
        let key = |result: Result<QuestionTask>| match result {
            Err(Error::Train(re_train::Error::Config { key, .. })) => key,
            other => panic!("{other:?}"),
        };
        assert_eq!(key(task(&every, 1.0, 7)), "questions.negatives");
        assert_eq!(key(task(&every[..1], -1.0, 7)), "questions.negatives");
        assert_eq!(key(task(&every[..1], f64::NAN, 7)), "questions.negatives");
        let config = TrainConfig { label_smoothing: 0.1, ..TrainConfig::default() };
        let rows = QuestionRows::new(&answerer(), &every).unwrap().0;
        let smoothed =
            QuestionTask::new(answerer(), rows, QuestionRows::default(), &config, &QuestionConfig::default());
        assert_eq!(key(smoothed), "training.label_smoothing");
        let focal = LossConfig::Focal { gamma: 2.0, class_weights: Default::default() };
        let others = [
            ("training.loss", TrainConfig { loss: focal, ..TrainConfig::default() }),
            ("training.r_drop_alpha", TrainConfig { r_drop_alpha: 1.0, ..TrainConfig::default() }),
            ("training.logit_adjustment", TrainConfig { logit_adjustment: 1.0, ..TrainConfig::default() }),
        ];
        for (expected, config) in others {
            match QuestionConfig::default().check_with(&config) {
                Err(Error::Train(re_train::Error::Config { key, .. })) => assert_eq!(key, expected),
                other => panic!("{expected}: {other:?}"),
            }
        }
        task(&every, 0.0, 7).unwrap();
    }

    #[test]
    fn a_sample_is_spread_evenly() {
        let examples: Vec<RelationExample> =
            (0..10).map(|id| example(id, &format!("하늘은 {id} 구름"), LABELS[0])).collect();
        let (rows, _) = QuestionRows::new(&answerer(), &examples).unwrap();
        let ids = |most| {
            let rows = rows.clone().sample(most);
            rows.items.iter().map(|item| item.example.id().parse().unwrap()).collect::<Vec<usize>>()
        };
        assert_eq!(ids(3).len(), 3);
        assert_eq!(ids(5), [1, 3, 5, 7, 9]);
        assert_eq!(ids(0).len(), 10);
        assert_eq!(ids(11).len(), 10);
    }
}
