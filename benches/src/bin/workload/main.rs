//! One workload of `cargo xtask peers`, as a process of its own: it prints one line of JSON.
//!
//! Uses nothing but the public interface of the crates, as a program of a user would.

mod encode;
mod experiment;
mod first;
mod graph;
mod inputs;
mod memory;
mod pairs;
mod predict;
mod rows;
mod stream;
mod train;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    workload: Workload,
    /// Threads of libtorch and of tokenization
    #[arg(long, global = true, default_value_t = 2)]
    threads: usize,
}

#[derive(Debug, Subcommand)]
enum Workload {
    /// Write the rows that the peers read: strings, token ids, entities and classes, in the order of training
    Rows(rows::Rows),
    /// Markup, tokenization, entity spans and truncation
    Encode(encode::Encode),
    /// Fine-tune for one pass over the rows
    Train(train::Train),
    /// Classify all rows
    Predict(predict::Predict),
    /// Classify all ordered pairs of the entities of real sentences
    Pairs(pairs::Pairs),
    /// Find the mentions of texts and the relations between them
    Graph(graph::Graph),
    /// Run an experiment from its settings
    Experiment(experiment::Experiment),
    /// Load a trained folder and classify one row
    FirstPrediction(first::First),
    /// Classify a file of any length into a file, in constant memory
    Stream(stream::Stream),
}

fn main() -> Result<()> {
    let Arguments { workload, threads } = Arguments::parse();
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    tch::set_num_threads(i32::try_from(threads)?);
    let mut result = match workload {
        Workload::Rows(rows) => rows.run()?,
        Workload::Encode(encode) => encode.run()?,
        Workload::Train(train) => train.run()?,
        Workload::Predict(predict) => predict.run()?,
        Workload::Pairs(pairs) => pairs.run()?,
        Workload::Graph(graph) => graph.run()?,
        Workload::Experiment(experiment) => experiment.run()?,
        Workload::FirstPrediction(first) => first.run()?,
        Workload::Stream(stream) => stream.run()?,
    };
    result.insert("threads".to_owned(), threads.into());
    if !result.contains_key("peak_rss_bytes") {
        result.insert("peak_rss_bytes".to_owned(), memory::peak()?.into());
    }
    println!("{}", serde_json::Value::Object(result));
    Ok(())
}
