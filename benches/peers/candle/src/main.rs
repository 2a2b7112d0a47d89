//! Workload E in candle: rows sorted by length, batches padded to their longest row, 32-bit floats.
//!
//! usage: peer-candle --model DIR --rows FILE --out FILE --threads N [--batch N] [--max-length N]

use std::collections::HashMap;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use candle_core::{DType, Device, IndexOp, Tensor};
use candle_nn::{Linear, Module, VarBuilder, linear};
use candle_transformers::models::bert::{BertModel, Config};
use serde_json::{Value, json};
use tokenizers::{EncodeInput, Tokenizer, TruncationParams};

/// `BertForSequenceClassification`, which candle has no type of.
struct Classifier {
    encoder: BertModel,
    pooler: Linear,
    output: Linear,
}

impl Classifier {
    fn load(folder: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(folder.join("config.json"))?;
        let value: Value = serde_json::from_str(&text)?;
        let classes = value["id2label"].as_object().context("config.json has no id2label")?.len();
        let config: Config = serde_json::from_value(value)?;
        // SAFETY: the file is not changed while it is mapped.
        let weights = unsafe {
            let file = folder.join("model.safetensors");
            VarBuilder::from_mmaped_safetensors(&[file], DType::F32, &Device::Cpu)?
        };
        let hidden = config.hidden_size;
        Ok(Self {
            encoder: BertModel::load(weights.pp("bert"), &config)?,
            pooler: linear(hidden, hidden, weights.pp("bert.pooler.dense"))?,
            output: linear(hidden, classes, weights.pp("classifier"))?,
        })
    }

    fn classes(&self, ids: &Tensor, types: &Tensor, mask: &Tensor) -> Result<Vec<u32>> {
        let states = self.encoder.forward(ids, types, Some(mask))?;
        let first = states.i((.., 0))?.contiguous()?;
        let logits = self.output.forward(&self.pooler.forward(&first)?.tanh()?)?;
        Ok(logits.argmax(1)?.to_vec1()?)
    }
}

struct Row {
    first: String,
    sentence: String,
    types: Vec<u32>,
}

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let given: HashMap<&str, &str> =
        words.chunks_exact(2).map(|pair| (pair[0].as_str(), pair[1].as_str())).collect();
    let get = |name: &str| given.get(name).copied().with_context(|| format!("{name} is missing"));
    let number = |name, default: usize| given.get(name).map_or(Ok(default), |value| value.parse());
    // candle and tokenizers both take it from there.
    // SAFETY: no other thread runs yet.
    unsafe { std::env::set_var("RAYON_NUM_THREADS", get("--threads")?) };

    let folder = Path::new(get("--model")?);
    let (batch, max_length) = (number("--batch", 32)?, number("--max-length", 100)?);
    let mut tokenizer = Tokenizer::from_file(folder.join("tokenizer.json")).map_err(|e| anyhow!(e))?;
    let truncation = TruncationParams { max_length, ..TruncationParams::default() };
    tokenizer.with_truncation(Some(truncation)).map_err(|e| anyhow!(e))?;
    let classifier = Classifier::load(folder)?;
    let rows = read(Path::new(get("--rows")?))?;

    classify(&tokenizer, &classifier, &rows[..rows.len().min(64)], batch)?;
    let began = Instant::now();
    let classes = classify(&tokenizer, &classifier, &rows, batch)?;
    let seconds = began.elapsed().as_secs_f64();

    let lines: String = classes.iter().map(|class| format!("{class}\n")).collect();
    std::fs::write(get("--out")?, lines)?;
    println!(
        "{}",
        json!({ "workload": "predict", "rows": rows.len(), "seconds": seconds, "labels": get("--out")?,
                "peak_rss_bytes": peak()? })
    );
    Ok(())
}

fn read(path: &Path) -> Result<Vec<Row>> {
    let text = std::fs::read_to_string(path)?;
    let row = |line| {
        let value: Value = serde_json::from_str(line)?;
        let string = |key: &str| Ok::<_, anyhow::Error>(value[key].as_str().context("no string")?.to_owned());
        let types = serde_json::from_value(value["type_ids"].clone())?;
        Ok(Row { first: string("first")?, sentence: string("sentence")?, types })
    };
    text.lines().map(row).collect()
}

/// The class of each row, from its strings.
fn classify(tokenizer: &Tokenizer, classifier: &Classifier, rows: &[Row], batch: usize) -> Result<Vec<u32>> {
    let inputs: Vec<EncodeInput> =
        rows.iter().map(|row| (row.first.as_str(), row.sentence.as_str()).into()).collect();
    let encoded = tokenizer.encode_batch_fast(inputs, true).map_err(|e| anyhow!(e))?;
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|&row| encoded[row].len());
    let mut classes = vec![0; rows.len()];
    for group in order.chunks(batch) {
        let longest = group.iter().map(|&row| encoded[row].len()).max().unwrap_or(0);
        let (mut ids, mut types, mut mask) = (Vec::new(), Vec::new(), Vec::new());
        for &row in group {
            let length = encoded[row].len();
            let padded = |values: &[u32], pad| {
                values.iter().copied().chain(std::iter::repeat_n(pad, longest - length)).collect::<Vec<_>>()
            };
            ids.extend(padded(encoded[row].get_ids(), 1));
            types.extend(padded(&rows[row].types, 0));
            mask.extend(padded(&vec![1; length], 0));
        }
        let tensor = |values| Tensor::from_vec(values, (group.len(), longest), &Device::Cpu);
        let found = classifier.classes(&tensor(ids)?, &tensor(types)?, &tensor(mask)?)?;
        for (&row, class) in group.iter().zip(found) {
            classes[row] = class;
        }
    }
    Ok(classes)
}

/// The most physical memory that this process has had, in bytes.
fn peak() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).context("no VmHWM")?;
    Ok(1024 * line.split_whitespace().nth(1).context("no number")?.parse::<u64>()?)
}
