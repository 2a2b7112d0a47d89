//! Hashes of the files of a trained folder, by which loading knows that they are what was saved.
//!
//! The manifest lies in the folder as [`FILE`]. It finds what a disk, a copy or an editor has changed. It is no signature:
//! who changes a file can change the manifest, too.
//!
//! The hash is XXH3 with 128 bits. It reads gigabytes in a second on one core, so that it is done while a model loads;
//! a cryptographic hash takes several times as long, and would only help against those who can write the manifest.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::error::{Error, Mismatch, Result};
use crate::{Tokenizer, files, model_file};

/// Name of the manifest in its folder.
pub const FILE: &str = "manifest.json";

/// What [`hash_file`] computes.
const ALGORITHM: &str = "xxh3-128";
/// Bytes that are read at a time.
const BLOCK: usize = 1 << 20;
/// Files that loading a folder looks for, beside those of the tokenizer.
const MODEL: [&str; 6] = [
    "config.json",
    "model.safetensors",
    "model.safetensors.index.json",
    "question_answering.json",
    "questions.json",
    "relation_classifier.json",
];

/// Names of the files that loading a folder looks for: one that was not there before makes another model of it.
pub fn loaded() -> impl Iterator<Item = &'static str> {
    MODEL.into_iter().chain(Tokenizer::FILES)
}

fn is_loaded(name: &str) -> bool {
    loaded().any(|loaded| loaded == name)
}

/// The files that a folder was saved with, and their hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    folder: PathBuf,
    files: BTreeMap<String, String>,
}

/// Content of [`FILE`].
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    hash: String,
    files: BTreeMap<String, String>,
}

impl Manifest {
    /// Reads the manifest of a folder; `None` where it has none.
    ///
    /// # Errors
    /// Those of [`model_file::read`]; [`Error::Changed`] where it is damaged.
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(FILE);
        if !files::exists(&path)? {
            return Ok(None);
        }
        let bytes = model_file::read(&path)?;
        let damaged =
            |found: String| Error::from(Mismatch { file: path.clone(), manifest: path.clone(), found });
        let Content { hash, files } =
            serde_json::from_slice(&bytes).map_err(|error| damaged(format!("damaged ({error})")))?;
        if hash != ALGORITHM {
            return Err(damaged(format!("has hashes of an unknown kind, expected {ALGORITHM}")));
        }
        Ok(Some(Self { folder: folder.to_owned(), files }))
    }

    /// Makes sure that all files are what they were.
    ///
    /// # Errors
    /// [`Error::Changed`] for the first one that is not, [`Error::Io`] for one that cannot be read.
    pub fn check(&self) -> Result<()> {
        self.check_those(|_| true)
    }

    /// Makes sure that the files that make a model are what they were: not those that only training goes on with.
    ///
    /// # Errors
    /// As [`Manifest::check`].
    pub fn check_model(&self) -> Result<()> {
        self.check_those(is_loaded)
    }

    /// As [`Manifest::check_model`], without the weights.
    ///
    /// # Errors
    /// As [`Manifest::check`].
    pub fn check_settings(&self) -> Result<()> {
        self.check_those(|name| is_loaded(name) && name != "model.safetensors")
    }

    fn check_those(&self, checked: impl Fn(&str) -> bool) -> Result<()> {
        let fault = |name: &str, found: &str| {
            let (file, manifest) = (self.folder.join(name), self.folder.join(FILE));
            Err(Mismatch { file, manifest, found: found.to_owned() }.into())
        };
        for (name, hash) in self.files.iter().filter(|(name, _)| checked(name)) {
            let path = self.folder.join(name);
            if !files::exists(&path)? {
                return fault(name, "is missing");
            }
            if hash_file(&path)? != *hash {
                return fault(name, "has changed since the folder was saved");
            }
        }
        for name in loaded().filter(|name| !self.files.contains_key(*name)) {
            if files::exists(self.folder.join(name))? {
                return fault(name, "was not there when the folder was saved");
            }
        }
        Ok(())
    }
}

