//! Finding entities among tokens, and cutting long rows to a window around them.

use anyhow::Result;
use criterion::{Criterion, Throughput};
use re_benches::{Checkpoint, Corpus};
use re_data::{EncodeOptions, ExampleEncoder, LostEntities, MarkupConfig, Tokenizer, Truncation};

const ROWS: usize = 500;
/// Short enough that most rows are cut.
const MAX_LENGTH: usize = 24;

fn main() -> Result<()> {
    let mut criterion = re_benches::criterion();
    for checkpoint in Checkpoint::tokenizers() {
        let corpus = checkpoint.corpus()?.first(ROWS);
        let tokenizer = checkpoint.tokenizer()?;
        spans(&mut criterion, checkpoint.name, &corpus, &tokenizer)?;
        windows(&mut criterion, checkpoint.name, &corpus, &tokenizer)?;
    }
    criterion.final_summary();
    Ok(())
}

/// The search alone, on rows that are tokenized already.
fn spans(criterion: &mut Criterion, name: &str, corpus: &Corpus, tokenizer: &Tokenizer) -> Result<()> {
    let rows: Vec<_> = corpus
        .examples
        .iter()
        .map(|example| Ok((tokenizer.pieces(example.text())?, example.entities())))
        .collect::<re_data::Result<_>>()?;
    let mut group = criterion.benchmark_group(format!("spans/{name}"));
    group.throughput(Throughput::Elements(2 * rows.len() as u64));
    group.bench_function("entity search", |b| {
        b.iter(|| {
            let found = rows
                .iter()
                .flat_map(|(pieces, entities)| entities.iter().map(|entity| pieces.covering(entity.span())));
            found.flatten().map(|span| span.len()).sum::<usize>()
        });
    });
    group.finish();
    Ok(())
}

/// Rows cut either way and not at all, tokenized from memory: the differences are the cost of the cut.
fn windows(criterion: &mut Criterion, name: &str, corpus: &Corpus, tokenizer: &Tokenizer) -> Result<()> {
    let mut group = criterion.benchmark_group(format!("truncation/{name}"));
    group.throughput(Throughput::Elements(corpus.examples.len() as u64));
    let ways = [
        ("window", Truncation::Window, MAX_LENGTH),
        ("tail", Truncation::Tail, MAX_LENGTH),
        ("none", Truncation::Window, 512),
    ];
    for (way, truncation, max_length) in ways {
        let options = EncodeOptions {
            max_length,
            truncation,
            lost_entities: LostEntities::Count,
            ..EncodeOptions::default()
        };
        let encoder = ExampleEncoder::new(tokenizer.clone(), MarkupConfig::Plain {}.build()?, options)?;
        encoder.encode_batch(&corpus.examples)?;
        group.bench_function(way, |b| {
            b.iter(|| corpus.examples.iter().map(|e| encoder.encode(e)).filter(Result::is_ok).count());
        });
    }
    group.finish();
    Ok(())
}
