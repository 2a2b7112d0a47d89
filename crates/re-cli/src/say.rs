//! What is said beside the results, on standard error.

use std::fmt::Display;
use std::io::{IsTerminal, Write, stderr, stdout};
use std::path::Path;

/// Says as much as the user wants to hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Say {
    /// Errors alone.
    Nothing,
    /// What one should know.
    Notes,
    /// What one may want to know.
    Everything,
}

impl Say {
    pub fn new(quiet: bool, verbose: bool) -> Self {
        match (quiet, verbose) {
            (true, _) => Self::Nothing,
            (false, false) => Self::Notes,
            (false, true) => Self::Everything,
        }
    }

    /// Something one should know.
    pub fn note(self, text: impl Display) {
        if self != Self::Nothing {
            line(text);
        }
    }

    /// Something for `--verbose`.
    pub fn detail(self, text: impl Display) {
        if self == Self::Everything {
            line(text);
        }
    }

    /// Whether a progress bar would be seen, and would not get between results on the same terminal.
    pub fn shows_bars(self, output: &Path) -> bool {
        let between = output == Path::new("-") && stdout().is_terminal();
        self != Self::Nothing && stderr().is_terminal() && !between
    }
}

/// A reader of standard error that has gone away is no reason to stop.
fn line(text: impl Display) {
    let _ = writeln!(stderr(), "{text}");
}
