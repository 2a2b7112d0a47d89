//! A post-LayerNorm Transformer encoder layer (Vaswani et al. 2017).

use std::sync::{Arc, Mutex, PoisonError};

use re_native::{LAYER_PARAMETERS, LayerSettings, PreparedWeights};
use tch::{Device, Kind, Tensor};

use crate::batch::TokenBatch;
use crate::config::{Activation, EncoderConfig};
use crate::disentangled::{DistanceProjections, DistanceRows};
use crate::error::Result;
use crate::ops::{LayerNorm, Linear, Mode, activate, dropout};
use crate::parameters::Builder;
use crate::relative::of_pairs;

/// What the scores of all layers know of the distance of key and query.
#[derive(Debug)]
pub(crate) enum Distances {
    None,
    /// A bias by head and distance, `[heads, 2 * reach - 1]`.
    Bias(Tensor),
    /// What each layer makes its keys and queries of.
    Rows(DistanceRows),
}

#[derive(Debug)]
pub(crate) struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    attention_output: Linear,
    attention_norm: LayerNorm,
    intermediate: Linear,
    output: Linear,
    output_norm: LayerNorm,
    /// Makes keys and queries of distances.
    distances: Option<DistanceProjections>,
    /// What prediction keeps from pass to pass, and training does without.
    prepared: Arc<Mutex<Option<PreparedWeights>>>,
}

impl Layer {
    pub fn new(config: &EncoderConfig, name: &str, builder: &mut Builder<'_>) -> Result<Self> {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let (std, eps) = (config.initializer_range, config.layer_norm_eps);
        let names = config.layer_names();
        let mut linear = |part: &str, from, to| builder.linear(&format!("{name}.{part}"), from, to, std);
        let query = linear(names.query, hidden, hidden)?;
        let key = linear(names.key, hidden, hidden)?;
        let value = linear(names.value, hidden, hidden)?;
        let attention_output = linear(names.attention_output, hidden, hidden)?;
        let intermediate = linear("intermediate.dense", hidden, inner)?;
        let output = linear("output.dense", inner, hidden)?;
        let distances = config
            .disentangled_attention
            .map(|shape| DistanceProjections::new(shape, name, config, [&query, &key], builder));
        let distances = distances.transpose()?;
        let mut norm = |part: &str| builder.layer_norm(&format!("{name}.{part}"), hidden, eps);
        Ok(Self {
            query,
            key,
            value,
            attention_output,
            attention_norm: norm(names.attention_norm)?,
            intermediate,
            output,
            output_norm: norm("output.LayerNorm")?,
            distances,
            prepared: Arc::default(),
        })
    }

    /// Keeps what `other`, a layer of the same tensors, keeps, so that it is made once for both.
    pub fn prepare_with(&mut self, other: &Self) {
        self.prepared = Arc::clone(&other.prepared);
    }

    /// Applies the layer, on the CPU as one fused operation; with `query_positions`, for the tokens at these positions alone.
    ///
    /// # Shapes
    /// `[T, hidden_size]` to the same, or to `[query_positions, hidden_size]`.
    ///
    /// # Errors
    /// [`Error::Torch`](crate::Error::Torch).
    pub fn forward(
        &self,
        config: &EncoderConfig,
        x: &Tensor,
        batch: &TokenBatch,
        distances: &Distances,
        query_positions: Option<&[i64]>,
        mode: Mode<'_>,
    ) -> Result<Tensor> {
        match x.device() {
            Device::Cpu => self.forward_fused(config, x, batch, distances, query_positions, mode),
            _ => self.forward_stepwise(config, x, batch, distances, query_positions, mode),
        }
    }

