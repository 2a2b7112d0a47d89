//! A predictor that does what its rows say, one batch at a time as a test lets it, and an executor.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "shared by test files that each use a part of it"
)]

use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use re_data::{ByteSpan, Entity, LabelSet, Outcomes, PredictError, Predictor, RelationExample, RowError};
use re_handle::{Handle, HandleOptions};

/// A row of a token for each character of `text`.
pub fn row(id: impl Into<String>, text: &str) -> RelationExample {
    let entity = || Entity::new(ByteSpan::with_len(0, 1));
    RelationExample::new(id, text, [entity(), entity()]).unwrap()
}

/// Rows of one token each, with the ids `of-0`, `of-1`, ...
pub fn rows(of: &str, count: usize) -> Vec<RelationExample> {
    (0..count).map(|number| row(format!("{of}-{number}"), "x")).collect()
}

pub fn labels() -> Arc<LabelSet> {
    Arc::new(LabelSet::new(["a", "b"]).unwrap())
}

/// What a [`Scripted`] says of a row.
pub fn probabilities(id: &str) -> [f32; 2] {
    let first = id.bytes().map(f32::from).sum::<f32>() % 64.0 / 64.0;
    [first, 1.0 - first]
}

/// Answers rows by their ids: those that hold `bad` fail, and a batch with one that holds `panic`, `error`, `astray` or
/// `short` panics, fails, or is answered for other rows or fewer.
pub struct Scripted {
    pub labels: Arc<LabelSet>,
    /// Is told the ids of each batch, before it is computed.
    pub batches: Option<Sender<Vec<String>>>,
    /// Each batch waits for its turn here.
    pub turn: Option<Receiver<()>>,
    /// Is told when the predictor is gone: it is dropped with it.
    pub gone: Option<Sender<()>>,
}

impl Default for Scripted {
    fn default() -> Self {
        Self { labels: labels(), batches: None, turn: None, gone: None }
    }
}

impl Predictor for Scripted {
    fn labels(&self) -> &Arc<LabelSet> {
        &self.labels
    }

    fn outcomes(&self, examples: &[RelationExample]) -> Result<Outcomes, PredictError> {
        let ids: Vec<String> = examples.iter().map(|example| example.id().to_owned()).collect();
        if let Some(batches) = &self.batches {
            // A test that ends does not listen.
            let _ = batches.send(ids.clone());
        }
        if let Some(turn) = &self.turn {
            // Without the test, all goes on.
            let _ = turn.recv();
        }
        let holds = |what: &str| ids.iter().any(|id| id.contains(what));
        assert!(!holds("panic"), "a row was to panic");
        if holds("error") {
            return Err(PredictError::model("a row was to fail"));
        }
        let rows = examples.iter().skip(usize::from(holds("short"))).map(|example| {
            let id = example.id();
            if id.contains("bad") {
                return Err(RowError::new(id, "this row was to fail"));
            }
            Ok((if id.contains("astray") { "other".to_owned() } else { id.to_owned() }, probabilities(id)))
        });
        Ok(Outcomes::new(Arc::clone(&self.labels), rows)?)
    }

    fn tokens(&self, example: &RelationExample) -> usize {
        assert!(example.id() != "uncounted", "a row was to panic");
        example.text().len()
    }
}

/// A handle whose predictor computes a batch when it is told to.
pub struct Stepped {
    pub handle: Handle,
    batches: Receiver<Vec<String>>,
    turn: Option<Sender<()>>,
    gone: Receiver<()>,
}

impl Stepped {
    pub fn new(options: HandleOptions) -> Self {
        let ((batch, batches), (turn, turns), (gone, is_gone)) = (channel(), channel(), channel());
        let scripted =
            Scripted { batches: Some(batch), turn: Some(turns), gone: Some(gone), ..Scripted::default() };
        let handle = Handle::new(scripted, options).unwrap();
        Self { handle, batches, turn: Some(turn), gone: is_gone }
    }

    /// Waits until the worker holds a batch, and gives its ids. It computes it when [`go`](Self::go) says so.
    pub fn batch(&self) -> Vec<String> {
        self.batches.recv().unwrap()
    }

    /// Lets the worker compute the batch that it holds.
    pub fn go(&self) {
        self.turn.as_ref().unwrap().send(()).unwrap();
    }

    /// Lets the worker compute all batches, and gives the ids of those that were not asked for.
    pub fn run(&mut self) -> Vec<Vec<String>> {
        self.turn = None;
        self.handle.shutdown();
        self.batches.try_iter().collect()
    }

    /// The same without a handle: waits until the predictor is gone.
    pub fn run_without_handle(self) -> Vec<Vec<String>> {
        let Self { handle, batches, turn, gone } = self;
        drop((turn, handle));
        assert!(gone.recv().is_err(), "nothing is ever sent");
        batches.try_iter().collect()
    }
}

pub fn options(max_rows: usize, batch_tokens: usize) -> HandleOptions {
    let at_least_one = |number| NonZeroUsize::new(number).unwrap();
    HandleOptions {
        max_rows: at_least_one(max_rows),
        batch_tokens: at_least_one(batch_tokens),
        ..HandleOptions::default()
    }
}

/// Runs futures on this thread, in turn as they are woken, and gives what they gave in their order.
pub fn block_on_all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut futures: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    loop {
        for (future, output) in futures.iter_mut().filter(|(_, output)| output.is_none()) {
            if let Poll::Ready(ready) = future.as_mut().poll(&mut context) {
                *output = Some(ready);
            }
        }
        if futures.iter().all(|(_, output)| output.is_some()) {
            return futures.into_iter().filter_map(|(_, output)| output).collect();
        }
        thread::park();
    }
}

pub fn block_on<F: Future>(future: F) -> F::Output {
    block_on_all([pin!(future)]).pop().unwrap()
}
