//! `re doctor`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use re_data::files;
use re_data::{ByteSpan, EncodeOptions, Entity, LabelSet, Predictor, RelationExample};
use re_experiment::{Error, Summary, load_predictor, model_folder};
use re_formats::read::{ExampleReader, ReadOptions};
use re_model::{ClassifierOptions, EncoderConfig, Precision, RelationClassifier, Weights, device};
use re_qa::QuestionAnswerer;
use re_train::TrainConfig;
use serde::Serialize;
use serde_json::Value;

use crate::exit::{about, message};
use crate::output::ResultArgs;
use crate::verbosity::visible;

/// The version that this program was made for.
const LIBTORCH: &str = "2.11.0";

/// Check this machine and the given files, and say how to fix what is missing
///
/// Models are run on one row, files of rows are read completely. Exit code 1 where something has to be fixed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  re doctor
  re doctor path/to/xlm-roberta-large train.tsv runs/mine")]
pub struct Doctor {
    /// Models, runs and files of rows to check as well
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    result: ResultArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// As expected.
    Good,
    /// Absent, and only some uses need it.
    Optional,
    /// To be fixed.
    Bad,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    name: String,
    state: State,
    found: String,
    /// How to fix it.
    #[serde(skip_serializing_if = "Option::is_none")]
    mend: Option<String>,
}

impl Finding {
    fn good(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self { name: name.into(), state: State::Good, found: found.into(), mend: None }
    }

    fn other(
        name: impl Into<String>,
        state: State,
        found: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self { name: name.into(), state, found: found.into(), mend: Some(mend.into()) }
    }

    fn text(&self) -> String {
        let mark = match self.state {
            State::Good => "ok  ",
            State::Optional => "--  ",
            State::Bad => "MEND",
        };
        let mend = self.mend.as_ref().map(|mend| format!("     {:<14} {mend}\n", "")).unwrap_or_default();
        format!("{mark} {:<14} {}\n{mend}", self.name, visible(&self.found))
    }
}