    fn forward_fused(
        &self,
        config: &EncoderConfig,
        x: &Tensor,
        batch: &TokenBatch,
        distances: &Distances,
        query_positions: Option<&[i64]>,
        mode: Mode<'_>,
    ) -> Result<Tensor> {
        let mut prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        let (attention_dropout, hidden_dropout, seed) = match mode {
            Mode::Train(masks) => {
                *prepared = None;
                (config.attention_probs_dropout_prob, config.hidden_dropout_prob, masks.next_seed())
            }
            Mode::Eval => {
                prepared.get_or_insert_default();
                (0.0, 0.0, 0)
            }
        };
        let settings = LayerSettings {
            heads: config.num_attention_heads,
            eps: config.layer_norm_eps,
            activation: fused(config.hidden_act),
            attention_dropout,
            hidden_dropout,
            seed,
            score_terms: config.score_terms,
        };
        let projected = match (&self.distances, distances) {
            (Some(projections), Distances::Rows(rows)) => {
                let projected = projections.forward(rows, x, config.hidden_dropout_prob, mode)?;
                let in_floats = |tensor: Option<Tensor>| tensor.map(|t| t.f_to_kind(Kind::Float)).transpose();
                Some((in_floats(projected.keys)?, in_floats(projected.queries)?, projected.row_of))
            }
            _ => None,
        };
        let distances = match (&projected, distances) {
            (Some((keys, queries, row_of)), _) => {
                re_native::Distances::Rows { keys: keys.as_ref(), queries: queries.as_ref(), row_of }
            }
            (None, Distances::Bias(bias)) => re_native::Distances::Bias(bias),
            _ => re_native::Distances::None,
        };
        let (parameters, prepared) = (self.parameters(), prepared.as_mut());
        let starts = &batch.starts;
        Ok(re_native::encoder_layer(x, parameters, distances, starts, query_positions, &settings, prepared)?)
    }

    fn parameters(&self) -> [&Tensor; LAYER_PARAMETERS] {
        let Self {
            query,
            key,
            value,
            attention_output,
            attention_norm,
            intermediate,
            output,
            output_norm,
            distances: _,
            prepared: _,
        } = self;
        [
            &query.weight,
            &query.bias,
            &key.weight,
            &key.bias,
            &value.weight,
            &value.bias,
            &attention_output.weight,
            &attention_output.bias,
            &attention_norm.weight,
            &attention_norm.bias,
            &intermediate.weight,
            &intermediate.bias,
            &output.weight,
            &output.bias,
            &output_norm.weight,
            &output_norm.bias,
        ]
    }

    /// The layer as single operations, for devices that have no fused one.
    fn forward_stepwise(
        &self,
        config: &EncoderConfig,
        x: &Tensor,
        batch: &TokenBatch,
        distances: &Distances,
        query_positions: Option<&[i64]>,
        mode: Mode<'_>,
    ) -> Result<Tensor> {
        let rate = config.hidden_dropout_prob;
        let mut context = self.attend(config, x, batch, distances, mode)?;
        let mut x = x.shallow_clone();
        if let Some(query_positions) = query_positions {
            let query_positions = Tensor::f_from_slice(query_positions)?.f_to_device(x.device())?;
            (context, x) =
                (context.f_index_select(0, &query_positions)?, x.f_index_select(0, &query_positions)?);
        }
        let attended = self.attention_output.forward(&context)?;
        let x = self.attention_norm.forward(&dropout(&attended, rate, mode)?.f_add(&x)?)?;
        let inner = activate(config.hidden_act, &self.intermediate.forward(&x)?)?;
        let outer = dropout(&self.output.forward(&inner)?, rate, mode)?;
        self.output_norm.forward(&outer.f_add(&x)?)
    }

