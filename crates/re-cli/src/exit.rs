//! How a command ends: exit codes and the text of errors.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::ExitCode;

#[cfg(feature = "libtorch")]
use re_model::error::torch_message;

use crate::cleanup;
use crate::verbosity::{failure, line, visible};

/// For `--help`.
pub const CODES: &str = "\
Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted (Ctrl-C), 129 hung up, 143 terminated.
A closed pipe, as by `| head`, is no failure, unless files were asked for, too.";

/// Arguments that contradict each other in a way that the parser cannot know.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// Says what went wrong, if anything did, and which exit code tells it.
pub fn report(error: &anyhow::Error) -> ExitCode {
    if !cleanup::is_first_to_end() {
        // Another thread says why, and ends the process.
        loop {
            std::thread::park();
        }
    }
    if let Some(path) = closed_path(error) {
        return ExitCode::from(cleanup::closed_pipe(path));
    }
    failure(&message(error));
    ExitCode::from(if error.is::<Usage>() { 2 } else { 1 })
}

/// Ends the process for what the parser of the command line has to say: help, or what is wrong with an argument.
pub fn usage(error: &clap::Error) -> ! {
    let steers = |argument: OsString| {
        let argument = argument.to_string_lossy();
        visible(&argument) != argument
    };
    if error.use_stderr() && std::env::args_os().any(steers) {
        line(error.to_string().trim_end());
        std::process::exit(error.exit_code());
    }
    error.exit()
}

/// The pipe whose reader has had enough, where that is what the error is about.
fn closed_path(error: &anyhow::Error) -> Option<&Path> {
    let is_closed = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    };
    if !error.chain().any(is_closed) {
        return None;
    }
    let path = error.chain().find_map(|cause| match cause.downcast_ref() {
        Some(re_data::Error::Io { path, .. }) => Some(path.as_path()),
        _ => match cause.downcast_ref() {
            Some(re_formats::Error::Data(re_data::Error::Io { path, .. })) => Some(path.as_path()),
            _ => None,
        },
    });
    Some(path.unwrap_or(Path::new("-")))
}

/// The error and its causes, each once. A name that a cause begins with, or the file that it names lies in, is not told
/// beside it.
pub fn message(error: &anyhow::Error) -> String {
    // A library that hands on libtorch's errors as they are would show the functions that were at work.
    #[cfg(feature = "libtorch")]
    let text = |cause: &(dyn std::error::Error + 'static)| match cause.downcast_ref() {
        Some(error) => torch_message(error),
        None => cause.to_string(),
    };
    #[cfg(not(feature = "libtorch"))]
    let text = |cause: &(dyn std::error::Error + 'static)| cause.to_string();
    let causes: Vec<String> = error.chain().map(text).collect();
    let mut told: Vec<&str> = Vec::new();
    for (at, cause) in causes.iter().enumerate() {
        let is_named = |later: &String| {
            later.starts_with(&format!("{cause}:"))
                || later.starts_with(&format!("model {cause}:"))
                || later.contains(&format!("{cause}/"))
        };
        if !told.iter().any(|earlier| earlier.contains(&**cause)) && !causes.iter().skip(at + 1).any(is_named)
        {
            told.push(cause);
        }
    }
    told.join(": ")
}

/// The error of a model or a file, with its name, which is told where the error does not tell it.
pub fn about(path: &Path, error: impl Into<anyhow::Error>) -> anyhow::Error {
    let error = error.into();
    // Without a slash at its end, by which a file below it would not be known as such.
    let name = path.components().as_path();
    if name.as_os_str().is_empty() { error } else { error.context(name.display().to_string()) }
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
        assert_eq!(closed_path(&error), Some(Path::new("-")));
        assert_eq!(closed_path(&anyhow::anyhow!("broken pipe")), None);
    }

    #[cfg(feature = "libtorch")]
    #[test]
    fn libtorch_is_quoted_without_its_frames() {
        let text =
            "sizes do not match\nException raised from f at x.cpp:1 (most recent call first):\nframe #0: f\n";
        let error = anyhow::Error::new(tch::TchError::Torch(text.to_owned())).context("runs/a");
        assert_eq!(message(&error), "runs/a: Internal torch error: sizes do not match");
    }

    #[test]
    fn what_an_error_is_about_is_named_once() {
        let path = Path::new("runs/a");
        assert_eq!(message(&about(path, anyhow::anyhow!("too long"))), "runs/a: too long");
        let named = re_data::Error::io("runs/a/config.json", io::Error::other("no space"));
        assert_eq!(
            message(&about(Path::new("runs/a/"), named)),
            "runs/a/config.json: access failed: no space"
        );
        let reason = "no such folder".to_owned();
        let absent = re_model::Error::NoModel { name: path.to_owned(), reason };
        assert_eq!(message(&about(path, absent)), "model runs/a: no such folder");
        let twice = about(path, about(path, anyhow::anyhow!("too long")));
        assert_eq!(message(&twice), "runs/a: too long");
        let member = about(path, re_data::Error::io("runs/a", io::Error::other("no space")));
        assert_eq!(message(&member), "runs/a: access failed: no space");
    }
}
