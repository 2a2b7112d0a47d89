//! Aligning members and voting, in each of the three ways.

use std::sync::Arc;

use anyhow::Result;
use criterion::{BatchSize, Throughput};
use re_data::{LabelSet, Probabilities};
use re_ensemble::{Member, Members, Vote};

const MEMBERS: usize = 5;
const ROWS: usize = 2000;
const CLASSES: usize = 42;

fn main() -> Result<()> {
    let mut criterion = re_benches::criterion();
    let labels = Arc::new(LabelSet::new((0..CLASSES).map(|class| format!("class {class}")))?);
    let members: Vec<Member> = (0..MEMBERS).map(|seed| member(seed, &labels)).collect::<Result<_>>()?;
    let aligned = Members::align(members.clone())?;

    let mut group = criterion.benchmark_group("vote");
    group.throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("align", |b| {
        b.iter_batched(|| members.clone(), Members::align, BatchSize::LargeInput);
    });
    for (name, vote) in [("mean", Vote::Mean), ("log mean", Vote::LogMean), ("hard", Vote::Hard)] {
        aligned.vote(vote)?;
        group.bench_function(name, |b| b.iter(|| aligned.vote(vote)));
    }
    group.finish();
    criterion.final_summary();
    Ok(())
}

/// A member with probabilities of no meaning, other ones for each seed.
fn member(seed: usize, labels: &Arc<LabelSet>) -> Result<Member> {
    let mut values = Vec::with_capacity(ROWS * CLASSES);
    for row in 0..ROWS {
        let scores = (0..CLASSES).map(|class| 1.0 + ((seed * 7 + row * 31 + class * 17) % 97) as f32);
        let total: f32 = scores.clone().sum();
        values.extend(scores.map(|score| score / total));
    }
    let ids = (0..ROWS).map(|row| row.to_string()).collect();
    Ok(Member::new(format!("member {seed}"), Probabilities::new(ids, Arc::clone(labels), values)?))
}
