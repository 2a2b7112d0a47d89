//! Reading the golden files.
#![allow(dead_code)]

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use re_data::{Batch, Encoded};
use re_model::head::BuildHead as _;
use re_model::{Builder, EncoderConfig, HeadConfig, RelationModel, Weights};
use tch::{Device, Kind, Tensor};

pub fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden").join(name)
}

/// Named tensors of an `expected.safetensors`.
pub struct Expected(HashMap<String, Tensor>);

impl Expected {
    pub fn read(path: &Path) -> Self {
        Self(Tensor::read_safetensors(path).unwrap().into_iter().collect())
    }

    pub fn get(&self, name: &str) -> &Tensor {
        self.0.get(name).unwrap_or_else(|| panic!("{name} is missing"))
    }

    pub fn integers(&self, name: &str) -> Vec<Vec<i64>> {
        Vec::<Vec<i64>>::try_from(self.get(name).to_kind(Kind::Int64)).unwrap()
    }

    pub fn number(&self, name: &str) -> f64 {
        self.get(name).double_value(&[])
    }

    /// The rows without their padding, with their labels.
    pub fn batch(&self) -> Batch {
        let labels = Vec::<i64>::try_from(self.get("labels")).unwrap();
        batch(
            &self.integers("input_ids"),
            &self.integers("token_type_ids"),
            &self.integers("attention_mask"),
            &labels,
        )
    }
}

pub fn batch(ids: &[Vec<i64>], types: &[Vec<i64>], mask: &[Vec<i64>], labels: &[i64]) -> Batch {
    let real = |row: &[i64], mask: &[i64]| -> Vec<u32> {
        row.iter().zip(mask).filter(|(_, m)| **m == 1).map(|(&id, _)| id as u32).collect()
    };
    let rows: Vec<Encoded> = ids
        .iter()
        .zip(types)
        .zip(mask)
        .map(|((ids, types), mask)| Encoded {
            ids: real(ids, mask),
            type_ids: real(types, mask),
            ..Encoded::default()
        })
        .collect();
    let labels: Vec<usize> = labels.iter().map(|&l| l as usize).collect();
    Batch::new(&rows, &labels).unwrap()
}

/// The golden model with its own classification head.
pub fn model(folder: &Path) -> RelationModel {
    let config = EncoderConfig::from_folder(folder).unwrap();
    let weights = Weights::open(folder).unwrap();
    let classes = weights.names().find_map(|name| {
        let last = ["classifier.weight", "classifier.out_proj.weight"].contains(&name);
        last.then(|| weights.tensor(name).unwrap().unwrap().size()[0] as usize)
    });
    let build = |b: &mut Builder<'_>, c: &EncoderConfig, n| HeadConfig::Cls.build(b, c, n);
    let (model, report) =
        RelationModel::new(config, Some(&weights), classes.unwrap(), build, Device::Cpu, 1).unwrap();
    assert_eq!(report.missing, [""; 0]);
    model
}

pub fn norm(tensor: &Tensor) -> f64 {
    tensor.to_kind(Kind::Double).norm().double_value(&[])
}

/// Largest absolute difference over the largest absolute value of `expected`.
pub fn relative_to_scale(found: &Tensor, expected: &Tensor) -> f64 {
    let scale = expected.abs().max().double_value(&[]);
    (found - expected).abs().max().double_value(&[]) / scale
}

/// The gradient of a parameter, zeros where it took no part in the loss.
pub fn gradient(tensor: &Tensor) -> Tensor {
    let found = tensor.grad();
    if found.defined() { found } else { tensor.zeros_like() }
}

/// Holds the gradients of a model after a backward pass against those of `transformers`.
pub fn check_gradients(model: &RelationModel, expected: &Expected, case: &str, tolerance: f64) {
    let reference = |name: &str| expected.get(&format!("grad.{name}"));
    let all = model.parameters().iter().map(|p| norm(reference(&p.name)).powi(2)).sum::<f64>().sqrt();
    for parameter in model.parameters().iter() {
        let (found, reference) = (gradient(&parameter.tensor), reference(&parameter.name));
        let error = norm(&(&found - reference));
        let allowed = tolerance * norm(reference) + 1e-6 * all;
        assert!(error <= allowed, "{case}: {} differs by {error:e}, allowed {allowed:e}", parameter.name);
    }
}
