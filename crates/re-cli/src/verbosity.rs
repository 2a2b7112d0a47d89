//! What is said beside the results, on standard error.

use std::fmt::Display;
use std::io::{IsTerminal, Write, stderr, stdout};
use std::path::Path;

use anstyle::{AnsiColor, Style};
use re_data::text::escaped;

/// Characters of a long message that are shown of its beginning, where files are named, and of its end, where stands what
/// was expected.
const HEAD: usize = 1200;
const TAIL: usize = 600;

/// Says as much as the user wants to hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verbosity {
    /// Errors alone.
    Quiet,
    /// What one should know.
    Normal,
    /// What one may want to know.
    Verbose,
}

impl Verbosity {
    pub fn new(quiet: bool, verbose: bool) -> Self {
        match (quiet, verbose) {
            (true, _) => Self::Quiet,
            (false, false) => Self::Normal,
            (false, true) => Self::Verbose,
        }
    }

    /// Something one should know.
    pub fn note(self, text: impl Display) {
        if self != Self::Quiet {
            line(text);
        }
    }

    /// Something for `--verbose`.
    pub fn detail(self, text: impl Display) {
        if self == Self::Verbose {
            line(text);
        }
    }

    /// Whether a progress bar would be seen, and would not get between results on the same terminal.
    pub fn shows_bars(self, output: &Path) -> bool {
        let between = output == Path::new("-") && stdout().is_terminal();
        self != Self::Quiet && stderr().is_terminal() && !between
    }
}

/// Says something on standard error, whose reader may have gone away: no reason to stop.
pub fn line(text: impl Display) {
    let _ = writeln!(stderr(), "{}", visible(&text.to_string()));
}

/// Says what went wrong.
pub fn failure(text: &str) {
    let red = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
    // Where standard error is gone there is nobody left to tell.
    let _ = writeln!(anstream::stderr(), "{red}error:{red:#} {}", visible(text));
}

/// A message as it may be shown: what it repeats of files and arguments can be of any length, and hold characters that
/// steer a terminal.
pub fn visible(text: &str) -> String {
    // Messages may have several lines.
    let kept = ['\n', '\t'];
    let all = text.chars().count();
    if all <= HEAD + TAIL {
        return escaped(text.chars(), &kept);
    }
    let left_out = all - HEAD - TAIL;
    let head = escaped(text.chars().take(HEAD), &kept);
    let tail = escaped(text.chars().skip(HEAD + left_out), &kept);
    format!("{head} [.. {left_out} characters ..] {tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_shown_as_text() {
        assert_eq!(visible("a\u{1b}]0;x\u{7}\r\u{9b}2J"), "a\\u{1b}]0;x\\u{7}\\r\\u{9b}2J");
        for mark in ['\u{61c}', '\u{200e}', '\u{200f}', '\u{202e}', '\u{2066}'] {
            assert_eq!(visible(&format!("{mark}gpj")), format!("{}gpj", mark.escape_unicode()));
        }
        assert_eq!(visible("관계 \"a\"\n\tb"), "관계 \"a\"\n\tb");
    }

    #[test]
    fn a_long_message_keeps_its_ends() {
        let shown = visible(&format!("a.tsv:1: found {}, expected 9", "가".repeat(3_000_000)));
        assert!(shown.starts_with("a.tsv:1: found 가") && shown.ends_with("가, expected 9"), "{shown}");
        assert!(shown.chars().count() < HEAD + TAIL + 40 && shown.contains(" [.. 2998"), "{shown}");
        let most = "x".repeat(HEAD + TAIL);
        assert_eq!(visible(&most), most);
    }
}
