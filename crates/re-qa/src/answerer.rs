//! A relation extractor that asks questions: tokenizer, questions and a model that answers them.

mod answer;
mod folder;
mod gated;

pub use answer::{Answer, Answers, Rule};
pub use gated::{GatedAnswerer, GatedAnswers};

use std::path::Path;
use std::sync::Arc;

use re_data::predictor::estimated_tokens;
use re_data::{
    EncodeOptions, Encoded, ExampleEncoder, LabelSet, Outcomes, PredictError, Predictor, RelationExample,
    RowError,
};
use re_model::classifier::{ModelParts, example_encoder, pretrained, tokenizer_in};
use re_model::inference::{floats, in_batches};
use re_model::weights::checked;
use re_model::{
    Builder, EncoderConfig, Error, Head, LoadReport, MarkupChoice, Mode, RelationModel, Result, TokenBatch,
};
use tch::{Device, Tensor};

use crate::questions::Questions;
use crate::span::Span;

/// Examples whose questions are in memory at a time.
const EXAMPLES_AT_ONCE: usize = 64;

/// What a new answerer is made of, besides a checkpoint and questions.
#[derive(Debug, Clone)]
pub struct AnswererOptions {
    /// How answers decide between relations.
    pub rule: Rule,
    /// Length and truncation. The number of token types is taken from the checkpoint.
    pub encoding: EncodeOptions,
    /// How many of the encoder's first layers are used; all where left out.
    pub layers: Option<i64>,
    /// Start from random weights where the folder has none, as tests and demonstrations do.
    pub random_weights: bool,
    /// Seed of everything that starts at random.
    pub seed: u64,
    /// Device of the model.
    pub device: Device,
}

impl Default for AnswererOptions {
    fn default() -> Self {
        Self {
            rule: Rule::default(),
            encoding: EncodeOptions::default(),
            layers: None,
            random_weights: false,
            seed: 42,
            device: Device::Cpu,
        }
    }
}

/// Questions are written before the text.
fn markup(questions: &Questions) -> MarkupChoice {
    MarkupChoice::Own(Arc::new(questions.clone()))
}

/// Asks a question for each relation and finds the one that the object answers.
///
/// It chooses among relations alone: what is unrelated has to be found before, see [`GatedAnswerer`].
#[derive(Debug)]
pub struct QuestionAnswerer {
    model: RelationModel,
    encoder: ExampleEncoder,
    questions: Questions,
    rule: Rule,
}

impl QuestionAnswerer {
    /// A new answerer on the encoder in `folder`, to be trained: its head starts at random.
    ///
    /// # Errors
    /// Whatever is wrong with the folder, see [`RelationClassifier::new`](re_model::RelationClassifier::new).
    pub fn new(
        folder: impl AsRef<Path>,
        questions: Questions,
        options: AnswererOptions,
    ) -> Result<(Self, LoadReport)> {
        let folder = folder.as_ref();
        let ((mut answerer, report), check) = checked(folder, || Self::begin(folder, questions, options))?;
        answerer.model.set_check(check);
        Ok((answerer, report))
    }

    fn begin(folder: &Path, questions: Questions, options: AnswererOptions) -> Result<(Self, LoadReport)> {
        let (config, weights) = pretrained(folder, options.layers, options.random_weights)?;
        let encoding = EncodeOptions { type_vocab_size: config.token_types(), ..options.encoding };
        let tokenizer = tokenizer_in(folder)?;
        let ids = tokenizer.vocab_size() as i64;
        if ids > config.vocab_size {
            return Err(Error::TokenId { id: ids - 1, vocab_size: config.vocab_size });
        }
        let encoder = example_encoder(tokenizer, &markup(&questions), encoding, &config)?;
        let parts =
            ModelParts { config, weights: weights.as_ref(), device: options.device, seed: options.seed };
        Self::assemble(parts, encoder, questions, options.rule)
    }

