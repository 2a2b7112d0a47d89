//! The tables of a document such as `docs/RESULTS.md`, made from the run folders below a folder.
//!
//! Every folder with a `config.toml` is a run; `NAME` or `NAME-ANYTHING` is one of the experiment `NAME`. Runs
//! whose settings differ in the seed alone form one line, with mean and spread. Beside the files of the run,
//! `about.toml` may say what those do not know:
//!
//! ```toml
//! machine = "2 cores of an Intel Xeon"
//! commit = "8398c2c"
//! command = "re train examples/configs/xlmr.toml"
//! experiment = "xlmr"     # where the folder's name does not say it
//! ```
//!
//! `report.toml` in the folder itself holds published results to stand beside ours:
//!
//! ```toml
//! [[experiment]]
//! name = "config08"
//! example = "xlmr_full_data"
//! what = "XLM-R on everything"
//! results = [{ step = 1800, leaderboard = 78.7 }]
//! ```
//!
//! and what its authors have found, beside which the figures of runs and of votes among them are put:
//!
//! ```toml
//! [[finding]]
//! claim = "Adding a weaker model to a stronger one loses."
//! verdict = "held"        # or did_not_hold, cannot_be_told
//! because = "The vote is below its better member."
//! pairs = [{ a = { vote = "mean", of = ["xlmr-7", "mbert-7"] }, b = "xlmr-7" }]
//! by_label = { vote = "mean", of = ["xlmr-7", "mbert-7"] }
//! curves = ["xlmr-7"]     # evaluations one after the other
//! checkpoints = "xlmr-7"  # with checkpoint-STEP.csv, what `re predict RUN@STEP` says of the validation rows
//! ```
//!
//! The tables stand between two comments, the findings between two others; whatever is written around them stays.

mod curves;
mod findings;
mod graphs;
mod group;
mod markdown;
mod published;
mod recorded;
mod table;
mod tracking;

use std::path::{Path, PathBuf};

use re_data::files;

use self::published::Report;
use self::recorded::Recorded;
use crate::error::{Error, Result};

/// The line before the tables.
pub const BEGIN: &str = "<!-- results: begin, made by `cargo xtask results` -->";
/// The line after the tables.
pub const END: &str = "<!-- results: end -->";

/// The line before the findings.
pub const FINDINGS_BEGIN: &str = "<!-- findings: begin, made by `cargo xtask results` -->";
/// The line after the findings.
pub const FINDINGS_END: &str = "<!-- findings: end -->";

/// The tables of all runs below `folder`, as Markdown for a document in `document_folder`, to which links are
/// relative.
///
/// # Errors
/// [`Error::NoRuns`] where there is no run; an error that names file, line or key where a file is damaged or a
/// run is not complete.
pub fn markdown(folder: &Path, document_folder: &Path) -> Result<String> {
    tables(recorded::below(folder)?, &published::read(folder)?, &relative(document_folder, folder)?)
}

fn tables(runs: Vec<Recorded>, report: &Report, link: &str) -> Result<String> {
    if runs.is_empty() {
        return Err(Error::NoRuns);
    }
    Ok(table::tables(&group::groups(runs), &report.experiments, link))
}

/// The findings of `report.toml` in `folder` with the figures of the runs, as Markdown. `gold` are files with the
/// labels of the rows that the runs were validated on.
///
/// # Errors
/// As [`markdown`], and errors of the predictions, of the gold labels and of rows that do not fit each other.
pub fn findings(folder: &Path, gold: &[PathBuf]) -> Result<String> {
    findings::markdown(&published::read(folder)?.findings, &recorded::below(folder)?, gold)
}

/// The text of `document` with tables and findings renewed; `None` where they are up to date. The findings, which need
/// gold labels, are renewed only where all the files of `gold` are there.
///
/// # Errors
/// As [`markdown`] and [`findings`]; [`Error::Content`] where the document does not have the lines [`BEGIN`] and
/// [`END`] once each, in this order, or, with findings, [`FINDINGS_BEGIN`] and [`FINDINGS_END`].
pub fn renewed(document: &Path, folder: &Path, gold: &[PathBuf]) -> Result<Option<String>> {
    let text = std::fs::read_to_string(document).map_err(|source| Error::io(document, source))?;
    let (runs, report) = (recorded::below(folder)?, published::read(folder)?);
    let mut new = text.clone();
    if findings::there(gold)? && !report.findings.is_empty() {
        let found = findings::markdown(&report.findings, &runs, gold)?;
        new = replaced(&new, (FINDINGS_BEGIN, FINDINGS_END), &found, document)?;
    }
    let link = relative(document.parent().unwrap_or(Path::new("")), folder)?;
    new = replaced(&new, (BEGIN, END), &tables(runs, &report, &link)?, document)?;
    Ok((new != text).then_some(new))
}

