//! Trainings in one process do not see each other.

// Helpers of integration tests are outside clippy's exemption for tests.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::{Arc, Barrier};

use re_data::{Batch, Encoded};
use re_model::head::BuildHead as _;
use re_model::parameters::Parameters;
use re_model::{Builder, EncoderConfig, HeadConfig, Masks, Mode, RelationModel, TokenBatch};
use re_train::observer::Evaluation;
use re_train::{Start, Task, TrainConfig, Trainer};
use tch::{Device, Reduction, Tensor};

const ROWS: usize = 12;

/// A model without pretrained weights; with `meet`, each of its losses is computed beside one of another training.
struct Small {
    model: RelationModel,
    meet: Option<Arc<Barrier>>,
}

impl Small {
    fn new(seed: u64, meet: Option<Arc<Barrier>>) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden/bert");
        let config = EncoderConfig::from_folder(&folder).unwrap();
        let head = |b: &mut Builder<'_>, c: &EncoderConfig, n| HeadConfig::RBert.build(b, c, n);
        let (model, _) = RelationModel::new(config, None, 5, head, Device::Cpu, seed).unwrap();
        Self { model, meet }
    }

    fn wait(&self) {
        if let Some(meet) = &self.meet {
            meet.wait();
        }
    }
}

impl Task for Small {
    fn parameters(&self) -> &Parameters {
        self.model.parameters()
    }

    fn rows(&self) -> usize {
        ROWS
    }

    fn data_hash(&self) -> u64 {
        0
    }

    fn loss(&self, _: u64, rows: &[usize], masks: &Masks) -> re_train::Result<Tensor> {
        let row = |&row: &usize| Encoded {
            ids: vec![row as u32 + 5; 9],
            type_ids: vec![0; 9],
            ..Encoded::default()
        };
        let encoded: Vec<Encoded> = rows.iter().map(row).collect();
        let classes: Vec<usize> = rows.iter().map(|row| row % 5).collect();
        let batch = TokenBatch::new(&Batch::new(&encoded, &classes)?, &self.model.encoder().batch_spec())?;
        self.wait();
        // What a loss of one's own may do to the generator that a process shares.
        tch::manual_seed(rows.iter().sum::<usize>() as i64);
        let logits = self.model.forward(&batch, Mode::Train(masks))?;
        self.wait();
        Ok(logits.f_cross_entropy_loss(batch.classes(), None::<Tensor>, Reduction::Mean, -100, 0.0)?)
    }

    fn evaluate(&self) -> re_train::Result<Option<Evaluation>> {
        Ok(None)
    }

    fn save(&self, _: &Path) -> re_train::Result<()> {
        Ok(())
    }
}

/// The weights that a training ends with.
fn train(seed: u64, meet: Option<Arc<Barrier>>) -> Vec<Vec<f32>> {
    let task = Small::new(seed, meet);
    let config = TrainConfig { steps: 6, batch_size: 4, learning_rate: 1e-2, seed, ..TrainConfig::default() };
    let run = tempfile::tempdir().unwrap();
    Trainer::new(config, run.path()).unwrap().train(&task, Start::Fresh).unwrap();
    let values = |tensor: &Tensor| Vec::<f32>::try_from(tensor.detach().contiguous().view(-1)).unwrap();
    task.parameters().iter().map(|parameter| values(&parameter.tensor)).collect()
}

#[test]
fn two_at_once_end_as_each_does_alone() {
    let alone = [train(1, None), train(2, None)];
    assert!(alone[0] != alone[1]);
    let meet = Arc::new(Barrier::new(2));
    let threads = [1, 2].map(|seed| {
        let meet = Arc::clone(&meet);
        std::thread::spawn(move || train(seed, Some(meet)))
    });
    let together = threads.map(|thread| thread.join().unwrap());
    assert!(together == alone);
}
