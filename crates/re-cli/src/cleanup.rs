//! Ctrl-C and other signals leave no unfinished file behind.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use re_data::write::NewFile;
use re_train::observer::hangup_is_ignored;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// How long a signal waits for a file that is being created: longer only where opening it blocks, as of a pipe.
const PATIENCE: Duration = Duration::from_secs(1);

static PARTIAL: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
static WATCH: Once = Once::new();

/// Creates a file whose unfinished form is removed should a signal end the process. Training, which ends in an orderly
/// way on signals, does without.
pub fn create(path: &Path) -> Result<NewFile> {
    let mut watching = Ok(());
    WATCH.call_once(|| watching = watch());
    watching?;
    // Locked, so that there is no file yet of which a signal would not know.
    let mut partial = PARTIAL.lock().unwrap_or_else(PoisonError::into_inner);
    let file = NewFile::create(path)?;
    partial.extend(file.partial().map(Path::to_owned));
    Ok(file)
}

fn watch() -> Result<()> {
    let hangup = Some(SIGHUP).filter(|_| !hangup_is_ignored());
    let signals = Signals::new([SIGINT, SIGTERM].into_iter().chain(hangup));
    let mut signals = signals.context("installing the Ctrl-C handler")?;
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            let began = Instant::now();
            while !remove() && began.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(10));
            }
            // At once: libtorch's threads are at work, and its destructors must not run beside them.
            signal_hook::low_level::exit(128 + signal);
        }
    });
    Ok(())
}

/// Removes the unfinished files, unless one is being created.
fn remove() -> bool {
    let Ok(partial) = PARTIAL.try_lock() else { return false };
    for path in partial.iter() {
        // One that is complete by now has another name.
        let _ = std::fs::remove_file(path);
    }
    true
}
