//! The head of `transformers`' `AutoModelForQuestionAnswering`.

use re_data::TokenSpan;
use re_model::ops::Linear;
use re_model::{Builder, EncoderConfig, Head, HeadInput, Mode, Result};
use tch::{Reduction, Tensor};

/// How much each token looks like the first one of an answer, and like the last one: Devlin et al. 2019, section 4.2.
///
/// Its logits are those of tokens, `[T, 2]`, start and end.
#[derive(Debug)]
pub struct Span(Linear);

impl Span {
    /// Takes the head's parameters from `builder`.
    ///
    /// # Errors
    /// As [`Builder::parameter`].
    pub fn new(builder: &mut Builder<'_>, config: &EncoderConfig) -> Result<Self> {
        builder.linear("qa_outputs", config.hidden_size, 2, config.initializer_range).map(Self)
    }
}

/// Mean of the cross entropies of the answers' first and of their last tokens.
///
/// # Shapes
/// Logits of starts and ends, `[B, L]` each, as [`QuestionAnswerer::forward`](crate::QuestionAnswerer::forward) gives
/// them, and for each row the tokens of its answer, counted from the row's first one.
///
/// # Errors
/// [`re_model::Error::Torch`] where the number of answers is not that of the rows, or an answer lies
/// outside its row.
pub fn span_loss(logits: &[Tensor; 2], answers: &[TokenSpan]) -> Result<Tensor> {
    let starts: Vec<i64> = answers.iter().map(|answer| answer.start() as i64).collect();
    let ends: Vec<i64> = answers.iter().map(|answer| answer.end() as i64 - 1).collect();
    let entropy = |logits: &Tensor, targets: &[i64]| {
        let targets = Tensor::f_from_slice(targets)?.f_to_device(logits.device())?;
        logits.f_cross_entropy_loss(&targets, None::<&Tensor>, Reduction::Mean, -100, 0.0)
    };
    let [start, end] = logits;
    Ok(entropy(start, &starts)?.f_add(&entropy(end, &ends)?)?.f_mul_scalar(0.5)?)
}

impl Head for Span {
    fn forward(&self, input: &HeadInput<'_>, _: Mode<'_>) -> Result<Tensor> {
        self.0.forward(input.states)
    }
}
