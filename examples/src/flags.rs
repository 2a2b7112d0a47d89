//! Flags that all examples share.

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use re_experiment::{DataConfig, Experiment, Plan, assignment};

/// One experiment of the report. Without flags it runs on the embedded default in a few minutes.
///
/// Real data, for example:
///   cargo run --release --example xlmr_full_data -- --model MODEL_DIR --train train.tsv \
///       --labels label_type.pkl --test test.tsv --out runs/mine
#[derive(Debug, Clone, Default, Parser)]
#[command(verbatim_doc_comment)]
pub struct Flags {
    /// Folder of the pretrained encoder: config.json, model.safetensors, tokenizer.json or vocab.txt.
    /// MEMBER=DIR gives one member of a vote an encoder of its own (repeatable)
    #[arg(long, value_name = "[MEMBER=]DIR", verbatim_doc_comment)]
    pub model: Vec<String>,
    /// Allow --model to be downloaded by its name (built with `--features hub`)
    #[arg(long)]
    pub download: bool,
    /// Labelled training rows, in any layout that `re convert --help` lists
    #[arg(long, value_name = "FILE")]
    pub train: Option<PathBuf>,
    /// Further labelled rows to train on (repeatable); those whose sentences are evaluated on are left out
    #[arg(long, value_name = "FILE")]
    pub additional: Vec<PathBuf>,
    /// Labelled rows to evaluate on, instead of --val-size
    #[arg(long, value_name = "FILE", conflicts_with = "val_size")]
    pub validation: Option<PathBuf>,
    /// Test set: predicted after training, into submission.csv; evaluated on where they have labels
    #[arg(long, value_name = "FILE")]
    pub test: Option<PathBuf>,
    /// Label map: label_type.pkl, JSON, or one name a line
    #[arg(long, value_name = "FILE")]
    pub labels: Option<PathBuf>,
    /// Entity types by row id
    #[arg(long, value_name = "FILE")]
    pub entity_types: Option<PathBuf>,
    /// Rows to label by prediction
    #[arg(long, value_name = "FILE")]
    pub unlabelled: Option<PathBuf>,
    /// Share of the training rows to evaluate on: stratified, grouped by sentence
    #[arg(long, value_name = "F", value_parser = share)]
    pub val_size: Option<f64>,
    /// Trained run to vote instead of a member that would be trained (repeatable): for the first such
    /// member, or for the one that is named; without checkpoints, what it saved of the same rows votes
    #[arg(long, value_name = "[MEMBER=]RUN[@STEP]", verbatim_doc_comment)]
    pub member: Vec<String>,
    /// Settings in TOML, instead of those of the experiment
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Any setting, such as training.label_smoothing=0.1 (repeatable)
    #[arg(long, value_name = "KEY=VALUE", value_parser = assignment)]
    pub set: Vec<String>,
    /// Optimizer steps; all trainings of the experiment, their warm-up and their evaluations scale with them,
    /// except what --set gives
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub steps: Option<u64>,
    /// Steps between checkpoints
    #[arg(long, value_name = "N")]
    pub save_steps: Option<u64>,
    /// Steps between evaluations
    #[arg(long, value_name = "N")]
    pub eval_steps: Option<u64>,
    /// Seed of order, dropout and fresh weights; those of a vote's members are shifted with it
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Seed of the division into training and validation rows
    #[arg(long, value_name = "N")]
    pub split_seed: Option<u64>,
    /// cpu or cuda:N
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<String>,
    /// Folder of the run [default: the first free runs/NAME-N]
    #[arg(long, value_name = "DIR", value_parser = folder)]
    pub out: Option<PathBuf>,
    /// Go on with the run in --out, with the settings that it began with
    #[arg(long, requires = "out", conflicts_with_all = BEGINNING)]
    pub resume: bool,
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..1.0).contains(share));
    share.ok_or_else(|| "expected a number from 0 up to, not including, 1".to_owned())
}

fn folder(text: &str) -> Result<PathBuf, String> {
    match text {
        "-" => Err("expected a folder, not standard output (a folder of this name is ./-)".to_owned()),
        _ => Ok(text.into()),
    }
}

/// Flags that say how a run begins.
const BEGINNING: [&str; 18] = [
    "model",
    "download",
    "train",
    "additional",
    "validation",
    "test",
    "labels",
    "entity_types",
    "unlabelled",
    "val_size",
    "member",
    "config",
    "set",
    "steps",
    "eval_steps",
    "seed",
    "split_seed",
    "device",
];

impl Flags {
    /// Lets the flags that were given override the settings.
    ///
    /// # Errors
    /// [`re_experiment::Error::Train`] where a member is given to an experiment without.
    pub fn apply(&self, experiment: &mut Experiment) -> Result<()> {
        let shift = self.seed.map_or(0, |seed| seed.wrapping_sub(experiment.training.seed));
        // Additional rows are for those members of a vote that are about them.
        let mut about_them = false;
        experiment.for_each(&mut |experiment| about_them |= !experiment.data.additional.is_empty());
        experiment.for_each(&mut |experiment| {
            self.apply_to(experiment);
            let seed = &mut experiment.training.seed;
            // A TOML file has no greater numbers.
            *seed = seed.wrapping_add(shift) & i64::MAX.cast_unsigned();
            if !(self.additional.is_empty() || about_them && experiment.data.additional.is_empty()) {
                experiment.data.additional.clone_from(&self.additional);
            }
        });
        self.member.iter().try_for_each(|run| Ok(experiment.use_run(run)?))
    }

    fn apply_to(&self, experiment: &mut Experiment) {
        fn set<T: Clone>(target: &mut T, flag: &Option<T>) {
            if let Some(value) = flag {
                target.clone_from(value);
            }
        }
        let Experiment { data, training, plan, .. } = experiment;
        set(&mut data.train, &self.train);
        let DataConfig { test, labels, entity_types, validation, split_seed, .. } = data;
        for (target, flag) in [
            (test, &self.test),
            (labels, &self.labels),
            (entity_types, &self.entity_types),
            (validation, &self.validation),
        ] {
            if flag.is_some() {
                target.clone_from(flag);
            }
        }
        *split_seed = self.split_seed.or(*split_seed);
        if self.validation.is_some() {
            data.val_size = 0.0;
        }
        if let Some(share) = self.val_size {
            data.val_size = share;
            data.validation = None;
        }
        if let Plan::PseudoLabels { unlabelled, .. } = plan {
            set(unlabelled, &self.unlabelled);
        }
        set(&mut training.eval_steps, &self.eval_steps);
        set(&mut training.device, &self.device);
    }
}
