//! Classifies rows of token ids, as `workload rows` of the benches writes them, and prints one line of JSON: what
//! `cargo xtask peers` measures.
//!
//!     cargo run --release --package re-infer --example rows -- --model MODEL --rows ROWS.jsonl --out CLASSES.txt
//!         [--format fp32|bf16|int8] [--batch N] [--limit N] [--threads N]

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead, BufReader};
use std::time::Instant;

use re_data::Encoded;
use re_infer::{InferenceParts, NumberFormat, RelationClassifier};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut given = BTreeMap::new();
    while let (Some(name), Some(value)) = (arguments.next(), arguments.next()) {
        given.insert(name, value);
    }
    let text = |name: &str| given.get(name).ok_or(format!("{name} is missing"));
    let number = |name: &str, default: usize| given.get(name).map_or(Ok(default), |text| text.parse());
    let threads = number("--threads", 2)?;
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    let format = match given.get("--format").map(String::as_str) {
        None => None,
        Some("fp32") => Some(NumberFormat::Fp32),
        Some("bf16") => Some(NumberFormat::Bf16),
        Some("int8") => Some(NumberFormat::Int8),
        Some(other) => return Err(format!("--format: {other}").into()),
    };
    let rows = read(text("--rows")?, number("--limit", usize::MAX)?)?;
    let classifier = RelationClassifier::from_pretrained_with(
        text("--model")?,
        InferenceParts { format, ..Default::default() },
    )?;
    if rows.len() > 1 {
        // The first pass finds memory unprepared, for the peers as for us.
        classifier.logits(rows.get(..rows.len().min(64)).unwrap_or_default())?;
    }
    let began = Instant::now();
    let mut classes = Vec::with_capacity(rows.len());
    for rows in rows.chunks(number("--batch", rows.len())?.max(1)) {
        for logits in classifier.logits(rows)?.rows() {
            let best = logits.iter().enumerate().max_by(|(_, left), (_, right)| left.total_cmp(right));
            classes.push(best.map_or(0, |(class, _)| class));
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    let lines: String = classes.iter().map(|class| format!("{class}\n")).collect();
    std::fs::write(text("--out")?, lines)?;
    let report = json!({
        "workload": "predict", "rows": rows.len(), "seconds": seconds, "labels": text("--out")?, "threads": threads,
        "class": classes.first(), "kernel": classifier.kernel().name(), "peak_rss_bytes": peak()?,
    });
    println!("{report}");
    Ok(())
}

fn read(path: &str, limit: usize) -> Result<Vec<Encoded>, Box<dyn Error>> {
    let numbers = |row: &Value, name: &str| -> Vec<u32> {
        row.get(name)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_u64)
            .map(|number| number as u32)
            .collect()
    };
    let mut rows = Vec::new();
    for line in BufReader::new(std::fs::File::open(path)?).lines().take(limit) {
        let row: Value = serde_json::from_str(&line?)?;
        rows.push(Encoded {
            ids: numbers(&row, "ids"),
            type_ids: numbers(&row, "type_ids"),
            ..Encoded::default()
        });
    }
    Ok(rows)
}

/// Most memory that this process has had at a time, in bytes.
fn peak() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(1024 * line.trim().trim_end_matches("kB").trim().parse::<u64>()?)
}