    fn attend(
        &self,
        config: &EncoderConfig,
        x: &Tensor,
        batch: &TokenBatch,
        distances: &Distances,
        mode: Mode<'_>,
    ) -> Result<Tensor> {
        let kind = x.kind();
        let parts = [&self.query, &self.key, &self.value];
        // One product instead of three: the rows of `x` are read once.
        let weights = parts.map(|part| part.weight.shallow_clone());
        let biases = parts.map(|part| part.bias.shallow_clone());
        let weight = Tensor::f_cat(&weights, 0)?.f_to_kind(kind)?;
        let biases = Tensor::f_cat(&biases, 0)?.f_to_kind(kind)?;
        let layout = batch.layout()?;
        let [query, key, value] =
            layout.split(&x.f_linear(&weight, Some(&biases))?, config.num_attention_heads)?;
        let mask = layout.mask();
        let width = query.size().last().copied().unwrap_or(1);
        let factor = ((width * config.score_terms) as f64).sqrt().recip();
        let bias = match (&self.distances, distances) {
            (_, Distances::Bias(bias)) => Some(of_pairs(bias, layout.size().1)?.f_unsqueeze(0)?),
            (Some(projections), Distances::Rows(rows)) => {
                let projected = projections.forward(rows, x, config.hidden_dropout_prob, mode)?;
                let scores = projected.scores(&query, &key)?;
                scores.map(|scores| scores.f_to_kind(Kind::Float)?.f_mul_scalar(factor)).transpose()?
            }
            _ => None,
        };
        // libtorch's own attention differentiates as the fused layer must not: with shares from a rounded logarithm.
        let context = if query.requires_grad() || matches!(mode, Mode::Train(_)) {
            let rate = config.attention_probs_dropout_prob;
            attend_in_steps(&query, &key, &value, mask, bias.as_ref(), factor, (rate, mode))?
        } else {
            let bias = match (&bias, mask) {
                (Some(bias), Some(mask)) => {
                    Some(bias.f_masked_fill(&mask.f_logical_not()?, f64::NEG_INFINITY)?.f_to_kind(kind)?)
                }
                (Some(bias), None) => Some(bias.f_to_kind(kind)?),
                (None, _) => None,
            };
            let mask = bias.as_ref().or(mask);
            Tensor::f_scaled_dot_product_attention(&query, &key, &value, mask, 0.0, false, factor, false)?
        };
        layout.join(&context)
    }
}

