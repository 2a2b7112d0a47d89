//! `cargo xtask doctor`: what was found, what was expected and how to fix it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;

use crate::layout::{LIBTORCH_VERSION, Layout};
use crate::{libtorch, link, machine, python};

/// How good a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// As expected.
    Good,
    /// Absent, and only some uses need it.
    Optional,
    /// Absent, and the build needs it.
    Bad,
}

/// One line of the report.
struct Finding {
    state: State,
    name: &'static str,
    found: String,
    /// What was expected and how to get it.
    mend: &'static str,
}

impl Finding {
    fn new(name: &'static str, found: Option<String>, otherwise: State, mend: &'static str) -> Self {
        let state = if found.is_some() { State::Good } else { otherwise };
        Self { state, name, found: found.unwrap_or_else(|| "not found".to_owned()), mend }
    }

    fn print(&self) {
        let mark = match self.state {
            State::Good => "ok  ",
            State::Optional => "--  ",
            State::Bad => "MEND",
        };
        println!("{mark} {:<14} {}", self.name, self.found);
        if self.state != State::Good {
            println!("     {:<14} {}", "", self.mend);
        }
    }
}

/// Prints the report; failure when something that the build needs is absent.
///
/// # Errors
/// None at present.
pub fn run(layout: &Layout) -> Result<ExitCode> {
    let mut findings = tools();
    findings.push(libtorch(layout));
    findings.extend(devices(layout));
    findings.extend(folders(layout));
    for finding in &findings {
        finding.print();
    }
    let bad = findings.iter().filter(|finding| finding.state == State::Bad).count();
    if bad == 0 {
        println!("\nall that the build needs is here");
        return Ok(ExitCode::SUCCESS);
    }
    println!("\n{bad} to fix");
    Ok(ExitCode::FAILURE)
}

fn tools() -> Vec<Finding> {
    let platform = format!("{} {}", std::env::consts::OS, std::env::consts::ARCH);
    let compiler = machine::compiler().map(|(program, version)| format!("{program}: {version}"));
    vec![
        Finding {
            state: if machine::SUPPORTED { State::Good } else { State::Optional },
            name: "platform",
            found: platform,
            mend: "the download is made for Linux x86-64 with glibc: elsewhere set LIBTORCH to an install",
        },
        Finding::new(
            "rustc",
            machine::output_of("rustc", &["--version"]),
            State::Bad,
            "expected stable Rust with the 2024 edition: https://rustup.rs",
        ),
        Finding::new(
            "C++ compiler",
            compiler,
            State::Bad,
            "expected c++, or what CXX names: `apt install g++`",
        ),
        Finding::new(
            "python3",
            python::version(),
            State::Optional,
            "needed to download libtorch: `apt install python3`",
        ),
        Finding::new(
            "pip",
            python::pip_version(),
            State::Optional,
            "needed to download libtorch: `apt install python3-pip`",
        ),
    ]
}

fn libtorch(layout: &Layout) -> Finding {
    let (path, from) = match &layout.named {
        Some(named) => (Some(named.clone()), "LIBTORCH"),
        None => (link::target(&layout.link()), ".libtorch"),
    };
    let Some(path) = path else {
        return Finding::new("libtorch", None, State::Bad, "run `cargo xtask setup`");
    };
    match libtorch::check(&path) {
        Ok(()) => {
            let part = if libtorch::has_cuda(&path) { "with CUDA" } else { "CPU part" };
            let found = format!("{LIBTORCH_VERSION}, {part}, {from} -> {}", path.display());
            Finding::new("libtorch", Some(found), State::Bad, "")
        }
        Err(defect) => Finding {
            state: State::Bad,
            name: "libtorch",
            found: format!("{from} -> {}: {defect}", path.display()),
            mend: "run `cargo xtask setup`; set LIBTORCH only to a folder of libtorch 2.11.0",
        },
    }
}

