//! Fifty training steps equal those of PyTorch's AdamW with `transformers`' linear schedule.

// Helpers of integration tests are outside clippy's exemption for tests.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../../re-model/tests/common/mod.rs"]
mod common;

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use common::{Expected, batch, golden, model, norm};
use re_data::Batch;
use re_model::parameters::Parameters;
use re_model::{Masks, Mode, RelationModel, TokenBatch, Weights};
use re_train::observer::{Evaluation, StepReport};
use re_train::{AdamWConfig, Decay, Event, Observer, Start, Task, TrainConfig, Trainer};
use tch::{Reduction, Tensor};

/// The golden batches, one a step, in their own order.
struct Trajectory {
    model: RelationModel,
    batches: Vec<Batch>,
}

impl Task for Trajectory {
    fn parameters(&self) -> &Parameters {
        self.model.parameters()
    }

    fn rows(&self) -> usize {
        1
    }

    fn data_hash(&self) -> u64 {
        0
    }

    // One row makes an epoch, so that the epoch is the number of the step.
    fn loss(&self, epoch: u64, _: &[usize], masks: &Masks) -> re_train::Result<Tensor> {
        let batch = TokenBatch::new(&self.batches[epoch as usize], &self.model.encoder().batch_spec())?;
        let logits = self.model.forward(&batch, Mode::Train(masks))?;
        Ok(logits.cross_entropy_loss(batch.classes(), None::<Tensor>, Reduction::Mean, -100, 0.1))
    }

    fn evaluate(&self) -> re_train::Result<Option<Evaluation>> {
        Ok(None)
    }

    fn save(&self, _: &Path) -> re_train::Result<()> {
        Ok(())
    }
}

struct Recorder(Rc<RefCell<Vec<StepReport>>>);

impl Observer for Recorder {
    fn notify(&mut self, event: &Event<'_>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        if let Event::Step(report) = event {
            self.0.borrow_mut().push(**report);
        }
        Ok(())
    }
}

#[test]
fn fifty_steps() {
    let folder = golden("trajectory");
    let expected = Expected::read(&folder.join("expected.safetensors"));
    let steps = |name: &str| -> Vec<Vec<Vec<i64>>> {
        let all = expected.get(name);
        (0..all.size()[0]).map(|step| Vec::<Vec<i64>>::try_from(all.get(step)).unwrap()).collect()
    };
    let (ids, types, masks) = (steps("input_ids"), steps("token_type_ids"), steps("attention_mask"));
    let labels = expected.integers("labels");
    let batches: Vec<Batch> =
        (0..ids.len()).map(|s| batch(&ids[s], &types[s], &masks[s], &labels[s])).collect();
    let task = Trajectory { model: model(&folder), batches };
    let config = TrainConfig {
        steps: 50,
        batch_size: 1,
        learning_rate: 1e-3,
        adamw: AdamWConfig { weight_decay: 0.01, ..AdamWConfig::default() },
        max_grad_norm: 1.0,
        schedule: Decay::Linear,
        warmup_steps: 5,
        ..TrainConfig::default()
    };
    let run = tempfile::tempdir().unwrap();
    let reports = Rc::new(RefCell::new(Vec::new()));
    let recorder = Recorder(Rc::clone(&reports));
    Trainer::new(config, run.path()).unwrap().observe(recorder).train(&task, Start::Fresh).unwrap();

    let series = |name: &str| Vec::<f64>::try_from(expected.get(name)).unwrap();
    let close = |what: &str, step: u64, found: f64, expected: f64, tolerance: f64| {
        let error = (found - expected).abs();
        assert!(error <= tolerance * expected.abs(), "{what} of step {step}: {found}, expected {expected}");
    };
    let (losses, rates, norms) = (series("loss"), series("learning_rate"), series("gradient_norm"));
    for (at, report) in reports.borrow().iter().enumerate() {
        close("loss", report.step, report.loss, losses[at], 1e-4);
        close("learning rate", report.step, report.learning_rate, rates[at], 1e-12);
        close("gradient norm", report.step, report.gradient_norm, norms[at], 1e-3);
    }
    assert_eq!(reports.borrow().len(), 50);
    let end = Weights::from_safetensors(&folder.join("final.safetensors")).unwrap();
    for parameter in task.parameters().iter().filter(|p| !p.name.ends_with("key.bias")) {
        let expected = end.tensor(&parameter.name).unwrap().unwrap();
        let error = norm(&(&parameter.tensor - &expected)) / norm(&expected);
        assert!(error <= 1e-4, "{} differs by {error:e} in the end", parameter.name);
    }
}