/// Attention with dropout on its weights, softmax in 32-bit floats, products in the number format of the arguments.
///
/// # Shapes
/// Three of `[B, heads, L, width]`, a mask that is true where a key is real, `[B, 1, 1, L]`, and what is added to the scores,
/// `[B or 1, heads, L, L]`, to `[B, heads, L, width]`.
fn attend_in_steps(
    query: &Tensor,
    key: &Tensor,
    value: &Tensor,
    mask: Option<&Tensor>,
    bias: Option<&Tensor>,
    factor: f64,
    (rate, mode): (f64, Mode<'_>),
) -> Result<Tensor> {
    let mut scores = query.f_mul_scalar(factor)?.f_matmul(&key.f_transpose(-2, -1)?)?;
    if let Some(bias) = bias {
        scores = scores.f_add(bias)?;
    }
    if let Some(mask) = mask {
        scores = scores.f_masked_fill(&mask.f_logical_not()?, f64::NEG_INFINITY)?;
    }
    // Rounded to bfloat16, the shares of a saturated softmax do not sum to 1, which its gradient relies on.
    let weights = scores.f_softmax(-1, Kind::Float)?.f_to_kind(value.kind())?;
    Ok(dropout(&weights, rate, mode)?.f_matmul(value)?)
}

/// The activation as the fused layer calls it.
fn fused(activation: Activation) -> re_native::Activation {
    match activation {
        Activation::Gelu => re_native::Activation::Gelu,
        Activation::GeluTanh => re_native::Activation::GeluTanh,
        Activation::Relu => re_native::Activation::Relu,
        Activation::Silu => re_native::Activation::Silu,
        Activation::Tanh => re_native::Activation::Tanh,
    }
}

#[cfg(test)]
mod tests {
    use re_data::{Batch, Encoded};
    use re_native::{Kernels, use_kernels};

    use super::*;
    use crate::encoder::Encoder;
    use crate::weights::Weights;

    /// One of the two forms of a layer.
    type Form = fn(
        &Layer,
        &EncoderConfig,
        &Tensor,
        &TokenBatch,
        &Distances,
        Option<&[i64]>,
        Mode<'_>,
    ) -> Result<Tensor>;

    /// The encoder of a golden folder.
    fn encoder(folder: &std::path::Path) -> Encoder {
        let weights = Weights::open(folder).unwrap();
        let config = EncoderConfig::from_folder(folder).unwrap();
        let mut builder = Builder::new(Some(&weights), config.prefix(), Device::Cpu, 1);
        Encoder::new(config, &mut builder).unwrap()
    }

    fn batch(lengths: &[usize], encoder: &Encoder) -> TokenBatch {
        let row = |&n: &usize| Encoded { ids: vec![5; n], type_ids: vec![0; n], ..Encoded::default() };
        let rows: Vec<Encoded> = lengths.iter().map(row).collect();
        TokenBatch::new(&Batch::new(&rows, &[]).unwrap(), &encoder.batch_spec()).unwrap()
    }

    /// Queries, keys and scores are the same in either number format, so that both give the golden gradients, as far as
    /// shares of 1e-6 can be told from none beside 1.
    #[test]
    fn saturated_attention_keeps_its_gradients() {
        let folder = std::path::Path::new("../../fixtures/golden/saturated_layer");
        let encoder = encoder(folder);
        let (config, layer) = (encoder.config(), &encoder.layers[0]);
        let golden = Tensor::read_safetensors(folder.join("expected.safetensors")).unwrap();
        let golden: std::collections::HashMap<String, Tensor> = golden.into_iter().collect();
        let lengths: Vec<i64> = Vec::try_from(&golden["lengths"]).unwrap();
        let lengths: Vec<usize> = lengths.into_iter().map(|n| n as usize).collect();
        let batch = batch(&lengths, &encoder);
        let check = |form: &str, forward: &dyn Fn(&Tensor) -> Result<Tensor>, kind, allowed: f64| {
            let x = golden["x"].set_requires_grad(true);
            let [query, _, key, ..] = layer.parameters().map(|p| p.set_requires_grad(true));
            let states = forward(&x.to_kind(kind)).unwrap().to_kind(Kind::Float);
            let loss = (states * &golden["slope"]).sum(Kind::Float);
            let found = Tensor::run_backward(&[loss], &[&query, &key], false, false);
            for (found, name) in found.iter().zip(["query", "key"]) {
                let expected = &golden[&format!("grad.attention.self.{name}.weight")];
                let norm = |t: &Tensor| t.to_kind(Kind::Double).norm().double_value(&[]);
                let error = norm(&(found - expected)) / norm(expected);
                assert!(error <= allowed, "{form} {kind:?}: gradient of {name} off by {error:e}");
            }
        };
        for (kind, allowed) in [(Kind::Float, 0.03), (Kind::BFloat16, 0.1)] {
            let none = Distances::None;
            let stepwise = |x: &Tensor| layer.forward_stepwise(config, x, &batch, &none, None, Mode::Eval);
            check("stepwise", &stepwise, kind, allowed);
            let fused = |x: &Tensor| layer.forward_fused(config, x, &batch, &none, None, Mode::Eval);
            for kernels in [Kernels::Generic, Kernels::Avx2, Kernels::Avx512] {
                if use_kernels(kernels) {
                    check(&format!("{kernels:?}"), &fused, kind, allowed);
                }
            }
        }
    }

    /// `fixtures/golden/make_mpnet_base.py` wrote what `transformers` gives.
    #[test]
    #[ignore = "needs the folder that make_mpnet_base.py makes (RE_MPNET)"]
    fn both_forms_give_the_states_of_a_real_encoder_with_mpnet() {
        let _guard = tch::no_grad_guard();
        let encoder = encoder(std::path::Path::new(&std::env::var_os("RE_MPNET").unwrap()));
        let golden =
            Tensor::read_safetensors("../../fixtures/golden/mpnet_base/expected.safetensors").unwrap();
        let golden: std::collections::HashMap<String, Tensor> = golden.into_iter().collect();
        let mut ids = Vec::<i64>::try_from(&golden["input_ids"]).unwrap().into_iter();
        let lengths = Vec::<i64>::try_from(&golden["lengths"]).unwrap();
        let rows: Vec<Encoded> = lengths
            .into_iter()
            .map(|length| {
                let ids: Vec<u32> = ids.by_ref().take(length as usize).map(|id| id as u32).collect();
                Encoded { type_ids: vec![0; ids.len()], ids, ..Encoded::default() }
            })
            .collect();
        assert_eq!(rows.len(), 10);
        let batch = TokenBatch::new(&Batch::new(&rows, &[]).unwrap(), &encoder.batch_spec()).unwrap();
        let distances = encoder.distances(&batch).unwrap();
        for form in [Layer::forward_fused as Form, Layer::forward_stepwise] {
            let mut states = encoder.embeddings.forward(encoder.config(), &batch, Mode::Eval).unwrap();
            for layer in &encoder.layers {
                states =
                    form(layer, encoder.config(), &states, &batch, &distances, None, Mode::Eval).unwrap();
            }
            let found = states.narrow(0, 0, batch.tokens() as i64).slice(1, 0, None, 16);
            let largest = |t: &Tensor| t.abs().max().double_value(&[]);
            let error = largest(&(found - &golden["states"])) / largest(&golden["states"]);
            assert!(error <= 1e-4, "states differ by {error:e}");
        }
    }

    /// The stepwise form serves other devices; here it is what the fused one has to equal.
    #[test]
    fn both_forms_agree() {
        for case in [
            "bert",
            "bert_odd",
            "xlmr",
            "electra",
            "mpnet",
            "mpnet_odd",
            "deberta",
            "deberta_odd",
            "deberta_c2p",
            "deberta_p2c",
            "deberta_absolute",
        ] {
            let encoder = encoder(&std::path::Path::new("../../fixtures/golden").join(case));
            let batch = batch(&[3, 11, 1, 7], &encoder);
            let config = encoder.config();
            let layer = &encoder.layers[0];
            let run = |form: Form, query_positions: Option<&[i64]>| {
                let results = query_positions.map_or(22, |query_positions| query_positions.len() as i64);
                let weight = Tensor::arange(results * config.hidden_size, (Kind::Float, Device::Cpu)).cos();
                let weight = weight.view([results, config.hidden_size]);
                let x = Tensor::arange(22 * config.hidden_size, (Kind::Float, Device::Cpu)).sin();
                let x = x.view([22, config.hidden_size]);
                let distances = match encoder.distances(&batch).unwrap() {
                    Distances::Bias(bias) => Distances::Bias(bias.detach()),
                    Distances::Rows(DistanceRows { rows, row_of }) => {
                        Distances::Rows(DistanceRows { rows: rows.detach(), row_of })
                    }
                    Distances::None => Distances::None,
                };
                let mut leaves: Vec<&Tensor> = layer.parameters().into_iter().chain([&x]).collect();
                leaves.extend(match &distances {
                    Distances::Bias(tensor) | Distances::Rows(DistanceRows { rows: tensor, .. }) => {
                        Some(tensor)
                    }
                    Distances::None => None,
                });
                for leaf in &leaves {
                    let _ = leaf.set_requires_grad(true);
                }
                let forward =
                    || form(layer, config, &x, &batch, &distances, query_positions, Mode::Eval).unwrap();
                let out = forward();
                let loss = (&out * &weight).sum(Kind::Float);
                let mut found = Tensor::run_backward(&[loss], &leaves, false, false);
                // Without gradients other operations may serve.
                for leaf in leaves {
                    let _ = leaf.set_requires_grad(false);
                }
                found.extend([out.detach(), forward()]);
                found
            };
            let largest = |t: &Tensor| if t.numel() == 0 { 0.0 } else { t.abs().max().double_value(&[]) };
            // Of the second row nothing, of the last one a token twice.
            for query_positions in [None, Some(&[0, 2, 14, 15, 21, 21][..]), Some(&[])] {
                let stepwise = run(Layer::forward_stepwise, query_positions);
                let scale = stepwise.iter().map(largest).fold(0.0, f64::max);
                for kernels in [Kernels::Generic, Kernels::Avx2, Kernels::Avx512] {
                    if !use_kernels(kernels) {
                        continue;
                    }
                    let fused = run(Layer::forward_fused, query_positions);
                    assert_eq!(fused.len(), stepwise.len());
                    for (at, (a, b)) in fused.iter().zip(&stepwise).enumerate() {
                        assert_eq!(a.size(), b.size());
                        let error = largest(&(a - b));
                        let allowed = 1e-5 * largest(b) + 1e-6 * scale;
                        assert!(
                            error <= allowed,
                            "{case}, {query_positions:?}, {kernels:?}, tensor {at}: {error:e}"
                        );
                    }
                }
            }
        }
    }
}
