//! What the examples share: their flags, the embedded default, and telling what came out.

mod flags;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Parser;
use re_data::files;
use re_experiment::{Encoders, Experiment, Layers, Plan, RunFolder, Summary};
use re_formats::documents::{self, DocumentReadOptions};
use re_report::{GraphPage, GraphPageOptions};
use re_train::observer::StopSignal;
use re_train::{Start, StopReason, Terminal};

pub use flags::Flags;

/// Runs the experiment whose settings are `examples/configs/NAME.toml`, with the command line's flags. What keeps it from
/// running is told, with what to do about it, and is exit code 1.
pub fn run(name: &str) -> ExitCode {
    carry_out(name).unwrap_or_else(|error| {
        // Where it came from in the program, which `main` would show, is of no use to who mistyped a name.
        say(&format!("error: {error:#}"));
        ExitCode::FAILURE
    })
}

fn carry_out(name: &str) -> Result<ExitCode> {
    let flags = Flags::parse();
    let folder = match &flags.out {
        Some(out) => RunFolder::new(out),
        None => RunFolder::free("runs", name)?,
    };
    let (start, mut experiment) = match flags.resume {
        true => (Start::Resume, folder.experiment()?),
        false => (Start::Fresh, settings(name, &flags)?),
    };
    if let Some(steps) = flags.save_steps {
        experiment.for_each(&mut |experiment| experiment.training.save_steps = steps);
    }
    let stop = StopSignal::install().context("installing the Ctrl-C handler")?;
    let summary = folder.run(&experiment, start, vec![Box::new(Terminal::default())], stop.flag())?;
    print_summary(name, &folder, &summary);
    if summary.reason != StopReason::Interrupted && matches!(experiment.plan, Plan::TextToGraph { .. }) {
        draw(name, &folder)?;
    }
    Ok(match summary.reason {
        StopReason::Interrupted => ExitCode::from(stop.exit_code()),
        _ => ExitCode::SUCCESS,
    })
}

/// The experiment's settings for the encoder and the rows that were given or, where they were not, for the embedded default.
fn settings(name: &str, flags: &Flags) -> Result<Experiment> {
    let shipped = configs(&format!("{name}.toml"));
    let path = flags.config.as_ref().unwrap_or(&shipped);
    let lay = |layers: Layers| flags.set.iter().try_fold(layers.file(path)?, |layers, key| layers.set(key));
    let plain = lay(Layers::default())?.experiment()?;
    let folder = in_repository(&plain.model.folder);
    let named = Some(folder.as_path()).filter(|folder| !folder.as_os_str().is_empty());
    let mut layers = match Encoders::named(&flags.model, named, flags.download || plain.model.download)? {
        Some(encoders) => Layers::for_encoders(encoders),
        None => {
            say(&format!(
                "{name}: no --model: this is the EMBEDDED DEFAULT, a tiny encoder with random weights on invented \
                 sentences.\n  Real data and a real checkpoint: --model DIR --train FILE --labels FILE --test FILE \
                 (see --help)"
            ));
            Layers::on(configs("base/embedded.toml"))
        }
    };
    if flags.train.is_none() && plain.data.train.as_os_str().is_empty() {
        say(&format!("{name}: no --train: training on the embedded corpus"));
        let of_documents = plain.data.pairs.is_some() || plain.tagging.is_some();
        let corpus = if of_documents { "embedded_documents" } else { "embedded_corpus" };
        layers = layers.file(configs(&format!("base/{corpus}.toml")))?;
    }
    let layers = lay(layers)?;
    say(&format!("{name}: settings of {}", layers.names().join(", ")));
    let mut experiment = flags.steps.map_or_else(|| layers.experiment(), |steps| layers.scaled(steps))?;
    for path in experiment.paths_mut() {
        *path = in_repository(path);
    }
    // Settings of one's own that name their encoder are taken at their word.
    if flags.config.is_none() || named.is_none() || !flags.model.is_empty() {
        for note in experiment.fit_encoder()? {
            say(&format!("{name}: {note}"));
        }
    }
    flags.apply(&mut experiment)?;
    check_files(name, &experiment)?;
    Ok(experiment)
}

/// Names the flag for a file that the experiment is about and that is not there.
fn check_files(name: &str, experiment: &Experiment) -> Result<()> {
    let unlabelled = match &experiment.plan {
        Plan::PseudoLabels { unlabelled, .. } => Some(unlabelled),
        _ => None,
    };
    let types = experiment.data.entity_types.as_ref();
    let none = "; where the rows themselves have types: --set data.entity_types=";
    let additional = experiment.data.additional.iter().map(|path| (path, "--additional", ""));
    let others = [(unlabelled, "--unlabelled", ""), (types, "--entity-types", none)];
    let others = others.into_iter().filter_map(|(path, flag, hint)| Some((path?, flag, hint)));
    if let Some((path, flag, hint)) = additional.chain(others).find(|(path, ..)| is_absent(path)) {
        bail!("{name} needs {flag} FILE: there is no {}{hint}", path.display());
    }
    let to_train = experiment.plan.members().iter().filter(|member| member.run.is_none());
    to_train.filter_map(|member| member.experiment.as_ref()).try_for_each(|own| check_files(name, own))
}

/// Whether nothing lies there; where one cannot look, whoever opens it says so.
fn is_absent(path: &Path) -> bool {
    matches!(path.try_exists(), Ok(false))
}

/// Writes to standard error; a reader that has gone away is no reason to stop.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A file of settings that belongs to the examples.
fn configs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("configs").join(name)
}

/// Paths of the shipped settings begin at the repository's root, wherever the example is started.
fn in_repository(path: &Path) -> PathBuf {
    if path.starts_with("fixtures") && is_absent(path) {
        return Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    }
    path.to_owned()
}

fn print_summary(name: &str, folder: &RunFolder, summary: &Summary) {
    let out = folder.path().display();
    if summary.reason == StopReason::Interrupted {
        println!("interrupted; resume with");
        println!("  cargo run --release --example {name} -- --out {out} --resume");
        return;
    }
    println!("\n{summary}");
    if let Some(model) = &summary.model {
        println!("model: {}", model.display());
    }
    if let Some(path) = &summary.submission {
        println!("submission: {}", path.display());
    }
    println!("settings and results: {out}/config.toml, {out}/summary.json");
}

/// Draws the graphs of the test documents or, where there are none, of the validation documents.
fn draw(name: &str, folder: &RunFolder) -> Result<()> {
    for role in ["test", "validation"] {
        let file = folder.path().join(format!("{role}_documents.jsonl"));
        if !files::is_file(&file)? {
            continue;
        }
        let mut page = GraphPage::new(GraphPageOptions::default())?;
        let found = documents::read(&file, &DocumentReadOptions::default())?.documents;
        found.iter().for_each(|document| page.add(document));
        let path = folder.path().join("graphs.html");
        page.write(&path)?;
        let (drawn, file, path) = (found.len() - page.left_out(), file.display(), path.display());
        say(&format!("{name}: {drawn} of {} graphs of {file} are drawn in {path}", found.len()));
        break;
    }
    Ok(())
}
