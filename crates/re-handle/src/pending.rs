//! A request on its way.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use futures_channel::oneshot;

use crate::client::Client;
use crate::error::RequestError;
use crate::queue::{Answer, Fate};

/// A request on its way: a future of its [`Outcomes`](re_data::Outcomes), for any executor.
///
/// The request is on its way before it is polled. Who drops it, as a timeout or a `select` does, cancels it: rows that no
/// batch holds yet are not computed, and their room is free at once.
#[must_use = "a request that nobody waits for is cancelled"]
pub struct Pending {
    client: Arc<Client>,
    state: State,
}

enum State {
    /// The answer is here.
    Ready(Answer),
    /// It will come.
    Sent { number: u64, deadline: Option<Instant>, receiver: oneshot::Receiver<Answer> },
    /// It was handed on.
    Done,
}

impl Pending {
    pub(crate) fn ready(client: Arc<Client>, answer: Answer) -> Self {
        Self { client, state: State::Ready(answer) }
    }

    pub(crate) fn sent(
        client: Arc<Client>,
        number: u64,
        deadline: Option<Instant>,
        receiver: oneshot::Receiver<Answer>,
    ) -> Self {
        Self { client, state: State::Sent { number, deadline, receiver } }
    }

    /// Waits on this thread, until the deadline at the latest.
    ///
    /// # Errors
    /// As [`Handle::predict`](crate::Handle::predict).
    pub fn wait(mut self) -> Answer {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            if let Poll::Ready(answer) = Pin::new(&mut self).poll(&mut context) {
                return answer;
            }
            let left = match &self.state {
                State::Sent { deadline: Some(deadline), .. } => {
                    Some(deadline.saturating_duration_since(Instant::now()))
                }
                _ => None,
            };
            match left {
                None => thread::park(),
                Some(Duration::ZERO) => {
                    if self.give_up() {
                        return Err(RequestError::Expired);
                    }
                    // The answer was there first, and is being handed on.
                    if let State::Sent { deadline, .. } = &mut self.state {
                        *deadline = None;
                    }
                }
                Some(left) => thread::park_timeout(left),
            }
        }
    }

    /// Takes the request back; false where it is answered, or was never sent.
    fn give_up(&self) -> bool {
        let State::Sent { number, deadline, .. } = self.state else { return false };
        let expired = deadline.is_some_and(|deadline| deadline <= Instant::now());
        let fate = if expired { Fate::Expired } else { Fate::Cancelled };
        // Dropped when the queue is free again.
        let request = self.client.shared().lock().remove(number, fate);
        request.is_some()
    }
}

impl Future for Pending {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        let answer = match std::mem::replace(&mut self.state, State::Done) {
            State::Ready(answer) => answer,
            State::Sent { number, deadline, mut receiver } => match Pin::new(&mut receiver).poll(context) {
                Poll::Ready(answer) => answer.unwrap_or(Err(RequestError::WorkerEnded)),
                Poll::Pending => {
                    self.state = State::Sent { number, deadline, receiver };
                    return Poll::Pending;
                }
            },
            // Polled again after its end, which no executor does: there is nothing to come.
            State::Done => Err(RequestError::WorkerEnded),
        };
        Poll::Ready(answer)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let done = !matches!(self.state, State::Sent { .. });
        f.debug_struct("Pending").field("done", &done).finish_non_exhaustive()
    }
}

/// Wakes a thread that waits.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
