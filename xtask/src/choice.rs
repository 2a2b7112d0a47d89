//! Which libtorch to use.

use std::path::PathBuf;

use crate::libtorch::Defect;

/// A folder that might do, and what its check said.
pub type Candidate = (PathBuf, Result<(), Defect>);

/// The installs at hand.
#[derive(Debug, Default)]
pub struct Candidates {
    /// Named by `LIBTORCH`.
    pub named: Option<Candidate>,
    /// Where `.libtorch` points now.
    pub linked: Option<Candidate>,
    /// In the Python environment.
    pub python: Option<Candidate>,
    /// Downloaded before.
    pub cached: Option<Candidate>,
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Choice {
    /// Link this install.
    Use(PathBuf),
    /// Download one.
    Download,
}

/// A decision and why better candidates were passed over.
#[derive(Debug, PartialEq, Eq)]
pub struct Decision {
    /// What to do.
    pub choice: Choice,
    /// One line per install that was passed over.
    pub notes: Vec<String>,
}

/// Takes the first install that is sound: the named one, the linked one, the Python environment's, the
/// downloaded one. With `download_only`, nothing but a downloaded one counts.
///
/// # Errors
/// The install that the user named by `LIBTORCH` is not sound: its folder and defect.
pub fn decide(candidates: Candidates, download_only: bool) -> Result<Decision, (PathBuf, Defect)> {
    let mut notes = Vec::new();
    if !download_only {
        match candidates.named {
            Some((path, Ok(()))) => return Ok(Decision { choice: Choice::Use(path), notes }),
            Some((path, Err(defect))) => return Err((path, defect)),
            None => {}
        }
    }
    let others = if download_only { [None, None] } else { [candidates.linked, candidates.python] };
    for (path, checked) in others.into_iter().chain([candidates.cached]).flatten() {
        match checked {
            Ok(()) => return Ok(Decision { choice: Choice::Use(path), notes }),
            Err(defect) => {
                let note = format!("not using {}: {defect}", path.display());
                if !notes.contains(&note) {
                    notes.push(note);
                }
            }
        }
    }
    Ok(Decision { choice: Choice::Download, notes })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good(path: &str) -> Option<Candidate> {
        Some((path.into(), Ok(())))
    }

    fn bad(path: &str) -> Option<Candidate> {
        Some((path.into(), Err(Defect::Version(Some("2.4.1".into())))))
    }

    fn chosen(candidates: Candidates) -> Choice {
        decide(candidates, false).unwrap().choice
    }

    #[test]
    fn the_first_sound_install_wins() {
        let all = Candidates { named: good("n"), linked: good("l"), python: good("p"), cached: good("c") };
        assert_eq!(chosen(all), Choice::Use("n".into()));
        let unnamed = Candidates { named: None, linked: good("l"), python: good("p"), cached: good("c") };
        assert_eq!(chosen(unnamed), Choice::Use("l".into()));
        assert_eq!(
            chosen(Candidates { python: good("p"), cached: good("c"), ..Candidates::default() }),
            Choice::Use("p".into())
        );
        assert_eq!(chosen(Candidates::default()), Choice::Download);
    }

    #[test]
    fn a_named_install_that_is_unsound_is_an_error_and_not_passed_over() {
        let candidates = Candidates { named: bad("n"), cached: good("c"), ..Candidates::default() };
        assert_eq!(decide(candidates, false).unwrap_err().0, PathBuf::from("n"));
    }

    #[test]
    fn an_unsound_install_is_passed_over_with_a_note() {
        let candidates = Candidates { linked: bad("l"), python: bad("l"), ..Candidates::default() };
        let decision = decide(candidates, false).unwrap();
        assert_eq!(decision.choice, Choice::Download);
        assert_eq!(decision.notes, ["not using l: it is version 2.4.1, expected 2.11.0"]);
    }

    #[test]
    fn asking_for_the_download_ignores_all_but_the_cache() {
        let candidates =
            || Candidates { named: good("n"), linked: good("l"), python: good("p"), cached: None };
        assert_eq!(decide(candidates(), true).unwrap().choice, Choice::Download);
        let candidates = Candidates { cached: good("c"), ..candidates() };
        assert_eq!(decide(candidates, true).unwrap().choice, Choice::Use("c".into()));
    }
}
