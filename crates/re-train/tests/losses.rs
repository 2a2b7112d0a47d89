//! Losses and their gradients equal PyTorch's.

// Helpers of integration tests are outside clippy's exemption for tests.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../../re-model/tests/common/mod.rs"]
mod common;

use common::{Expected, golden};
use re_train::TrainConfig;
use re_train::loss::{ClassWeights, Loss};
use tch::{Device, Kind, Tensor};

struct Case {
    config: TrainConfig,
    loss: Loss,
    name: String,
}

/// The golden numbers, the cases and how many rows each class has.
fn cases() -> (Expected, Vec<Case>, Vec<usize>) {
    let folder = golden("losses");
    let expected = Expected::read(&folder.join("expected.safetensors"));
    let counts: Vec<usize> =
        Vec::<i64>::try_from(expected.get("counts")).unwrap().iter().map(|&n| n as usize).collect();
    let text = std::fs::read_to_string(folder.join("cases.json")).unwrap();
    let settings: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    let case = |settings: &serde_json::Value| {
        let config: TrainConfig = serde_json::from_value(settings.clone()).unwrap();
        config.check().unwrap();
        let loss = Loss::new(config.loss, &counts, Device::Cpu).unwrap();
        let loss = loss.with_label_smoothing(config.label_smoothing).with_r_drop(config.r_drop_alpha);
        Case { config, loss, name: settings.to_string() }
    };
    let cases = settings.iter().map(case).collect();
    (expected, cases, counts)
}

fn logits(expected: &Expected, name: &str) -> Tensor {
    expected.get(name).copy().set_requires_grad(true)
}

/// Rows `from..to` in one pass or, where the loss wants them, in two.
fn loss_of(case: &Case, [first, second]: [&Tensor; 2], labels: &Tensor, from: i64, to: i64) -> Tensor {
    let part = |tensor: &Tensor| tensor.slice(0, from, to, 1);
    assert_eq!(case.loss.needs_two_passes(), case.config.r_drop_alpha > 0.0);
    if case.loss.needs_two_passes() {
        case.loss.of_two([&part(first), &part(second)], &part(labels)).unwrap()
    } else {
        case.loss.of(&part(first), &part(labels)).unwrap()
    }
}

fn close(found: &Tensor, expected: &Tensor, what: &str) {
    let found = found.to_kind(Kind::Double);
    let size = expected.abs().max().double_value(&[]);
    let error = (found - expected).abs().max().double_value(&[]);
    assert!(error <= 2e-6 * size + 1e-9, "{what}: off by {error:e} of {size:e}");
}

#[test]
fn losses_and_gradients_equal_those_of_pytorch() {
    let (expected, cases, counts) = cases();
    let labels = expected.get("labels");
    assert_eq!(cases.len(), 56);
    for (number, case) in cases.iter().enumerate() {
        let get = |name: &str| expected.get(&format!("{number}.{name}"));
        let weights = Tensor::from_slice(&case.config.loss.class_weights().of(&counts));
        if case.config.loss.class_weights() != (ClassWeights::Uniform {}) {
            close(&weights, get("weights"), &format!("weights of {}", case.name));
        }
        let (first, second) = (logits(&expected, "logits"), logits(&expected, "second_logits"));
        let loss = loss_of(case, [&first, &second], labels, 0, labels.size()[0]);
        assert_eq!(loss.kind(), Kind::Float);
        close(&loss, get("loss"), &case.name);
        loss.backward();
        close(&first.grad(), get("grad"), &format!("gradient of {}", case.name));
        if case.loss.needs_two_passes() {
            close(&second.grad(), get("second_grad"), &format!("second gradient of {}", case.name));
        }
    }
}

#[test]
fn parts_of_a_batch_add_up_to_the_whole() {
    let (expected, cases, _) = cases();
    let labels = expected.get("labels");
    let classes: Vec<usize> = Vec::<i64>::try_from(labels).unwrap().iter().map(|&c| c as usize).collect();
    for case in &cases {
        let (first, second) = (logits(&expected, "logits"), logits(&expected, "second_logits"));
        let whole = loss_of(case, [&first, &second], labels, 0, 8);
        whole.backward();
        let (parted_first, parted_second) = (logits(&expected, "logits"), logits(&expected, "second_logits"));
        let mut sum = 0.0;
        for (from, to) in [(0, 3), (3, 6), (6, 8)] {
            let share = case.loss.weight(&classes[from..to]) / case.loss.weight(&classes);
            let part = loss_of(case, [&parted_first, &parted_second], labels, from as i64, to as i64) * share;
            sum += part.double_value(&[]);
            part.backward();
        }
        close(&Tensor::from(sum), &whole.to_kind(Kind::Double), &case.name);
        close(&parted_first.grad(), &first.grad().to_kind(Kind::Double), &case.name);
    }
}

#[test]
fn a_loss_in_bf16_is_computed_in_fp32() {
    let (expected, cases, _) = cases();
    let labels = expected.get("labels");
    let rounded = expected.get("logits").to_kind(Kind::BFloat16);
    for case in cases.iter().filter(|case| !case.loss.needs_two_passes()) {
        let found = case.loss.of(&rounded, labels).unwrap();
        let exact = case.loss.of(&rounded.to_kind(Kind::Float), labels).unwrap();
        assert_eq!(found.double_value(&[]), exact.double_value(&[]), "{}", case.name);
    }
}
