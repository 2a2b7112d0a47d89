//! How a command ends: exit codes and the text of errors.

use std::io::{self, Write};
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};

/// For `--help`.
pub const CODES: &str = "\
Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted (Ctrl-C), 129 hung up, 143 terminated.
A closed pipe, as by `| head`, is no failure.";

/// Arguments that contradict each other in a way that the parser cannot know.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// Says what went wrong, if anything did, and which exit code tells it.
pub fn report(error: &anyhow::Error) -> ExitCode {
    if is_closed_pipe(error) {
        return ExitCode::SUCCESS;
    }
    let red = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
    // Where standard error is gone there is nobody left to tell.
    let _ = writeln!(anstream::stderr(), "{red}error:{red:#} {}", message(error));
    ExitCode::from(if error.is::<Usage>() { 2 } else { 1 })
}

/// Whether a reader has had enough.
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}

/// The error and its causes.
fn message(error: &anyhow::Error) -> String {
    format!("{error:#}")
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn causes_follow_each_once() {
        let io = || io::Error::other("no space");
        let error = re_data::Error::io("a.tsv", io());
        assert_eq!(message(&anyhow::Error::new(error)), "a.tsv: access failed: no space");
        let error = anyhow::Error::new(io()).context("copying").context("a.tsv");
        assert_eq!(message(&error), "a.tsv: copying: no space");
    }

    #[test]
    fn a_closed_pipe_is_found_below_other_errors() {
        let closed = || io::Error::from(io::ErrorKind::BrokenPipe);
        let error = Err::<(), _>(re_data::Error::io("-", closed())).context("writing").unwrap_err();
        assert!(is_closed_pipe(&error));
        assert!(!is_closed_pipe(&anyhow::anyhow!("broken pipe")));
    }
}
