//! Logits, hidden states, loss and gradients equal those of `transformers` on the same weights.

// Helpers of integration tests are outside clippy's exemption for tests.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{Expected, golden, gradient, model, norm, relative_to_scale};
use re_model::{
    Builder, EncoderConfig, Head, HeadInput, Mode, Precision, RelationModel, TokenBatch, Weights,
};
use re_native::{Kernels, use_kernels};
use tch::{Device, Reduction, Tensor};

const CASES: [&str; 17] = [
    "bert",
    "bert_no_segments",
    "bert_odd",
    "bert_foreign_pad",
    "xlmr",
    "xlmr_spelled_padding",
    "roberta",
    "electra",
    "electra_unprojected",
    "mpnet",
    "mpnet_odd",
    "deberta",
    "deberta_odd",
    "deberta_c2p",
    "deberta_p2c",
    "deberta_no_terms",
    "deberta_absolute",
];

/// Scores of hundreds.
const SATURATED: &str = "xlmr_saturated";

#[test]
fn logits_hidden_states_and_loss() {
    for case in CASES.into_iter().chain([SATURATED]) {
        let model = model(&golden(case));
        let expected = Expected::read(&golden(case).join("expected.safetensors"));
        let batch = TokenBatch::new(&expected.batch(), &model.encoder().batch_spec()).unwrap();

        let logits = model.forward(&batch, Mode::Eval).unwrap();
        let error = relative_to_scale(&logits, expected.get("logits"));
        assert!(error <= 2e-5, "{case}: logits differ by {error:e}");

        let mask = expected.get("attention_mask").eq(1).reshape([-1]);
        let real = mask.nonzero().squeeze_dim(1);
        for (layer, states) in model.encoder().hidden_states(&batch, Mode::Eval).unwrap().iter().enumerate() {
            let padded = expected.get(&format!("hidden_states.{layer}"));
            let flat = padded.reshape([-1, padded.size()[2]]).index_select(0, &real);
            let error = relative_to_scale(states, &flat);
            assert!(error <= 2e-5, "{case}: hidden states of layer {layer} differ by {error:e}");
        }

        for (name, smoothing) in [("loss", 0.0), ("loss_smoothed", 0.1)] {
            let found = cross_entropy(&logits, batch.classes(), smoothing).double_value(&[]);
            let expected = expected.number(name);
            let error = (found - expected).abs() / expected.abs();
            assert!(error <= 1e-5, "{case}: {name} is {found}, expected {expected}");
        }
    }
}

#[test]
fn gradients() {
    for case in CASES {
        check_gradients(case, 1e-4);
    }
}

/// With rounding that shows in `transformers` as well: 2e-4.
#[test]
fn gradients_of_saturated_attention() {
    // Other tests may run with any of these meanwhile: each gives right numbers.
    for kernels in [Kernels::Generic, Kernels::Avx2, Kernels::Avx512] {
        if use_kernels(kernels) {
            check_gradients(SATURATED, 1e-3);
        }
    }
}

fn check_gradients(case: &str, tolerance: f64) {
    let model = model(&golden(case));
    let expected = Expected::read(&golden(case).join("expected.safetensors"));
    let batch = TokenBatch::new(&expected.batch(), &model.encoder().batch_spec()).unwrap();
    model.parameters().set_trainable(true);
    let logits = model.forward(&batch, Mode::Eval).unwrap();
    cross_entropy(&logits, batch.classes(), 0.0).backward();
    common::check_gradients(&model, &expected, case, tolerance);
}

#[test]
fn a_row_does_not_depend_on_its_batch() {
    for case in CASES {
        let model = model(&golden(case));
        let whole = Expected::read(&golden(case).join("expected.safetensors")).batch();
        let forward = |batch: &re_data::Batch| {
            let batch = TokenBatch::new(batch, &model.encoder().batch_spec()).unwrap();
            model.forward(&batch, Mode::Eval).unwrap()
        };
        let together = forward(&whole);
        for row in 0..whole.len() {
            let range = whole.offsets[row]..whole.offsets[row + 1];
            let alone = re_data::Encoded {
                ids: whole.ids[range.clone()].iter().map(|&id| id as u32).collect(),
                type_ids: whole.type_ids[range].iter().map(|&id| id as u32).collect(),
                ..Default::default()
            };
            let alone = forward(&re_data::Batch::new([&alone], &[]).unwrap());
            let error = relative_to_scale(&alone, &together.narrow(0, row as i64, 1));
            assert!(error <= 2e-5, "{case}: row {row} differs by {error:e} when it is alone");
        }
    }
}

