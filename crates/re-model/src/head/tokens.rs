//! The head of `transformers`' `AutoModelForTokenClassification`.

use tch::Tensor;

use super::{Head, HeadInput};
use crate::config::EncoderConfig;
use crate::error::Result;
use crate::ops::{Linear, Mode, dropout};
use crate::parameters::{Builder, Init};

/// Dropout and an output layer on each token. Its logits are those of tokens, `[T, classes]`.
///
/// With several places it also judges the characters of a token: `[T, places * classes]`, place by place. The first
/// place has the logits of the token, and each other one what a layer of its own adds to them, at first nothing.
#[derive(Debug)]
pub struct Tokens {
    output: Linear,
    others: Option<Linear>,
    places: i64,
    rate: f64,
}

impl Tokens {
    /// Takes the head's parameters from `builder`.
    ///
    /// # Errors
    /// As [`Builder::parameter`].
    pub fn new(builder: &mut Builder<'_>, config: &EncoderConfig, classes: i64, places: i64) -> Result<Self> {
        let output = builder.linear("classifier", config.hidden_size, classes, config.initializer_range)?;
        let others = match places {
            ..=1 => None,
            _ => {
                let width = (places - 1) * classes;
                let weight =
                    builder.parameter("head.places.weight", &[width, config.hidden_size], Init::Zeros)?;
                Some(Linear { weight, bias: builder.parameter("head.places.bias", &[width], Init::Zeros)? })
            }
        };
        Ok(Self { output, others, places, rate: config.token_dropout })
    }
}

impl Head for Tokens {
    fn forward(&self, input: &HeadInput<'_>, mode: Mode<'_>) -> Result<Tensor> {
        let states = dropout(input.states, self.rate, mode)?;
        let first = self.output.forward(&states)?;
        let Some(others) = &self.others else { return Ok(first) };
        let added = others.forward(&states)?.f_add(&first.f_repeat([1, self.places - 1])?)?;
        Ok(Tensor::f_cat(&[first, added], 1)?)
    }
}