/// Renews `document`, and says whether that changed it.
///
/// # Errors
/// As [`renewed`], and [`Error::Data`] or [`Error::Io`] where it cannot be written.
pub fn update(document: &Path, folder: &Path, gold: &[PathBuf]) -> Result<bool> {
    let new = renewed(document, folder, gold)?;
    if let Some(new) = &new {
        files::write(document, new)?;
    }
    Ok(new.is_some())
}

/// `text` with what stands between two lines replaced.
fn replaced(text: &str, lines: (&str, &str), tables: &str, document: &Path) -> Result<String> {
    let (begin, end) = (only_line(text, lines.0, document)?, only_line(text, lines.1, document)?);
    let before = text.get(..begin + lines.0.len());
    let after = text.get(end..).filter(|_| begin < end);
    match before.zip(after) {
        Some((before, after)) => Ok(format!("{before}\n{tables}{after}")),
        None => Err(Error::Content {
            path: document.to_owned(),
            line: Some(line_of(text, end)),
            field: "end of the tables",
            found: format!("{:?} before {:?}", lines.1, lines.0),
            expected: "it after the beginning".to_owned(),
        }),
    }
}

/// Where the one line `wanted` begins.
fn only_line(text: &str, wanted: &str, document: &Path) -> Result<usize> {
    let mut at = 0;
    let mut found = Vec::new();
    for line in text.split_inclusive('\n') {
        if line.trim_end() == wanted {
            found.push(at);
        }
        at += line.len();
    }
    match found.as_slice() {
        [only] => Ok(*only),
        other => Err(Error::Content {
            path: document.to_owned(),
            line: other.get(1).map(|&at| line_of(text, at)),
            field: "place of the tables",
            found: format!("{} lines {wanted:?}", other.len()),
            expected: "one".to_owned(),
        }),
    }
}

fn line_of(text: &str, at: usize) -> u64 {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count() as u64
}

/// The way from one folder to another, with slashes.
fn relative(from: &Path, to: &Path) -> Result<String> {
    let absolute = |path: &Path| -> Result<PathBuf> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        path.canonicalize().map_err(|source| Error::io(path, source))
    };
    let (from, to) = (absolute(from)?, absolute(to)?);
    let shared = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(shared).map(|_| "..".to_owned());
    let down = to.components().skip(shared).map(|part| part.as_os_str().to_string_lossy().into_owned());
    Ok(up.chain(down).collect::<Vec<_>>().join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replace(text: &str) -> Result<String> {
        replaced(text, (BEGIN, END), "\nnew\n\n", Path::new("R.md"))
    }

    #[test]
    fn what_stands_around_the_tables_stays() {
        let text = format!("# R\nby hand\n{BEGIN}\nold\nold\n{END}\nmore\n");
        let new = replace(&text).unwrap();
        assert_eq!(new, format!("# R\nby hand\n{BEGIN}\n\nnew\n\n{END}\nmore\n"));
        assert_eq!(replace(&new).unwrap(), new);
    }

    #[test]
    fn the_place_must_be_there_once() {
        for (text, expected) in [
            (format!("{BEGIN}\n"), "found 0 lines"),
            (format!("{BEGIN}\n{END}\n{BEGIN}\n"), "R.md:3: place of the tables: found 2 lines"),
            (format!("{END}\n\n{BEGIN}\n"), "R.md:1: end of the tables"),
        ] {
            let error = replace(&text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn links_go_up_and_down() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["docs/deep", "results"] {
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        let way = |from: &str| relative(&folder.path().join(from), &folder.path().join("results")).unwrap();
        assert_eq!([way("docs"), way("docs/deep"), way("")], ["../results", "../../results", "results"]);
    }
}