/// Writes the manifest of all files that lie in a folder, in place of an older one.
///
/// # Errors
/// [`Error::Io`].
pub fn write(folder: &Path) -> Result<()> {
    let mut content = Content { hash: ALGORITHM.to_owned(), files: BTreeMap::new() };
    for path in files::entries(folder)? {
        if let Some(name) = path.file_name().and_then(|name| name.to_str())
            && name != FILE
            && files::is_file(&path)?
        {
            content.files.insert(name.to_owned(), hash_file(&path)?);
        }
    }
    let path = folder.join(FILE);
    let text =
        serde_json::to_string_pretty(&content).map_err(|error| Error::io(&path, io::Error::other(error)))?;
    files::write(path, text + "\n")
}

/// The hash of a file's content: 32 hexadecimal digits, those that `xxh128sum` prints.
///
/// # Errors
/// [`Error::Io`]; [`Error::ModelFile`] for what is no regular file.
pub fn hash_file(path: &Path) -> Result<String> {
    let mut file = model_file::open_regular(path)?;
    let (mut hash, mut block) = (Xxh3::new(), vec![0; BLOCK]);
    loop {
        match file.read(&mut block) {
            Ok(0) => return Ok(format!("{:032x}", hash.digest128())),
            Ok(read) => hash.update(block.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(source) => return Err(Error::io(path, source)),
        }
    }
}

/// A check of a folder against its manifest that goes on while the folder is loaded. Clones wait for the same check.
#[derive(Debug, Clone)]
pub struct Check(Arc<Mutex<State>>);

#[derive(Debug)]
enum State {
    Running(JoinHandle<Result<()>>),
    Ended(Result<()>),
}

impl Check {
    /// Begins [`Manifest::check_model`] on a thread of its own. A folder without a manifest passes.
    ///
    /// # Errors
    /// As [`Manifest::read`].
    pub fn begin(folder: &Path) -> Result<Self> {
        let Some(manifest) = Manifest::read(folder)? else { return Ok(Self::default()) };
        let here = manifest.clone();
        let state = match Builder::new().name("manifest".to_owned()).spawn(move || manifest.check_model()) {
            Ok(handle) => State::Running(handle),
            Err(_) => State::Ended(here.check_model()),
        };
        Ok(Self(Arc::new(Mutex::new(state))))
    }

    /// Waits until all is hashed. Whoever asks again gets the same answer.
    ///
    /// # Errors
    /// As [`Manifest::check_model`].
    pub fn finish(&self) -> Result<()> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let result = match std::mem::replace(&mut *state, State::Ended(Ok(()))) {
            State::Running(handle) => handle.join().unwrap_or_else(|_| {
                Err(Error::io(FILE, io::Error::other("the check of the files ended early")))
            }),
            State::Ended(result) => result,
        };
        *state = State::Ended(match &result {
            Ok(()) => Ok(()),
            Err(Error::Changed(mismatch)) => Err(Error::Changed(mismatch.clone())),
            // What cannot be read has no copy; its text says the same.
            Err(error) => Err(Error::io(FILE, io::Error::other(error.to_string()))),
        });
        result
    }
}

