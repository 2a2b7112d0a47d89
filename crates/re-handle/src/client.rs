//! What all clones of a handle hold together.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle, ThreadId};

use re_data::LabelSet;

use crate::worker::Shared;

/// The other end of a worker. The worker ends when the last clone of the handle and the last pending request are gone.
pub(crate) struct Client {
    shared: Arc<Shared>,
    labels: Arc<LabelSet>,
    worker: ThreadId,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Number of the next clone.
    clones: AtomicU64,
}

impl Client {
    pub(crate) fn new(shared: Arc<Shared>, labels: Arc<LabelSet>, thread: JoinHandle<()>) -> Self {
        let (worker, thread) = (thread.thread().id(), Mutex::new(Some(thread)));
        Self { shared, labels, worker, thread, clones: AtomicU64::new(0) }
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(crate) fn labels(&self) -> &Arc<LabelSet> {
        &self.labels
    }

    /// A number for a clone of the handle.
    pub(crate) fn next_clone(&self) -> u64 {
        self.clones.fetch_add(1, Ordering::Relaxed)
    }

    /// Refuses requests, and waits until those that were taken in are answered and the worker has ended.
    pub(crate) fn shut_down(&self) {
        self.shared.close();
        // What an answer wakes may run on the worker's thread, which cannot wait for itself.
        if thread::current().id() == self.worker {
            return;
        }
        // Held while one waits, so that others wait as well.
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take() {
            // Where it has panicked, those who waited for answers have been told.
            let _ = thread.join();
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.shared.close();
    }
}
