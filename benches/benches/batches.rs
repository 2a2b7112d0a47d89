//! Laying rows end to end, and moving them to the device with what attention needs.

use anyhow::Result;
use criterion::Throughput;
use re_benches::Checkpoint;
use re_data::{Batch, LostEntities};
use re_model::{ClassifierOptions, RelationClassifier, TokenBatch};

const ROWS: usize = 64;

fn main() -> Result<()> {
    let mut criterion = re_benches::criterion();
    for checkpoint in Checkpoint::encoders() {
        let corpus = checkpoint.corpus()?.first(ROWS);
        let mut options = ClassifierOptions { random_weights: true, ..ClassifierOptions::default() };
        options.encoding.lost_entities = LostEntities::Count;
        let (classifier, _) = RelationClassifier::new(&checkpoint.folder, corpus.labels.clone(), options)?;
        let (rows, report) = classifier.encoder().encode_batch(&corpus.examples)?;
        let batch = Batch::new(&rows, &[])?;
        TokenBatch::new(&batch, &classifier.model().encoder().batch_spec())?;

        let mut group = criterion.benchmark_group(format!("batches/{}", checkpoint.name));
        group.throughput(Throughput::Elements(report.tokens as u64));
        group.bench_function("assemble", |b| b.iter(|| Batch::new(&rows, &[])));
        group.bench_function("to device", |b| {
            b.iter(|| TokenBatch::new(&batch, &classifier.model().encoder().batch_spec()));
        });
        group.finish();
    }
    criterion.final_summary();
    Ok(())
}