fn devices(layout: &Layout) -> Vec<Finding> {
    let threads = std::thread::available_parallelism().ok().map(|count| count.to_string());
    let space = machine::free_megabytes(&layout.root).map(|free| format!("{free} MB free in the workspace"));
    vec![
        Finding::new("threads", threads, State::Optional, "the number could not be read"),
        Finding::new(
            "memory",
            fs::read_to_string("/proc/meminfo").ok().as_deref().and_then(total_memory),
            State::Optional,
            "the amount could not be read; the build takes about 3 GB",
        ),
        Finding::new(
            "disk",
            space,
            State::Optional,
            "the amount could not be read; a build takes about 4 GB",
        ),
        Finding::new(
            "CUDA devices",
            cuda_devices(),
            State::Optional,
            "only `--device cuda:N` needs one, with its driver and a libtorch that has the CUDA part",
        ),
    ]
}

fn total_memory(text: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(format!("{} MB", kibibytes.saturating_mul(1024) / 1_000_000))
}

fn cuda_devices() -> Option<String> {
    if let Some(listed) = machine::output_of("nvidia-smi", &["-L"]).filter(|text| text.starts_with("GPU")) {
        return Some(listed.lines().collect::<Vec<_>>().join("; "));
    }
    let entries = fs::read_dir("/proc/driver/nvidia/gpus").ok()?;
    let models: Vec<String> = entries
        .filter_map(|entry| fs::read_to_string(entry.ok()?.path().join("information")).ok())
        .filter_map(|text| Some(text.lines().find_map(|line| line.strip_prefix("Model:"))?.trim().to_owned()))
        .collect();
    (!models.is_empty()).then(|| models.join("; "))
}

fn folders(layout: &Layout) -> Vec<Finding> {
    let present = |path: PathBuf, file: &str| path.join(file).exists().then(|| path.display().to_string());
    vec![
        Finding::new(
            "embedded data",
            present(layout.root.join("fixtures/embedded"), "train.tsv"),
            State::Bad,
            "the checkout is not whole: `git checkout -- fixtures`",
        ),
        Finding::new(
            "embedded model",
            present(layout.root.join("fixtures/embedded/model"), "config.json"),
            State::Bad,
            "the checkout is not whole: `git checkout -- fixtures`",
        ),
        Finding::new(
            "real data",
            present(layout.shared().join("data"), "README.md"),
            State::Optional,
            "`cargo xtask test` leaves out the tests that need it; set RE_SHARED to the folder that holds data/",
        ),
        Finding::new(
            "model cache",
            cached_models(),
            State::Optional,
            "no Hugging Face models are cached; pass `--model DIR` for a real checkpoint",
        ),
    ]
}

/// The models in the Hugging Face cache.
fn cached_models() -> Option<String> {
    let set = |name| std::env::var_os(name).map(PathBuf::from);
    let folder = set("HF_HUB_CACHE")
        .or_else(|| set("HF_HOME").map(|home| home.join("hub")))
        .or_else(|| set("HOME").map(|home| home.join(".cache/huggingface/hub")))?;
    let names = model_names(&folder);
    (!names.is_empty()).then(|| format!("{}: {}", folder.display(), names.join(", ")))
}

fn model_names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let mut names: Vec<String> = entries
        .filter_map(|entry| Some(entry.file_name().to_str()?.strip_prefix("models--")?.replace("--", "/")))
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read() {
        assert_eq!(total_memory("MemTotal:       1000000 kB\nMemFree: 1 kB\n"), Some("1024 MB".into()));
        assert_eq!(total_memory("nothing"), None);
    }

    #[test]
    fn cached_models_are_listed_by_name() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["models--xlm-roberta-large", "models--klue--bert-base", "version.txt"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        assert_eq!(model_names(folder.path()), ["klue/bert-base", "xlm-roberta-large"]);
        assert!(model_names(Path::new("/does/not/exist")).is_empty());
    }
}
