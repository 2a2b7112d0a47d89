//! An encoder with a head: from a batch to logits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use re_data::manifest::Check;
use tch::{Device, Tensor};

use crate::batch::TokenBatch;
use crate::config::EncoderConfig;
use crate::encoder::Encoder;
use crate::error::Result;
use crate::head::{Head, HeadInput};
use crate::kept::{KeptStates, Stamp};
use crate::ops::{Mode, Precision};
use crate::parameters::{Builder, LoadReport, Parameters, Part};
use crate::weights::{Source, Weights};

/// An encoder, a head and their parameters.
#[derive(Debug)]
pub struct RelationModel {
    pub(crate) encoder: Encoder,
    head: Box<dyn Head>,
    pub(crate) parameters: Parameters,
    classes: usize,
    device: Device,
    seed: u64,
    stop: Arc<AtomicBool>,
    source: Source,
    /// Where models on one encoder leave hidden states for each other.
    kept: Option<KeptStates>,
}

impl RelationModel {
    /// Builds a model: the encoder that `config` describes, and the head that `head` makes.
    ///
    /// With `weights`, parameters come from there and a head that the file lacks starts at random; without,
    /// all start at random. Random starts are keyed by `seed` and the parameter's name.
    ///
    /// # Errors
    /// [`Error::Shapes`](crate::Error::Shapes), [`Error::MissingTensors`](crate::Error::MissingTensors),
    /// [`Error::FileChanged`](crate::Error::FileChanged) or whatever `head` returns.
    pub fn new(
        config: EncoderConfig,
        weights: Option<&Weights>,
        classes: usize,
        head: impl FnOnce(&mut Builder<'_>, &EncoderConfig, i64) -> Result<Box<dyn Head>>,
        device: Device,
        seed: u64,
    ) -> Result<(Self, LoadReport)> {
        let mut builder = Builder::new(weights, config.prefix(), device, seed);
        let encoder = Encoder::new(config, &mut builder)?;
        // Heads take their shapes from a configuration that the encoder's tensors agree with.
        builder.check()?;
        Self::finish(encoder, builder, weights, classes, head, device, seed)
    }

    /// A model with a head of its own on the encoder of `other`: on the same tensors, not on copies. `weights` are those
    /// of the head; it starts at random where there are none.
    pub(crate) fn on_encoder_of(
        other: &Self,
        weights: Option<&Weights>,
        classes: usize,
        head: impl FnOnce(&mut Builder<'_>, &EncoderConfig, i64) -> Result<Box<dyn Head>>,
    ) -> Result<(Self, LoadReport)> {
        let (device, seed) = (other.device, other.seed);
        let builder = Builder::new(weights, other.config().prefix(), device, seed);
        let mut builder = builder.sharing(&other.parameters);
        let encoder = Encoder::again(&other.encoder, &mut builder)?;
        Self::finish(encoder, builder, weights, classes, head, device, seed)
    }

    fn finish(
        encoder: Encoder,
        mut builder: Builder<'_>,
        weights: Option<&Weights>,
        classes: usize,
        head: impl FnOnce(&mut Builder<'_>, &EncoderConfig, i64) -> Result<Box<dyn Head>>,
        device: Device,
        seed: u64,
    ) -> Result<(Self, LoadReport)> {
        builder.begin(Part::Head);
        let head = head(&mut builder, encoder.config(), classes as i64)?;
        let (parameters, report) = builder.finish()?;
        weights.map_or(Ok(()), Weights::check_unchanged)?;
        let (source, stop) = (Source::new(weights), Arc::default());
        Ok((Self { encoder, head, parameters, classes, device, seed, stop, source, kept: None }, report))
    }

    /// Takes the encoder of `other` in place of its own: the same tensors, whatever became of them since, not copies.
    pub(crate) fn share_encoder(&mut self, other: &Self) -> Result<()> {
        let builder = Builder::new(None, other.config().prefix(), other.device, other.seed);
        let mut builder = builder.sharing(&other.parameters);
        self.encoder = Encoder::again(&other.encoder, &mut builder)?;
        let (mut parameters, _) = builder.finish()?;
        parameters.extend_by_head(&self.parameters, "");
        self.parameters = parameters;
        Ok(())
    }

    /// Lets predictions leave hidden states for, and take them from, other models on the same encoder.
    pub(crate) fn keep_states(&mut self, kept: KeptStates) {
        self.kept = Some(kept);
    }

    /// Makes sure that the files which the model was loaded from are what was saved, as far as their folder has a
    /// [`manifest`](re_data::manifest), and that those it computes with are still what was opened.
    ///
    /// Classifiers and answerers do so before they return probabilities, and all models before they are saved. Whoever
    /// calls [`forward`](Self::forward) does it before results are used. The first call waits until all is hashed.
    ///
    /// # Errors
    /// [`re_data::Error::Changed`] or [`Error::FileChanged`](crate::Error::FileChanged).
    pub fn verify(&self) -> Result<()> {
        self.source.verify()
    }

    /// Lets [`verify`](Self::verify) wait for the check of the folder that the model is from.
    pub fn set_check(&mut self, check: Check) {
        self.source.set_check(check);
    }

    /// Logits of the batch.
    ///
    /// # Shapes
    /// As [`Head::forward`]: `[B, classes]` for a batch of `B` rows.
    ///
    /// # Errors
    /// Whatever libtorch refuses.
    pub fn forward(&self, batch: &TokenBatch, mode: Mode<'_>) -> Result<Tensor> {
        if matches!(mode, Mode::Train(_)) {
            self.drop_states();
        }
        let tokens = self.head.tokens(batch).map(|mut tokens| {
            tokens.sort_unstable();
            tokens.dedup();
            tokens
        });
        let tokens = tokens.as_deref();
        let states = self.encoder.states_of(batch, tokens, mode)?;
        self.head.forward(&HeadInput { states: &states, batch, tokens }, mode)
    }

    /// Drops the hidden states that were left so far.
    pub(crate) fn drop_states(&self) {
        self.kept.iter().for_each(KeptStates::clear);
    }

    /// As [`forward`](Self::forward) in evaluation, and leaves the hidden states for the other models on the encoder.
    pub(crate) fn forward_and_keep(&self, batch: &TokenBatch) -> Result<Tensor> {
        let Some(kept) = &self.kept else { return self.forward(batch, Mode::Eval) };
        let states = self.encoder.forward(batch, Mode::Eval)?;
        kept.keep(batch, &states, self.stamp()?)?;
        self.head.forward(&HeadInput { states: &states, batch, tokens: None }, Mode::Eval)
    }

    /// As [`forward`](Self::forward) in evaluation, on the hidden states that another model has left, where it has.
    pub(crate) fn forward_on_kept(&self, batch: &TokenBatch) -> Result<Tensor> {
        let kept = self.kept.as_ref().map(|kept| kept.of(batch, self.stamp()?)).transpose()?.flatten();
        match kept {
            Some(states) => {
                self.head.forward(&HeadInput { states: &states, batch, tokens: None }, Mode::Eval)
            }
            None => self.forward(batch, Mode::Eval),
        }
    }

    fn stamp(&self) -> Result<Stamp> {
        let encoder = self.parameters.iter().filter(|parameter| parameter.part == Part::Encoder);
        let writes =
            encoder.map(|parameter| Ok(parameter.tensor.f_internal_version()?)).sum::<Result<i64>>()?;
        Ok((writes, self.encoder.precision()))
    }

    /// The encoder.
    pub fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// Chooses the number format in which the encoder computes.
    pub fn set_precision(&mut self, precision: Precision) {
        self.encoder.set_precision(precision);
    }

    /// Ends predictions of many rows between two batches, with [`Error::Interrupted`](crate::Error::Interrupted), once
    /// `stop` is true.
    pub fn stop_when(&mut self, stop: Arc<AtomicBool>) {
        self.stop = stop;
    }

    pub(crate) fn stops(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Shape of the encoder.
    pub fn config(&self) -> &EncoderConfig {
        self.encoder.config()
    }

    /// All parameters of encoder and head.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Device that holds the parameters.
    pub fn device(&self) -> Device {
        self.device
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }
}
