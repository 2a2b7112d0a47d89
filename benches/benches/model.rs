//! Forward pass, training step (forward and backward) in both precisions, and optimizer step; batches of 16 rows.

use anyhow::Result;
use criterion::{Criterion, Throughput};
use re_benches::Checkpoint;
use re_data::{Batch, LostEntities};
use re_model::{ClassifierOptions, Masks, Mode, Precision, RelationClassifier, TokenBatch};
use re_train::adamw::LearningRates;
use re_train::{AdamW, ClassificationTask, LabelledRows, Task, TrainConfig};
use tch::Tensor;

const BATCH: usize = 16;

fn main() -> Result<()> {
    let mut criterion = re_benches::criterion();
    for checkpoint in Checkpoint::encoders() {
        let corpus = checkpoint.corpus()?.first(4 * BATCH);
        for (name, precision) in [("fp32", Precision::Fp32), ("bf16", Precision::Bf16)] {
            let mut options = ClassifierOptions { random_weights: true, ..ClassifierOptions::default() };
            options.encoding.lost_entities = LostEntities::Count;
            let (mut classifier, _) =
                RelationClassifier::new(&checkpoint.folder, corpus.labels.clone(), options)?;
            classifier.model_mut().set_precision(precision);
            let (rows, _) = LabelledRows::new(&classifier, &corpus.examples)?;
            let name = format!("model/{}/{name}", checkpoint.name);
            forward(&mut criterion, &name, &classifier, &rows)?;

            let config = TrainConfig { precision: Some(precision), ..TrainConfig::default() };
            let task = ClassificationTask::new(classifier, rows, LabelledRows::default(), &config)?;
            train(&mut criterion, &name, &task)?;
        }
    }
    criterion.final_summary();
    Ok(())
}

fn forward(
    criterion: &mut Criterion,
    name: &str,
    classifier: &RelationClassifier,
    rows: &LabelledRows,
) -> Result<()> {
    let batch = Batch::new(rows.rows().iter().take(BATCH), &[])?;
    let batch = TokenBatch::new(&batch, &classifier.model().encoder().batch_spec())?;
    let _guard = tch::no_grad_guard();
    let _ = classifier.model().forward(&batch, Mode::Eval)?;
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(batch.tokens() as u64));
    group.bench_function("forward", |b| b.iter(|| classifier.model().forward(&batch, Mode::Eval)));
    group.finish();
    Ok(())
}

fn train(criterion: &mut Criterion, name: &str, task: &ClassificationTask) -> Result<()> {
    let parameters = task.parameters();
    parameters.set_trainable(true);
    let tensors: Vec<&Tensor> = parameters.iter().map(|parameter| &parameter.tensor).collect();
    let rows: Vec<usize> = (0..BATCH.min(task.rows())).collect();
    let gradients = || -> Result<Vec<Tensor>> {
        let loss = task.loss(0, &rows, &Masks::new(0))?;
        Ok(Tensor::f_run_backward(&[loss], &tensors, false, false)?)
    };
    let found = gradients()?;
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(rows.len() as u64));
    group.bench_function("forward and backward", |b| b.iter(gradients));
    let values = tensors.iter().map(|tensor| tensor.numel() as u64).sum();
    group.throughput(Throughput::Elements(values));
    // A rate of 0 keeps the weights as they are; the work is the same.
    let rates = LearningRates { encoder: 0.0, head: 0.0 };
    let mut optimizer = AdamW::new(TrainConfig::default().adamw, parameters)?;
    group.bench_function("optimizer step", |b| {
        b.iter(|| optimizer.step(parameters, &found, 1.0, rates));
    });
    group.finish();
    Ok(())
}
