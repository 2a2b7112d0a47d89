//! How fast a trained folder is: milliseconds of one row at a time, and rows a second of many.
//!
//!     cargo run --release --package re-infer --example speed -- MODEL [TOKENS [ROWS [KERNEL [FORMAT]]]]

use std::time::Instant;

use re_data::Encoded;
use re_infer::{InferenceParts, Kernel, NumberFormat, RelationClassifier};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("expected the folder of a trained classifier")?;
    let mut number = |default: usize| arguments.next().map_or(Ok(default), |text| text.parse());
    let (tokens, count) = (number(32)?, number(256)?);
    let (wanted, wanted_format) = (arguments.next(), arguments.next());
    let row = |number: usize| Encoded {
        ids: (0..tokens).map(|i| (5 + (number * 31 + i * 7) % 1000) as u32).collect(),
        type_ids: vec![0; tokens],
        ..Encoded::default()
    };
    let rows: Vec<Encoded> = (0..count).map(row).collect();
    for kernel in Kernel::available() {
        if wanted.as_deref().is_some_and(|wanted| wanted != kernel.name()) {
            continue;
        }
        for format in [NumberFormat::Fp32, NumberFormat::Bf16, NumberFormat::Int8] {
            let name = format!("{format:?}").to_lowercase();
            if wanted_format.as_ref().is_some_and(|wanted| *wanted != name) {
                continue;
            }
            let parts = InferenceParts { kernel: Some(kernel), format: Some(format), markup: None };
            let begun = Instant::now();
            let classifier = RelationClassifier::from_pretrained_with(&folder, parts)?;
            classifier.logits(rows.get(..1).unwrap_or_default())?;
            let load = begun.elapsed().as_secs_f64();
            let single = best(rows.len().min(30), |number| {
                classifier.logits(rows.get(number..=number).unwrap_or_default()).map(drop)
            })?;
            let bulk = best(3, |_| classifier.logits(&rows).map(drop))?;
            println!(
                "{} {name}: {:.2} s to the first answer, {:.2} ms a row, {:.0} rows a second",
                kernel.name(),
                load,
                1000.0 * single,
                count as f64 / bulk
            );
        }
    }
    Ok(())
}

/// The shortest time of some runs, in seconds: other programs only make them longer.
fn best<E>(runs: usize, mut run: impl FnMut(usize) -> Result<(), E>) -> Result<f64, E> {
    let mut best = f64::INFINITY;
    for number in 0..runs {
        let begun = Instant::now();
        run(number)?;
        best = best.min(begun.elapsed().as_secs_f64());
    }
    Ok(best)
}
