//! A process that ends early leaves no unfinished file behind, and says what became of its outputs.

use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, Once, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use re_data::files::{self, NewFile};
use re_data::signals::hangup_is_ignored;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::reader;
use crate::verbosity::{failure, line};

/// How long a signal waits for a file that is being created: longer only where opening it blocks, as of a pipe.
const PATIENCE: Duration = Duration::from_secs(1);

static OUTPUTS: Mutex<Vec<Entry>> = Mutex::new(Vec::new());
static ROWS: AtomicUsize = AtomicUsize::new(0);
/// What is counted.
static UNIT: OnceLock<&str> = OnceLock::new();
static ENDING: AtomicBool = AtomicBool::new(false);
static WATCH: Once = Once::new();

/// An output of this process.
struct Entry {
    path: PathBuf,
    /// The unfinished file or folder; `None` for what is written directly, such as standard output.
    partial: Option<PathBuf>,
    complete: bool,
}

/// What is written of an output of this process. Its unfinished form is removed should the process end before
/// [`Registered::complete`]; should nobody read the stream any more, the process ends.
pub struct Registered(usize);

impl Registered {
    /// Creates what `path` names. `partial` is its unfinished form; `None` for what is written directly.
    pub fn create<T>(
        path: &Path,
        create: impl FnOnce() -> Result<T>,
        partial: impl FnOnce(&T) -> Option<&Path>,
    ) -> Result<(T, Self)> {
        // Locked, so that there is no file yet of which a signal would not know.
        let mut outputs = lock();
        let mut watching = Ok(());
        WATCH.call_once(|| watching = watch());
        watching?;
        let created = create()?;
        let (number, partial) = (outputs.len(), partial(&created).map(Path::to_owned));
        if partial.is_none() {
            reader::watch(path, move |path| leave(path, number));
        }
        outputs.push(Entry { path: path.to_owned(), partial, complete: false });
        Ok((created, Self(number)))
    }

    /// All is written.
    pub fn complete(self) {
        if let Some(entry) = lock().get_mut(self.0) {
            entry.complete = true;
        }
    }
}

/// A file or stream that is written to and [registered](Registered). Training, which ends in an orderly way on signals,
/// creates its outputs when it is done.
pub struct Output {
    file: NewFile,
    registered: Registered,
}

impl Output {
    pub fn create(path: &Path) -> Result<Self> {
        let (file, registered) =
            Registered::create(path, || Ok(NewFile::create(path)?), |file| file.partial())?;
        Ok(Self { file, registered })
    }

    /// The name it was given; `-` for standard output.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Writes out what is buffered and makes a file visible.
    pub fn commit(self) -> re_data::Result<()> {
        self.file.commit()?;
        self.registered.complete();
        Ok(())
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn lock() -> MutexGuard<'static, Vec<Entry>> {
    OUTPUTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// So many rows more are done, or whatever `unit` calls them.
pub fn count(rows: usize, unit: &'static str) {
    UNIT.get_or_init(|| unit);
    ROWS.fetch_add(rows, Ordering::Relaxed);
}

/// What is counted.
fn unit() -> &'static str {
    UNIT.get().copied().unwrap_or("rows")
}

/// Whether all is written to the output with this number.
fn is_complete(number: usize) -> bool {
    lock().get(number).is_none_or(|entry| entry.complete)
}

/// The first file that was asked for and is not written.
fn unwritten() -> Option<PathBuf> {
    let outputs = lock();
    let mut files = outputs.iter().filter(|entry| entry.partial.is_some() && !entry.complete);
    files.next().map(|entry| entry.path.clone())
}

/// Whether this thread is the one that ends the process: of several that have a reason, one says so.
pub fn is_first_to_end() -> bool {
    !ENDING.swap(true, Ordering::SeqCst)
}

/// The exit code where the reader of the pipe at `path` has had enough: that is a failure, which is told, where files
/// were asked for, too, that are now not written.
pub fn closed_pipe(path: &Path) -> u8 {
    let Some(file) = unwritten() else { return 0 };
    let pipe = if path == Path::new("-") { "standard output".into() } else { path.to_string_lossy() };
    let (file, unit) = (file.display(), unit());
    failure(&format!("{file} is not written: {pipe} was closed before all {unit} were done"));
    1
}

/// Ends the process where nobody reads the output with this number any more, and it is not complete.
fn leave(path: &Path, number: usize) {
    if !is_complete(number) && is_first_to_end() {
        abandon();
        end(closed_pipe(path).into());
    }
}

fn watch() -> Result<()> {
    let hangup = Some(SIGHUP).filter(|_| !hangup_is_ignored());
    let signals = Signals::new([SIGINT, SIGTERM].into_iter().chain(hangup));
    let mut signals = signals.context("installing the Ctrl-C handler")?;
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            let first = is_first_to_end();
            let outcomes = abandon();
            if first {
                line(interruption(signal, ROWS.load(Ordering::Relaxed), &outcomes));
            }
            end(128 + signal);
        }
    });
    Ok(())
}

/// Ends the process at once: libtorch's threads may be at work, and its destructors must not run beside them.
fn end(code: i32) -> ! {
    signal_hook::low_level::exit(code)
}

/// Removes what is unfinished, and tells what became of each output. Nothing is known of them where one is being
/// created and does not come to an end.
fn abandon() -> Vec<String> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if let Ok(outputs) = OUTPUTS.try_lock() {
            return outputs.iter().map(Entry::abandon).collect();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Vec::new()
}

impl Entry {
    fn abandon(&self) -> String {
        let name =
            if self.path == Path::new("-") { "standard output".into() } else { self.path.to_string_lossy() };
        let Some(partial) = self.partial.as_ref().filter(|_| !self.complete) else {
            let state = if self.complete { "complete" } else { "not complete" };
            return format!("{name} is {state}");
        };
        let removed = match files::is_dir(partial) {
            Ok(true) => std::fs::remove_dir_all(partial),
            _ => std::fs::remove_file(partial),
        };
        match removed {
            // One that was completed just now has another name.
            Err(error) if error.kind() == ErrorKind::NotFound => format!("{name} is complete"),
            Err(error) => format!("{} is unfinished and cannot be removed: {error}", partial.display()),
            Ok(()) if self.path.symlink_metadata().is_ok() => format!("{name} is as it was"),
            Ok(()) => format!("{name} is not written"),
        }
    }
}

fn interruption(signal: i32, rows: usize, outcomes: &[String]) -> String {
    let what = match signal {
        SIGHUP => "hung up",
        SIGTERM => "terminated",
        _ => "interrupted",
    };
    let rows = if rows > 0 { format!(" after {rows} {}", unit()) } else { String::new() };
    let outcomes: String = outcomes.iter().map(|outcome| format!("; {outcome}")).collect();
    format!("{what}{rows}{outcomes}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interruption_tells_what_was_done() {
        let left = ["p.csv is not written".to_owned(), "standard output is not complete".to_owned()];
        let told = interruption(SIGTERM, 12, &left);
        assert_eq!(told, "terminated after 12 rows; p.csv is not written; standard output is not complete");
        assert_eq!(interruption(SIGINT, 0, &[]), "interrupted");
    }
}