#[test]
fn bf16_stays_close_and_rows_stay_independent() {
    for case in CASES {
        let mut model = model(&golden(case));
        model.set_precision(Precision::Bf16);
        let expected = Expected::read(&golden(case).join("expected.safetensors"));
        let batch = TokenBatch::new(&expected.batch(), &model.encoder().batch_spec()).unwrap();
        model.parameters().set_trainable(true);
        let logits = model.forward(&batch, Mode::Eval).unwrap();
        let error = relative_to_scale(&logits, expected.get("logits"));
        assert!(error <= 0.05, "{case}: logits differ by {error:e}");
        cross_entropy(&logits, batch.classes(), 0.0).backward();
        let (mut difference, mut all) = (0.0, 0.0);
        for parameter in model.parameters().iter() {
            let reference = expected.get(&format!("grad.{}", parameter.name));
            difference += norm(&(gradient(&parameter.tensor) - reference)).powi(2);
            all += norm(reference).powi(2);
        }
        let error = (difference / all).sqrt();
        assert!(error <= 0.1, "{case}: gradients differ by {error:e}");
    }
}

/// A head that hands on the first five values of each row's first token, so that a bare encoder has a loss.
#[derive(Debug)]
struct FirstFive;

impl Head for FirstFive {
    fn forward(&self, input: &HeadInput<'_>, _: Mode<'_>) -> re_model::Result<Tensor> {
        Ok(input.first_token()?.narrow(1, 0, 5))
    }
}

#[test]
#[ignore = "needs the folder that make_e5_small.py makes (RE_E5)"]
fn a_real_encoder_with_e5() {
    let folder = std::path::PathBuf::from(std::env::var_os("RE_E5").unwrap());
    let config = EncoderConfig::from_folder(&folder).unwrap();
    let weights = Weights::open(&folder).unwrap();
    let head = |_: &mut Builder<'_>, _: &EncoderConfig, _| Ok(Box::new(FirstFive) as Box<dyn Head>);
    let (model, report) = RelationModel::new(config, Some(&weights), 5, head, Device::Cpu, 1).unwrap();
    assert!(report.missing.is_empty() && report.unused.is_empty(), "{report:?}");

    let expected = Expected::read(&golden("e5").join("expected.safetensors"));
    let batch = TokenBatch::new(&expected.batch(), &model.encoder().batch_spec()).unwrap();
    model.parameters().set_trainable(true);
    let states = model.encoder().forward(&batch, Mode::Eval).unwrap();
    let real = expected.get("attention_mask").eq(1).reshape([-1]).nonzero().squeeze_dim(1);
    let padded = expected.get("last_hidden_state");
    let error = relative_to_scale(&states, &padded.reshape([-1, padded.size()[2]]).index_select(0, &real));
    assert!(error <= 2e-5, "hidden states differ by {error:e}");

    let loss = cross_entropy(&model.forward(&batch, Mode::Eval).unwrap(), batch.classes(), 0.0);
    let (found, wanted) = (loss.double_value(&[]), expected.number("loss"));
    assert!((found - wanted).abs() <= 1e-5 * wanted, "loss is {found}, expected {wanted}");
    loss.backward();
    let norm_of = |name: &str| expected.number(&format!("norm.{name}"));
    let all = model.parameters().iter().map(|p| norm_of(&p.name).powi(2)).sum::<f64>().sqrt();
    for parameter in model.parameters().iter() {
        let gradient = parameter.tensor.grad().flatten(0, -1);
        let allowed = 1e-4 * norm_of(&parameter.name) + 1e-6 * all;
        let error = (norm(&gradient) - norm_of(&parameter.name)).abs();
        assert!(error <= allowed, "norm of {} differs by {error:e}, allowed {allowed:e}", parameter.name);
        let sample = expected.get(&format!("sample.{}", parameter.name));
        let step = (gradient.numel() / 64).max(1) as i64;
        let error = norm(&(gradient.slice(0, 0, None, step).narrow(0, 0, sample.size()[0]) - sample));
        assert!(error <= allowed, "{} differs by {error:e}, allowed {allowed:e}", parameter.name);
    }
}

fn cross_entropy(logits: &Tensor, classes: &Tensor, smoothing: f64) -> Tensor {
    logits.cross_entropy_loss(classes, None::<Tensor>, Reduction::Mean, -100, smoothing)
}
