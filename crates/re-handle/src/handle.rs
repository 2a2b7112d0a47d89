//! A predictor on a thread of its own.

use std::convert::Infallible;
use std::sync::Arc;
use std::thread;

use futures_channel::oneshot;
use re_data::{LabelSet, Outcomes, PredictError, Predictor, RelationExample};

use crate::client::Client;
use crate::error::{RequestError, StartError};
use crate::metrics::Metrics;
use crate::options::{HandleOptions, RequestOptions};
use crate::pending::Pending;
use crate::queue::{Outcome, Queue, Request};
use crate::turns::Caller;
use crate::worker::{Ending, Shared, caught, work};

/// Name of the worker's thread.
const THREAD: &str = "predictor";

/// A [`Predictor`] on a thread of its own. Clones of a handle use the same one, from any threads and tasks.
///
/// Requests are queued, and their rows share batches: rows of different callers take turns, so that a request of many rows
/// is cut over several batches and those of others do not wait for its end. When the last clone and the last [`Pending`]
/// are gone, the worker answers nothing more and ends; dropping a handle never waits.
pub struct Handle {
    client: Arc<Client>,
    clone: u64,
}

impl Handle {
    /// Moves a predictor to a thread of its own.
    ///
    /// # Errors
    /// [`StartError::Thread`].
    pub fn new(predictor: impl Predictor + 'static, options: HandleOptions) -> Result<Self, StartError> {
        Self::start(move || Ok::<_, Infallible>(predictor), options)
    }

    /// Makes a predictor on the thread that will own it, and waits until it is there: for one that sets up its thread, or
    /// takes long to load while others do, too.
    ///
    /// # Errors
    /// [`StartError::Predictor`] with the error of `make`, [`StartError::Panicked`] and [`StartError::Thread`].
    pub fn start<P, E>(
        make: impl FnOnce() -> Result<P, E> + Send + 'static,
        options: HandleOptions,
    ) -> Result<Self, StartError>
    where
        P: Predictor + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let shared = Arc::new(Shared::new(Queue::new(options)));
        let ending = Ending(Arc::clone(&shared));
        let (sender, receiver) = std::sync::mpsc::channel();
        let run = move || {
            // Dropped last, when the predictor is.
            let ending = ending;
            let predictor = match caught(make) {
                Ok(Ok(predictor)) => predictor,
                Ok(Err(error)) => return drop(sender.send(Err(StartError::Predictor(error.into())))),
                Err(message) => return drop(sender.send(Err(StartError::Panicked { message }))),
            };
            // Where nobody hears of it, the queue is closed as well.
            let _ = sender.send(Ok(Arc::clone(predictor.labels())));
            work(&ending.0, &predictor);
        };
        let thread = thread::Builder::new().name(THREAD.to_owned()).spawn(run).map_err(StartError::Thread)?;
        let ended = |_| Err(StartError::Panicked { message: "no message".to_owned() });
        let labels = receiver.recv().unwrap_or_else(ended)?;
        let client = Arc::new(Client::new(shared, labels, thread));
        Ok(Self { clone: client.next_clone(), client })
    }

    /// The classes that the predictor chooses from.
    pub fn labels(&self) -> &Arc<LabelSet> {
        self.client.labels()
    }

    /// Asks about rows, and waits for what becomes of each of them, in their order.
    ///
    /// # Errors
    /// Those of [`RequestError`]. What is wrong with one row is its outcome, and no error of the request.
    pub fn predict(
        &self,
        examples: impl Into<Vec<RelationExample>>,
        options: RequestOptions,
    ) -> Result<Outcomes, RequestError> {
        self.submit(examples, options).wait()
    }

    /// Asks about rows without waiting: what it gives is awaited in a task, or waited for by [`Pending::wait`].
    pub fn submit(&self, examples: impl Into<Vec<RelationExample>>, options: RequestOptions) -> Pending {
        let (rows, client) = (examples.into(), Arc::clone(&self.client));
        if rows.is_empty() {
            client.shared().lock().count_empty();
            let none = Outcomes::new(Arc::clone(client.labels()), std::iter::empty::<Outcome>());
            return Pending::ready(client, none.map_err(|error| PredictError::from(error).into()));
        }
        let caller = options.caller.map_or(Caller::Handle(self.clone), Caller::Key);
        let (sender, receiver) = oneshot::channel();
        let request = Request::new(caller, rows, options.deadline, sender);
        let number = client.shared().lock().push(request, options.when_full);
        client.shared().wake_worker();
        match number {
            Ok(number) => Pending::sent(client, number, options.deadline, receiver),
            Err(error) => Pending::ready(client, Err(error)),
        }
    }

    /// What the handle and its clones have done so far.
    pub fn metrics(&self) -> Metrics {
        self.client.shared().lock().metrics()
    }

    /// Refuses further requests of all clones, and waits until those before are answered and the predictor is dropped.
    pub fn shutdown(&self) {
        self.client.shut_down();
    }
}

/// A caller of its own, where [`RequestOptions::caller`] does not say otherwise.
impl Clone for Handle {
    fn clone(&self) -> Self {
        Self { client: Arc::clone(&self.client), clone: self.client.next_clone() }
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").field("labels", self.labels()).field("metrics", &self.metrics()).finish()
    }
}
