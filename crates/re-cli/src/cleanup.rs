//! Ctrl-C leaves no unfinished file behind.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once, PoisonError};

use anyhow::{Context, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

static PARTIAL: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
static WATCH: Once = Once::new();

/// Removes the file `partial` should a signal end the process. Training, which ends in an orderly way on signals,
/// does without.
pub fn on_signal(partial: &Path) -> Result<()> {
    PARTIAL.lock().unwrap_or_else(PoisonError::into_inner).push(partial.to_owned());
    let mut started = Ok(());
    WATCH.call_once(|| started = watch());
    started
}

fn watch() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).context("installing the Ctrl-C handler")?;
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            for path in PARTIAL.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                // One that is complete by now has another name.
                let _ = std::fs::remove_file(path);
            }
            // At once: libtorch's threads are at work, and its destructors must not run beside them.
            signal_hook::low_level::exit(128 + signal);
        }
    });
    Ok(())
}
