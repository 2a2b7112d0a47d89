//! Shared by the benches: what they run on, how long they run, and the plain `tokenizers` crate beside ours.
//!
//! The data and the encoder in `fixtures/embedded` are always there. Real data (`../shared` beside the
//! checkout, or the folder that `RE_SHARED` names) and a real encoder (the folder that `RE_MODEL` names, or
//! the stand-in that `cargo xtask peers` made) are used as well where they are.

mod bare;
mod corpus;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use criterion::Criterion;
use re_data::Tokenizer;

pub use bare::Bare;
pub use corpus::Corpus;

/// Criterion with few and short samples: the whole of `cargo bench` is to take minutes, not hours.
pub fn criterion() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args()
}

/// A folder in Hugging Face layout, with a name for the results.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// Name for the results.
    pub name: &'static str,
    /// The folder; the embedded one has no weights, mBERT's has nothing but its vocabulary.
    pub folder: PathBuf,
}

impl Checkpoint {
    /// The encoder of the embedded default: tiny, with weights that start at random.
    pub fn embedded() -> Self {
        Self { name: "embedded", folder: repository().join("fixtures/embedded/model") }
    }

    /// The encoder that `RE_MODEL` names, or the stand-in that `cargo xtask peers` made.
    pub fn real() -> Option<Self> {
        let folder = variable("RE_MODEL")
            .or_else(|| Some(cache()?.join("peers/e5-small")))
            .filter(|p| may_be_there(p))?;
        Some(Self { name: "xlm-r", folder })
    }

    /// Folders whose tokenizer can be measured: embedded, XLM-R's Unigram, mBERT's WordPiece.
    pub fn tokenizers() -> Vec<Self> {
        let mbert = shared().map(|shared| shared.join("data/bert-base-multilingual-cased"));
        let mbert = mbert.filter(|folder| may_be_there(folder)).map(|folder| Self { name: "mbert", folder });
        [Some(Self::embedded()), Self::real(), mbert].into_iter().flatten().collect()
    }

    /// Folders that hold a whole encoder.
    pub fn encoders() -> Vec<Self> {
        [Some(Self::embedded()), Self::real()].into_iter().flatten().collect()
    }

    /// Its tokenizer.
    ///
    /// # Errors
    /// Its files are damaged.
    pub fn tokenizer(&self) -> Result<Tokenizer> {
        Ok(Tokenizer::from_folder(&self.folder)?)
    }

    /// The rows to measure it on: real ones where they are, unless it is the embedded one, which knows few words.
    ///
    /// # Errors
    /// A file is damaged.
    pub fn corpus(&self) -> Result<Corpus> {
        match shared() {
            Some(shared) if self.name != "embedded" => Corpus::competition(&shared.join("data/p-stage2")),
            _ => Corpus::embedded(&repository().join("fixtures/embedded")),
        }
    }
}

/// Whether something lies there; where one cannot look, whoever opens it says so.
fn may_be_there(path: &Path) -> bool {
    !matches!(path.try_exists(), Ok(false))
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The folder of real data: `RE_SHARED`, or `../shared` beside the checkout.
fn shared() -> Option<PathBuf> {
    let beside = || repository().join("../shared");
    Some(variable("RE_SHARED").unwrap_or_else(beside)).filter(|folder| may_be_there(&folder.join("data")))
}

/// Where `cargo xtask` keeps what it downloads.
fn cache() -> Option<PathBuf> {
    variable("RE_CACHE")
        .or_else(|| Some(variable("XDG_CACHE_HOME")?.join("re")))
        .or_else(|| Some(variable("HOME")?.join(".cache/re")))
}

/// An environment variable that names a folder; an empty one counts as unset.
fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}
