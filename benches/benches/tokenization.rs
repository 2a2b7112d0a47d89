//! Tokenization: every tokenizer and markup, one thread and all, beside the plain `tokenizers` crate.
//!
//! `cold` begins with an empty memory of words, as the first pass over a corpus does; `warm` repeats the pass.
//! MB/s are those of the sentences, without what the markup adds.

use anyhow::Result;
use criterion::{BatchSize, BenchmarkGroup, BenchmarkId, Criterion, Throughput, measurement::WallTime};
use rayon::ThreadPool;
use re_benches::{Bare, Checkpoint, Corpus};
use re_data::{EncodeOptions, ExampleEncoder, LostEntities, MarkupConfig, Tokenizer, Truncation};

const ROWS: usize = 2000;

fn main() -> Result<()> {
    let mut criterion = re_benches::criterion();
    for checkpoint in Checkpoint::tokenizers() {
        let corpus = checkpoint.corpus()?.first(ROWS);
        let tokenizer = checkpoint.tokenizer()?;
        for threads in thread_counts() {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
            let name = format!("tokenization/{}/{threads} threads", checkpoint.name);
            measure(&mut criterion, &name, &corpus, &tokenizer, &pool)?;
        }
    }
    criterion.final_summary();
    Ok(())
}

/// One thread and, where there are more, all.
fn thread_counts() -> Vec<usize> {
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    if all > 1 { vec![1, all] } else { vec![1] }
}

fn measure(
    criterion: &mut Criterion,
    name: &str,
    corpus: &Corpus,
    tokenizer: &Tokenizer,
    pool: &ThreadPool,
) -> Result<()> {
    // Rows/s and MB/s of the same passes: criterion gives one kind of throughput to a group.
    let mut rows = criterion.benchmark_group(format!("{name}/rows"));
    rows.throughput(Throughput::Elements(corpus.examples.len() as u64));
    for (markup, config) in corpus.markups() {
        let encoder = encoder(tokenizer, &config, Truncation::Window)?;
        warm(&mut rows, markup, &encoder, corpus, pool)?;
    }
    let encoder = encoder(tokenizer, &MarkupConfig::Pair {}, Truncation::Tail)?;
    cold(&mut rows, "pair", &encoder, corpus, pool);
    bare(&mut rows, &encoder, corpus, pool)?;
    rows.finish();

    let mut bytes = criterion.benchmark_group(format!("{name}/bytes"));
    bytes.throughput(Throughput::Bytes(corpus.bytes()));
    warm(&mut bytes, "pair", &encoder, corpus, pool)?;
    cold(&mut bytes, "pair", &encoder, corpus, pool);
    bytes.finish();
    Ok(())
}

fn encoder(
    tokenizer: &Tokenizer,
    markup: &MarkupConfig,
    truncation: Truncation,
) -> re_data::Result<ExampleEncoder> {
    let options =
        EncodeOptions { truncation, lost_entities: LostEntities::Count, ..EncodeOptions::default() };
    ExampleEncoder::new(tokenizer.clone(), markup.build()?, options)
}

fn warm(
    group: &mut BenchmarkGroup<'_, WallTime>,
    markup: &str,
    encoder: &ExampleEncoder,
    corpus: &Corpus,
    pool: &ThreadPool,
) -> Result<()> {
    pool.install(|| encoder.encode_batch(&corpus.examples))?;
    group.bench_function(BenchmarkId::new("warm", markup), |b| {
        b.iter(|| pool.install(|| encoder.encode_batch(&corpus.examples)));
    });
    Ok(())
}

fn cold(
    group: &mut BenchmarkGroup<'_, WallTime>,
    markup: &str,
    encoder: &ExampleEncoder,
    corpus: &Corpus,
    pool: &ThreadPool,
) {
    group.bench_function(BenchmarkId::new("cold", markup), |b| {
        // A clone begins with an empty memory; by reference, so that dropping it is not measured.
        let encode = |encoder: &mut ExampleEncoder| pool.install(|| encoder.encode_batch(&corpus.examples));
        b.iter_batched_ref(|| encoder.clone(), encode, BatchSize::PerIteration);
    });
}

fn bare(
    group: &mut BenchmarkGroup<'_, WallTime>,
    encoder: &ExampleEncoder,
    corpus: &Corpus,
    pool: &ThreadPool,
) -> Result<()> {
    let bare = Bare::new(encoder)?;
    let strings = bare.strings(encoder, &corpus.examples)?;
    group.bench_function("bare tokenizers crate, cold", |b| {
        let fresh = || (bare.clone(), strings.clone());
        let encode = |(bare, strings): &mut (Bare, Vec<_>)| {
            let strings = std::mem::take(strings);
            pool.install(|| bare.encode(strings))
        };
        b.iter_batched_ref(fresh, encode, BatchSize::PerIteration);
    });
    Ok(())
}