/// A check of nothing, which passes.
impl Default for Check {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State::Ended(Ok(())))))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn saved() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in [("config.json", "{}"), ("model.safetensors", "weights")] {
            fs::write(folder.path().join(name), content).unwrap();
        }
        write(folder.path()).unwrap();
        folder
    }

    fn check(folder: &Path) -> Result<()> {
        Manifest::read(folder).unwrap().unwrap().check()
    }

    fn mismatch(result: Result<()>) -> Mismatch {
        match result.unwrap_err() {
            Error::Changed(mismatch) => *mismatch,
            other => panic!("{other}"),
        }
    }

    /// The values are those of `xxh128sum` (xxHash 0.8).
    #[test]
    fn hashes_are_those_of_the_reference() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for (content, expected) in [
            (Vec::new(), "99aa06d3014798d86001c324468d497f"),
            (vec![b'a'], "a96faf705af16834e6c632b61e964e1f"),
            (vec![7; BLOCK * 2 + 1], "f9eeef9866c2ee5a178e74198dc7af5c"),
        ] {
            fs::write(&path, &content).unwrap();
            assert_eq!(hash_file(&path).unwrap(), expected, "{} bytes", content.len());
        }
    }

    #[test]
    fn every_change_is_found_and_the_file_named() {
        type Change = fn(&Path);
        let changes: [(&str, &str, Change); 4] = [
            ("config.json", "has changed", |folder| fs::write(folder.join("config.json"), "[]").unwrap()),
            ("model.safetensors", "has changed", |folder| {
                fs::write(folder.join("model.safetensors"), "weightt").unwrap();
            }),
            ("model.safetensors", "is missing", |folder| {
                fs::remove_file(folder.join("model.safetensors")).unwrap();
            }),
            ("added_tokens.json", "was not there", |folder| {
                fs::write(folder.join("added_tokens.json"), "{}").unwrap();
            }),
        ];
        for (name, found, change) in changes {
            let folder = saved();
            check(folder.path()).unwrap();
            change(folder.path());
            let mismatch = mismatch(check(folder.path()));
            assert_eq!(mismatch.file, folder.path().join(name));
            let text = mismatch.to_string();
            let advice = format!("remove {}", folder.path().join(FILE).display());
            assert!(text.contains(found) && text.ends_with(&advice), "{text}");
        }
    }

    #[test]
    fn other_files_and_a_removed_manifest_are_no_matter() {
        let folder = saved();
        fs::write(folder.path().join("notes.txt"), "mine").unwrap();
        check(folder.path()).unwrap();
        fs::write(folder.path().join("config.json"), "[]").unwrap();
        fs::remove_file(folder.path().join(FILE)).unwrap();
        assert_eq!(Manifest::read(folder.path()).unwrap(), None);
        Check::begin(folder.path()).unwrap().finish().unwrap();
    }

    #[test]
    fn weights_are_left_out_where_only_settings_count() {
        let folder = saved();
        fs::write(folder.path().join("model.safetensors"), "other").unwrap();
        let manifest = Manifest::read(folder.path()).unwrap().unwrap();
        manifest.check_settings().unwrap();
        fs::write(folder.path().join("config.json"), "[]").unwrap();
        assert_eq!(mismatch(manifest.check_settings()).file, folder.path().join("config.json"));
    }

    #[test]
    fn what_only_training_reads_is_no_part_of_the_model() {
        let folder = saved();
        fs::write(folder.path().join("optimizer.safetensors"), "moments").unwrap();
        write(folder.path()).unwrap();
        check(folder.path()).unwrap();
        fs::write(folder.path().join("optimizer.safetensors"), "momentt").unwrap();
        assert_eq!(mismatch(check(folder.path())).file, folder.path().join("optimizer.safetensors"));
        Check::begin(folder.path()).unwrap().finish().unwrap();
    }

    #[test]
    fn a_check_gives_the_same_answer_twice() {
        let folder = saved();
        fs::write(folder.path().join("config.json"), "[]").unwrap();
        let check = Check::begin(folder.path()).unwrap();
        for _ in 0..2 {
            assert!(matches!(check.finish(), Err(Error::Changed(_))));
        }
    }

    #[test]
    fn a_damaged_manifest_is_an_error() {
        let folder = saved();
        for text in ["{", r#"{"hash": "sha1", "files": {}}"#, r#"{"files": {}}"#] {
            fs::write(folder.path().join(FILE), text).unwrap();
            assert!(matches!(Manifest::read(folder.path()), Err(Error::Changed(_))), "{text}");
        }
    }
}