    fn assemble(
        parts: ModelParts<'_>,
        encoder: ExampleEncoder,
        questions: Questions,
        rule: Rule,
    ) -> Result<(Self, LoadReport)> {
        let ModelParts { config, weights, device, seed } = parts;
        let head = |builder: &mut Builder<'_>, config: &EncoderConfig, _| {
            Ok(Box::new(Span::new(builder, config)?) as Box<dyn Head>)
        };
        let (model, report) = RelationModel::new(config, weights, 2, head, device, seed)?;
        Ok((Self { model, encoder, questions, rule }, report))
    }

    /// The model. Its logits are those of tokens, `[T, 2]`.
    pub fn model(&self) -> &RelationModel {
        &self.model
    }

    /// The model, to change its vocabulary or number format.
    pub fn model_mut(&mut self) -> &mut RelationModel {
        &mut self.model
    }

    /// What turns examples with the label to be asked for into rows of tokens.
    pub fn encoder(&self) -> &ExampleEncoder {
        &self.encoder
    }

    /// The questions.
    pub fn questions(&self) -> &Questions {
        &self.questions
    }

    /// How answers decide between relations.
    pub fn rule(&self) -> Rule {
        self.rule
    }

    /// Logits of the answer's first and last token.
    ///
    /// # Shapes
    /// Two of `[B, L]` for `B` rows of at most `L` tokens, minus infinity where a row has no token.
    ///
    /// # Errors
    /// Whatever libtorch refuses.
    pub fn forward(&self, batch: &TokenBatch, mode: Mode<'_>) -> Result<[Tensor; 2]> {
        let logits = self.model.forward(batch, mode)?;
        let column = |at| batch.pad(&logits.f_select(1, at)?, f64::NEG_INFINITY);
        Ok([column(0)?, column(1)?])
    }

    /// Asks every question about each of `examples`, in their order.
    ///
    /// # Errors
    /// [`Error::Data`] where an example cannot be encoded, such as one whose entities do not fit.
    pub fn answer(&self, examples: &[RelationExample]) -> Result<Vec<Answers>> {
        let rows = self.answer_rows(examples)?.into_iter().collect::<re_data::Result<_>>();
        Ok(rows?)
    }

    /// The same for each example by itself: one with a question that cannot be encoded fails alone.
    ///
    /// # Errors
    /// Those of the model.
    pub fn answer_rows(&self, examples: &[RelationExample]) -> Result<Vec<re_data::Result<Answers>>> {
        let relations = self.questions.labels();
        let mut all = Vec::with_capacity(examples.len());
        for part in examples.chunks(EXAMPLES_AT_ONCE) {
            let about = |example: &RelationExample| {
                relations.names().iter().map(|label| example.clone().with_label(label)).collect::<Vec<_>>()
            };
            let asked: Vec<RelationExample> = part.iter().flat_map(about).collect();
            let mut encoded = self.encoder.encode_rows(&asked).0.into_iter();
            let (mut rows, mut faults) = (Vec::new(), Vec::with_capacity(part.len()));
            for _ in part {
                // All of the example's, also behind one that failed.
                let asked: Vec<_> = encoded.by_ref().take(relations.len()).collect();
                let asked = asked.into_iter().collect::<re_data::Result<Vec<Encoded>>>();
                faults.push(asked.map(|asked| rows.extend(asked)));
            }
            let answers = self.answers(&rows)?;
            let mut answers = answers.chunks(relations.len());
            all.extend(
                faults
                    .into_iter()
                    .map(|row| row.map(|()| Answers(answers.next().unwrap_or_default().to_vec()))),
            );
        }
        Ok(all)
    }

    /// The answer in each of these rows.
    fn answers(&self, rows: &[Encoded]) -> Result<Vec<Answer>> {
        let _guard = tch::no_grad_guard();
        let mut all = vec![Answer { place: None, span_log_probability: f64::NEG_INFINITY }; rows.len()];
        in_batches(rows, &self.model, |numbers, batch| {
            let [starts, ends] = self.forward(batch, Mode::Eval)?;
            let width = starts.size().last().map_or(1, |&width| width as usize);
            let (starts, ends) = (floats(&starts)?, floats(&ends)?);
            for (&number, (start, end)) in numbers.iter().zip(starts.chunks(width).zip(ends.chunks(width))) {
                if let (Some(slot), Some(row)) = (all.get_mut(number), rows.get(number)) {
                    *slot = Answer::find(row, start, end);
                }
            }
            Ok(())
        })?;
        self.model.verify()?;
        Ok(all)
    }
}

/// Its classes are the relations; the rows are taken to have one.
impl Predictor for QuestionAnswerer {
    fn labels(&self) -> &Arc<LabelSet> {
        self.questions.labels()
    }

    fn outcomes(&self, examples: &[RelationExample]) -> std::result::Result<Outcomes, PredictError> {
        let rows = examples.iter().zip(self.answer_rows(examples)?).map(|(example, answers)| match answers {
            Ok(answers) => Ok((example.id().to_owned(), answers.probabilities(self.rule))),
            Err(error) => Err(RowError::new(example.id(), error)),
        });
        Ok(Outcomes::new(Arc::clone(self.labels()), rows)?)
    }

    fn tokens(&self, example: &RelationExample) -> usize {
        let question = estimated_tokens(example).min(self.encoder.options().max_length);
        question * self.questions.labels().len()
    }
}
