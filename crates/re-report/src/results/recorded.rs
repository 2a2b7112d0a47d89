//! The runs below a folder, with what is known of their making.

use std::path::Path;

use re_data::files;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::run::{CONFIG, GraphScores, RowSet, Run, SUMMARY, Settings, Summary};

/// Name of the file in a run's folder that says what the run itself does not know.
const ABOUT: &str = "about.toml";

/// A complete run.
#[derive(Debug)]
pub(super) struct Recorded {
    /// Path below the folder of all runs, with slashes.
    pub path: String,
    pub experiment: String,
    pub about: About,
    pub settings: Settings,
    pub summary: Summary,
    pub run: Run,
    /// How far its graphs agree with those of the documents, where it has extracted some.
    pub graphs: Vec<(RowSet, GraphScores)>,
}

/// What a run's folder says of its making.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct About {
    pub experiment: Option<String>,
    pub machine: Option<String>,
    pub commit: Option<String>,
    pub command: Option<String>,
}

/// All runs below `folder`, in the order of their paths.
pub(super) fn below(folder: &Path) -> Result<Vec<Recorded>> {
    let mut found = Vec::new();
    descend(folder, "", &mut found)?;
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn descend(folder: &Path, path: &str, found: &mut Vec<Recorded>) -> Result<()> {
    for entry in std::fs::read_dir(folder).map_err(|source| Error::io(folder, source))? {
        let inside = entry.map_err(|source| Error::io(folder, source))?.path();
        if !files::is_dir(&inside)? {
            continue;
        }
        let name = inside.file_name().unwrap_or_default().to_string_lossy();
        let path = if path.is_empty() { name.to_string() } else { format!("{path}/{name}") };
        // The runs that a run consists of are listed in its summary.
        if files::is_file(inside.join(CONFIG))? {
            found.push(recorded(&inside, &name, path)?);
        } else {
            descend(&inside, &path, found)?;
        }
    }
    Ok(())
}

fn recorded(folder: &Path, name: &str, path: String) -> Result<Recorded> {
    let run = Run::open(folder)?;
    let about: About = toml_file(&folder.join(ABOUT))?.unwrap_or_default();
    let summary = run.summary.clone().ok_or_else(|| {
        let missing = std::io::Error::new(std::io::ErrorKind::NotFound, "the run is not complete");
        Error::io(folder.join(SUMMARY), missing)
    })?;
    let mut graphs = Vec::new();
    for rows in [RowSet::Validation, RowSet::Test] {
        graphs.extend(run.graph_scores(rows)?.map(|scores| (rows, scores)));
    }
    let by_name = || name.split('-').next().unwrap_or_default().to_owned();
    Ok(Recorded {
        path,
        experiment: about.experiment.clone().unwrap_or_else(by_name),
        about,
        settings: run.settings.clone().unwrap_or_default(),
        summary,
        run,
        graphs,
    })
}

/// The content of a TOML file; `None` where there is none.
pub(super) fn toml_file<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Error::io(path, source)),
    };
    let fault = |key: String, source| Error::Toml { path: path.to_owned(), key, source: Box::new(source) };
    let parsed = toml::Deserializer::parse(&text).map_err(|source| fault("syntax".to_owned(), source))?;
    serde_path_to_error::deserialize(parsed).map(Some).map_err(|error| {
        let key = error.path().to_string();
        fault(key, error.into_inner())
    })
}
