//! What the examples share: their flags, the embedded default, and telling what came out.

mod flags;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Parser;
use re_model::EncoderConfig;
use re_model::hub::model_folder;
use re_train::experiment::{RunFolder, Summary};
use re_train::observer::stop_on_signals;
use re_train::{Experiment, Start, StopReason, Terminal};

pub use flags::Flags;

/// Exit code of a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;
/// Settings of the embedded default.
const EMBEDDED: &str = include_str!("../configs/embedded.toml");
/// Settings for encoders that are narrower than [`NARROW`].
const SMALL_ENCODER: &str = include_str!("../configs/small_encoder.toml");
/// The report's settings were made for hidden sizes of 768 and 1,024.
const NARROW: i64 = 512;

/// Runs the experiment `name`, whose settings for a real checkpoint are `toml`, with the command line's flags.
///
/// # Errors
/// Whatever keeps the experiment from running, with what to do about it.
pub fn run(name: &str, toml: &str) -> Result<()> {
    let flags = Flags::parse();
    let start = if flags.resume { Start::Resume } else { Start::Fresh };
    let folder = match &flags.out {
        Some(out) => RunFolder::new(out),
        None => RunFolder::free("runs", name),
    };
    let mut experiment = if flags.resume { folder.experiment()? } else { settings(name, toml, &flags)? };
    flags.apply(&mut experiment);
    let stop = stop_on_signals().context("installing the Ctrl-C handler")?;
    let summary = folder.run(&experiment, start, vec![Box::new(Terminal::default())], stop)?;
    tell(name, &folder, &summary);
    if summary.reason == StopReason::Interrupted {
        std::process::exit(INTERRUPTED);
    }
    Ok(())
}

/// The settings that fit what was asked for: the embedded default, a file, or the experiment's own.
fn settings(name: &str, toml: &str, flags: &Flags) -> Result<Experiment> {
    let embedded = Experiment::parse(EMBEDDED, "examples/configs/embedded.toml")?;
    let mut experiment = match (&flags.config, &flags.model) {
        (Some(path), _) => Experiment::from_file(path)?,
        (None, None) => {
            say(&format!(
                "{name}: no --model: this is the EMBEDDED DEFAULT, a tiny encoder with random weights on invented \
                 sentences.\n  Real data and a real checkpoint: --model DIR --train FILE --labels FILE --test FILE \
                 (see --help)"
            ));
            embedded.clone()
        }
        (None, Some(model))
            if EncoderConfig::from_folder(&model_folder(model, flags.download)?)?.hidden_size < NARROW =>
        {
            say(&format!(
                "{name}: {} is a small encoder: using examples/configs/small_encoder.toml instead of the report's \
                 settings, under which it learns nothing (choose with --config)",
                model.display()
            ));
            Experiment::parse(SMALL_ENCODER, "examples/configs/small_encoder.toml")?
        }
        (None, Some(_)) => Experiment::parse(toml, format!("examples/configs/{name}.toml"))?,
    };
    // Only what the caller's own files do not replace comes from the embedded default.
    if flags.train.is_none() && experiment.data.train.as_os_str().is_empty() {
        say(&format!("{name}: no --train: training on the embedded corpus"));
        experiment.data = embedded.data;
    } else if flags.train.is_some() {
        experiment.data = re_train::experiment::DataConfig::default();
    }
    if experiment.model.folder.as_os_str().is_empty() && flags.model.is_none() {
        experiment.model = embedded.model;
    }
    for path in experiment.paths_mut() {
        *path = in_repository(path);
    }
    if flags.config.is_none()
        && let Some(model) = &flags.model
    {
        fit(name, &mut experiment, &EncoderConfig::from_folder(&model_folder(model, flags.download)?)?);
    }
    Ok(experiment)
}

/// Shipped settings ask no more layers or tokens of an encoder than it has.
fn fit(name: &str, experiment: &mut Experiment, config: &EncoderConfig) {
    let layers = config.num_hidden_layers;
    if experiment.model.layers.is_some_and(|wanted| wanted > layers) {
        experiment.model.layers = None;
        say(&format!("{name}: using all {layers} layers, the encoder has no more"));
    }
    let encoding = &mut experiment.encoding;
    if encoding.max_length > config.max_length() {
        encoding.max_length = config.max_length();
        say(&format!("{name}: max_length = {}, the encoder reads no more", encoding.max_length));
    }
}

/// Writes to standard error; a reader that has gone away is no reason to stop.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Paths of the shipped settings begin at the repository's root, wherever the example is started.
fn in_repository(path: &Path) -> PathBuf {
    if path.starts_with("fixtures") && !path.exists() {
        return Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    }
    path.to_owned()
}

fn tell(name: &str, folder: &RunFolder, summary: &Summary) {
    let out = folder.path().display();
    if summary.reason == StopReason::Interrupted {
        println!("interrupted; resume with");
        println!("  cargo run --release --example {name} -- --out {out} --resume");
        return;
    }
    if let Some(model) = &summary.model {
        println!("model: {}", model.display());
    }
    if let Some(evaluation) = &summary.evaluation {
        let m = &evaluation.metrics;
        println!(
            "validation: accuracy {:.2} %, micro-F1 without no-relation {:.2} %, macro-F1 {:.2} % on {} rows",
            100.0 * m.accuracy,
            100.0 * m.micro_f1,
            100.0 * m.macro_f1,
            m.rows
        );
    }
    if let Some(path) = &summary.submission {
        println!("submission: {}", path.display());
    }
    println!("metrics and settings: {out}/metrics.jsonl, {out}/config.toml");
}