impl Doctor {
    pub fn run(self) -> Result<ExitCode> {
        let mut findings = vec![libtorch(), cuda(), precision(), threads(), waiting(), cache()];
        findings.extend(self.paths.iter().map(|path| look_at(path)));
        let bad = findings.iter().filter(|finding| finding.state == State::Bad).count();
        let text = || {
            let verdict = if bad == 0 { "nothing to fix\n".to_owned() } else { format!("{bad} to fix\n") };
            findings.iter().map(Finding::text).collect::<String>() + "\n" + &verdict
        };
        self.result.write(text, &findings)?;
        Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// The libtorch that this process runs on.
fn libtorch() -> Finding {
    const NAME: &str = "libtorch";
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let library = maps.lines().find_map(|line| {
        let path = line.split_whitespace().last()?;
        (Path::new(path).file_name()? == "libtorch_cpu.so").then(|| PathBuf::from(path))
    });
    let Some(folder) = library.as_deref().and_then(Path::parent).and_then(Path::parent) else {
        // It is linked, or this program would not run.
        let expected = format!("expected {LIBTORCH}; which one is in use is known on Linux alone");
        return Finding::other(NAME, State::Optional, "in use, its folder is not known", expected);
    };
    let place = folder.display();
    match version(folder) {
        Some(found) if found.split('+').next() == Some(LIBTORCH) => {
            Finding::good(NAME, format!("{found} in {place}"))
        }
        Some(found) => Finding::other(
            NAME,
            State::Bad,
            format!("{found} in {place}"),
            format!("expected {LIBTORCH}: set LIBTORCH to its folder and build again"),
        ),
        None => Finding::other(
            NAME,
            State::Optional,
            format!("in {place}, which does not tell its version"),
            format!("expected {LIBTORCH}"),
        ),
    }
}

/// The version that a folder of libtorch, or of the Python package, tells.
fn version(folder: &Path) -> Option<String> {
    if let Ok(text) = fs::read_to_string(folder.join("build-version")) {
        return Some(text.trim().to_owned());
    }
    let text = fs::read_to_string(folder.join("version.py")).ok()?;
    let line = text.lines().find(|line| line.starts_with("__version__"))?;
    Some(line.split('\'').nth(1)?.to_owned())
}

fn cuda() -> Finding {
    match device::device("cuda") {
        Ok(_) => Finding::good("CUDA devices", format!("{}: cuda:0 and so on", tch::Cuda::device_count())),
        Err(error) => {
            let mend = "training and prediction run on the CPU; --device cuda:N needs a device, its driver and a \
                        libtorch with CUDA";
            Finding::other("CUDA devices", State::Optional, re_data::error::with_causes(&error), mend)
        }
    }
}

fn precision() -> Finding {
    match Precision::native() {
        Precision::Bf16 => Finding::good("bfloat16", "multiplied by the processor natively, and used"),
        Precision::Fp32 => Finding::good("bfloat16", "not native to the processor: fp32 is used on it"),
    }
}

fn threads() -> Finding {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (torch, encoding) = (tch::get_num_threads(), rayon::current_num_threads());
    let found = format!("{torch} of libtorch, {encoding} of tokenization, {cores} cores");
    if usize::try_from(torch).is_ok_and(|torch| torch > cores) {
        let mend = "more threads than cores are slow: set OMP_NUM_THREADS, or use --threads";
        return Finding::other("threads", State::Optional, found, mend);
    }
    Finding::good("threads", found)
}

fn waiting() -> Finding {
    match std::env::var("OMP_WAIT_POLICY") {
        Ok(policy) if policy.eq_ignore_ascii_case("passive") => {
            Finding::good("idle threads", "OMP_WAIT_POLICY=passive")
        }
        Ok(policy) => Finding::other(
            "idle threads",
            State::Optional,
            format!("OMP_WAIT_POLICY={policy}"),
            "where other programs want the same cores, threads that spin are slow: export OMP_WAIT_POLICY=passive",
        ),
        Err(_) => Finding::good("idle threads", "wait passively in re train, resume and predict"),
    }
}

/// The models in the Hugging Face cache.
fn cache() -> Finding {
    const NAME: &str = "model cache";
    let set = |name| std::env::var_os(name).map(PathBuf::from);
    let folder = set("HF_HUB_CACHE")
        .or_else(|| set("HF_HOME").map(|home| home.join("hub")))
        .or_else(|| set("HOME").map(|home| home.join(".cache/huggingface/hub")));
    let Some(folder) = folder else {
        return Finding::other(
            NAME,
            State::Optional,
            "no place for it",
            "set HF_HOME to find models by name",
        );
    };
    let entries = match files::entries(&folder) {
        Ok(entries) => entries,
        Err(error) => {
            let mend = "whoever runs the commands must be allowed to read it";
            return Finding::other(NAME, State::Bad, error.to_string(), mend);
        }
    };
    let name =
        |path: &PathBuf| Some(path.file_name()?.to_str()?.strip_prefix("models--")?.replace("--", "/"));
    let names: Vec<String> = entries.iter().filter_map(name).collect();
    if names.is_empty() {
        let mend = "models are given as folders with config.json, model.safetensors and tokenizer.json";
        return Finding::other(NAME, State::Optional, format!("no models in {}", folder.display()), mend);
    }
    let by_name =
        if cfg!(feature = "hub") { "" } else { " (give their folders; names need the feature `hub`)" };
    Finding::good(NAME, format!("{}: {}{by_name}", folder.display(), names.join(", ")))
}

/// A model, a run, or a file of rows.
fn look_at(path: &Path) -> Finding {
    let there = fs::metadata(path);
    let is_file = there.as_ref().is_ok_and(fs::Metadata::is_file);
    let name = if is_file { "rows" } else { "model" };
    let looked = if is_file { rows(path) } else { model(path) };
    match looked {
        Ok(found) => Finding::good(name, found),
        Err(error) => {
            let mend = match &there {
                Err(error) if files::is_absent(error) => "the path begins at the working directory",
                Err(_) => "whoever runs the commands must be allowed to read it",
                Ok(there) if there.is_dir() => {
                    "a model's folder has config.json, model.safetensors and tokenizer.json that fit together"
                }
                Ok(_) => "the error names what is expected; --lenient leaves single malformed rows out",
            };
            Finding::other(name, State::Bad, message(&about(path, error)), mend)
        }
    }
}

fn rows(path: &Path) -> Result<String> {
    let mut reader = ExampleReader::open(path, &ReadOptions::default())?;
    reader.by_ref().try_for_each(|row| row.map(drop))?;
    Ok(format!("{}: {}", path.display(), reader.report()))
}

/// Tries a model on one row: what its files say of themselves is not yet that they fit together.
fn model(path: &Path) -> Result<String> {
    let folder = match model_folder(path).map_err(Error::from) {
        Err(Error::NoModel { .. }) if Summary::read(path)?.is_some() => {
            try_on_a_row(&*load_predictor(path, &TrainConfig::default())?)?;
            return Ok(format!("{}: a run of several models, complete", path.display()));
        }
        other => other?,
    };
    let answers = QuestionAnswerer::is_in(&folder)?;
    let trained = if answers || RelationClassifier::is_in(&folder)? {
        try_on_a_row(&*load_predictor(&folder, &TrainConfig::default())?)?;
        if answers { "trained to answer questions" } else { "trained" }
    } else {
        try_on_a_row(&untrained(&folder)?)?;
        "to be trained"
    };
    let config = EncoderConfig::from_folder(&folder).map_err(re_model::Error::from)?;
    Ok(format!(
        "{}: {trained}, {:?}, {} layers of width {}, {} tokens, weights in {}",
        folder.display(),
        config.model_type,
        config.num_hidden_layers,
        config.hidden_size,
        re_model::classifier::tokenizer_in(&folder)?.vocab_size(),
        Weights::open(&folder)?.path().display()
    ))
}

/// A classifier as a training on the encoder in `folder` would begin with.
fn untrained(folder: &Path) -> Result<RelationClassifier> {
    let config = EncoderConfig::from_folder(folder).map_err(re_model::Error::from)?;
    let encoding = EncodeOptions::default();
    let encoding = EncodeOptions { max_length: encoding.max_length.min(config.max_length()), ..encoding };
    // A folder that has a head has one for so many classes.
    let raw: Value = serde_json::from_slice(&fs::read(folder.join("config.json"))?)?;
    let classes = raw.get("id2label").and_then(Value::as_object).map_or(2, |names| names.len().max(2));
    let labels = LabelSet::new((0..classes).map(|class| class.to_string()))?;
    Ok(RelationClassifier::new(
        folder,
        labels,
        ClassifierOptions { encoding, ..ClassifierOptions::default() },
    )?
    .0)
}

fn try_on_a_row(predictor: &dyn Predictor) -> Result<()> {
    let entity = |start, length| Entity::new(ByteSpan::with_len(start, length));
    let row = RelationExample::new("of re doctor", "Marie loves Pierre.", [entity(0, 5), entity(12, 6)])?;
    predictor.predict(&[row])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_either_file() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(version(folder.path()), None);
        fs::write(folder.path().join("version.py"), "from x import y\n__version__ = '2.11.0+cpu'\n").unwrap();
        assert_eq!(version(folder.path()).as_deref(), Some("2.11.0+cpu"));
        fs::write(folder.path().join("build-version"), "2.10.0\n").unwrap();
        assert_eq!(version(folder.path()).as_deref(), Some("2.10.0"));
    }
}
