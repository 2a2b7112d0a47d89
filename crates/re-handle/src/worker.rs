//! The thread that owns a predictor.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use re_data::{Outcomes, PredictError, Predictor, RelationExample};

use crate::error::RequestError;
use crate::queue::{Answer, Batch, Queue, Request};

/// What a worker and its handles have in common.
pub(crate) struct Shared {
    queue: Mutex<Queue>,
    /// There is something to do for the worker.
    work: Condvar,
}

impl Shared {
    pub(crate) fn new(queue: Queue) -> Self {
        Self { queue: Mutex::new(queue), work: Condvar::new() }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn wake_worker(&self) {
        self.work.notify_one();
    }

    /// Refuses requests from now on; the worker ends when those that it has are answered.
    pub(crate) fn close(&self) {
        self.lock().close();
        self.wake_worker();
    }
}

/// However the worker ends, nobody waits for it after that.
pub(crate) struct Ending(pub(crate) Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        let abandoned = self.0.lock().abandon();
        abandoned.into_iter().for_each(|request| send(request, Err(RequestError::WorkerEnded)));
    }
}

/// Answers requests until there are none and there will be none.
pub(crate) fn work(shared: &Shared, predictor: &dyn Predictor) {
    // A row whose tokens cannot be told gets a batch for itself.
    let tokens = |row: &RelationExample| caught(|| predictor.tokens(row)).unwrap_or(usize::MAX);
    loop {
        let mut queue = shared.lock();
        let (expired, batch) = loop {
            let (expired, batch) = (queue.expired(Instant::now()), queue.next_batch(tokens));
            if !expired.is_empty() || !batch.rows.is_empty() {
                break (expired, batch);
            }
            if queue.is_closed() {
                return;
            }
            queue = shared.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
        };
        drop(queue);
        expired.into_iter().for_each(|request| send(request, Err(RequestError::Expired)));
        if !batch.rows.is_empty() {
            compute(shared, predictor, batch);
        }
    }
}

fn compute(shared: &Shared, predictor: &dyn Predictor, batch: Batch) {
    let Batch { requests, rows, .. } = batch;
    let outcomes = caught(|| predictor.outcomes(&rows)?.checked_for(&rows));
    let outcomes = match outcomes {
        Ok(outcomes) => outcomes.map_err(RequestError::Predict),
        Err(message) => Err(RequestError::Panicked { message }),
    };
    match outcomes {
        Ok(outcomes) => {
            let labels = outcomes.labels();
            let answers = rows.iter().zip(outcomes.rows()).map(|(row, outcome)| match outcome {
                Ok(values) => Ok((row.id().to_owned(), values.to_vec())),
                Err(error) => Err(error.clone()),
            });
            let answers = answers.collect();
            let completed = shared.lock().settle(&requests, answers);
            for mut request in completed {
                let rows = std::mem::take(&mut request.outcomes);
                let answer = Outcomes::new(Arc::clone(labels), rows).map_err(PredictError::from);
                send(request, answer.map_err(RequestError::Predict));
            }
        }
        Err(error) => {
            let failed = shared.lock().fail(&requests);
            failed.into_iter().for_each(|request| send(request, Err(error.clone())));
        }
    }
}

/// Hands an answer on. What is woken by it may run here, and panic.
fn send(request: Request, answer: Answer) {
    // Where it cannot be handed on, nobody waits for it any more.
    let _ = caught(|| request.sender.send(answer));
}

/// What `run` gives, or the message with which it panicked.
pub(crate) fn caught<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    // What panics here is used again: predictors are used by reference, and their own state is theirs to keep.
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| message(&*panic))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message").to_owned()
}

#[cfg(test)]
mod tests {
    use futures_channel::oneshot;
    use re_data::{ByteSpan, Entity};

    use super::*;
    use crate::options::{HandleOptions, WhenFull};
    use crate::turns::Caller;

    #[test]
    fn nobody_waits_for_a_worker_that_has_ended() {
        let shared = Arc::new(Shared::new(Queue::new(HandleOptions::default())));
        let entity = || Entity::new(ByteSpan::with_len(0, 1));
        let row = || RelationExample::new("1", "x", [entity(), entity()]).unwrap();
        let request = || {
            let (sender, receiver) = oneshot::channel();
            (Request::new(Caller::Key(0), vec![row()], None, sender), receiver)
        };
        let (first, mut receiver) = request();
        shared.lock().push(first, WhenFull::Wait).unwrap();
        drop(Ending(Arc::clone(&shared)));
        assert!(matches!(receiver.try_recv(), Ok(Some(Err(RequestError::WorkerEnded)))));
        let refused = shared.lock().push(request().0, WhenFull::Wait);
        assert!(matches!(refused, Err(RequestError::ShutDown)));
        assert_eq!(shared.lock().metrics().requests.failed, 1);
    }

    #[test]
    fn panics_are_told_by_their_message() {
        assert_eq!(caught(|| 1), Ok(1));
        assert_eq!(caught(|| panic!("{} rows", 2)), Err::<(), _>("2 rows".to_owned()));
        assert_eq!(caught(|| std::panic::panic_any(7)), Err::<(), _>("no message".to_owned()));
    }
}
