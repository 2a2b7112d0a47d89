//! Flags that all examples share.

use std::path::PathBuf;

use clap::Parser;
use re_train::Experiment;

/// One experiment of the report. Without flags it runs on the embedded default in a few minutes.
///
/// Real data, for example:
///   cargo run --release --example xlmr_full_data -- --model MODEL_DIR --train train.tsv \
///       --labels label_type.pkl --test test.tsv --val-size 0.3 --out runs/mine
#[derive(Debug, Clone, Default, Parser)]
#[command(verbatim_doc_comment)]
pub struct Flags {
    /// Folder of the pretrained encoder: config.json, model.safetensors, tokenizer.json or vocab.txt
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
    /// Allow --model to be downloaded by its name (built with `--features hub`)
    #[arg(long)]
    pub download: bool,
    /// Labelled training rows (competition TSV or JSONL)
    #[arg(long, value_name = "FILE")]
    pub train: Option<PathBuf>,
    /// Labelled rows to evaluate on, instead of --val-size
    #[arg(long, value_name = "FILE", conflicts_with = "val_size")]
    pub validation: Option<PathBuf>,
    /// Rows to predict after training, into submission.csv
    #[arg(long, value_name = "FILE")]
    pub test: Option<PathBuf>,
    /// Label map: label_type.pkl, JSON, or one name a line
    #[arg(long, value_name = "FILE")]
    pub labels: Option<PathBuf>,
    /// Entity types by row id
    #[arg(long, value_name = "FILE")]
    pub entity_types: Option<PathBuf>,
    /// Share of the training rows to evaluate on: stratified, grouped by sentence
    #[arg(long, value_name = "F")]
    pub val_size: Option<f64>,
    /// Settings in TOML, instead of those of the experiment
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Optimizer steps
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub steps: Option<u64>,
    /// Steps between checkpoints
    #[arg(long, value_name = "N")]
    pub save_steps: Option<u64>,
    /// Steps between evaluations
    #[arg(long, value_name = "N")]
    pub eval_steps: Option<u64>,
    /// Seed of split, order, dropout and fresh weights
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// cpu or cuda:N
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<String>,
    /// Folder of the run [default: the first free runs/NAME-N]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Go on from the latest checkpoint in --out
    #[arg(long, requires = "out")]
    pub resume: bool,
}

impl Flags {
    /// Lets the flags that were given override the settings.
    pub fn apply(&self, experiment: &mut Experiment) {
        fn set<T: Clone>(target: &mut T, flag: &Option<T>) {
            if let Some(value) = flag {
                target.clone_from(value);
            }
        }
        let Experiment { model, data, training, .. } = experiment;
        set(&mut model.folder, &self.model);
        model.download |= self.download;
        set(&mut data.train, &self.train);
        for (target, flag) in [
            (&mut data.test, &self.test),
            (&mut data.labels, &self.labels),
            (&mut data.entity_types, &self.entity_types),
            (&mut data.validation, &self.validation),
        ] {
            if flag.is_some() {
                target.clone_from(flag);
            }
        }
        if self.validation.is_some() {
            data.val_size = 0.0;
        }
        if let Some(share) = self.val_size {
            data.val_size = share;
            data.validation = None;
        }
        if let Some(steps) = self.steps.filter(|steps| *steps != training.steps) {
            // Warm-up keeps its share, so that a short trial is a small copy of the whole training.
            if training.steps > 0 {
                training.warmup_steps = (training.warmup_steps * steps).div_ceil(training.steps);
            }
            training.warmup_steps = training.warmup_steps.min(steps - 1);
            training.steps = steps;
        }
        set(&mut training.save_steps, &self.save_steps);
        set(&mut training.eval_steps, &self.eval_steps);
        set(&mut training.seed, &self.seed);
        set(&mut training.device, &self.device);
    }
}
