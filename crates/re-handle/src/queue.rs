//! Requests and the order in which their rows are computed.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use futures_channel::oneshot;
use re_data::{Outcomes, RelationExample, RowError};

use crate::error::RequestError;
use crate::metrics::{Counts, Metrics, microseconds};
use crate::options::{HandleOptions, WhenFull};
use crate::turns::{Caller, Turns};

/// What a request gets.
pub(crate) type Answer = Result<Outcomes, RequestError>;
/// What became of a row, with its id.
pub(crate) type Outcome = Result<(String, Vec<f32>), RowError>;

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Answered,
    Failed,
    Expired,
    Cancelled,
}

/// Room that rows take up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Size {
    rows: usize,
    bytes: usize,
}

/// Rows that were asked about together.
pub(crate) struct Request {
    caller: Caller,
    /// Rows that no batch has held.
    rows: VecDeque<RelationExample>,
    size: Size,
    since: Instant,
    deadline: Option<Instant>,
    /// What became of the first rows.
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) sender: oneshot::Sender<Answer>,
}

impl Request {
    pub(crate) fn new(
        caller: Caller,
        rows: Vec<RelationExample>,
        deadline: Option<Instant>,
        sender: oneshot::Sender<Answer>,
    ) -> Self {
        let bytes = rows.iter().map(|row| row.text().len()).sum();
        let size = Size { rows: rows.len(), bytes };
        let rows = VecDeque::from(rows);
        Self { caller, rows, size, since: Instant::now(), deadline, outcomes: Vec::new(), sender }
    }
}

/// Rows that are computed together, each with the number of its request.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) requests: Vec<u64>,
    pub(crate) rows: Vec<RelationExample>,
    tokens: usize,
}

/// All requests that are not answered.
pub(crate) struct Queue {
    options: HandleOptions,
    requests: HashMap<u64, Request>,
    /// Number of the next request.
    next: u64,
    /// Those with rows that no batch has held.
    queued: Turns,
    /// Those that there was no room for.
    waiting: Turns,
    /// Of all requests but those that wait.
    used: Size,
    /// Whether new requests are refused.
    closed: bool,
    metrics: Metrics,
}

impl Queue {
    pub(crate) fn new(options: HandleOptions) -> Self {
        Self {
            options,
            requests: HashMap::new(),
            next: 0,
            queued: Turns::default(),
            waiting: Turns::default(),
            used: Size::default(),
            closed: false,
            metrics: Metrics::default(),
        }
    }

    /// Takes a request in and gives it a number, or says why not.
    pub(crate) fn push(&mut self, request: Request, when_full: WhenFull) -> Result<u64, RequestError> {
        let Size { rows, bytes } = request.size;
        let (max_rows, max_bytes) = (self.options.max_rows.get(), self.options.max_bytes.get());
        let refused = if self.closed {
            Some(RequestError::ShutDown)
        } else if rows > max_rows || bytes > max_bytes {
            Some(RequestError::TooLarge { rows, bytes, max_rows, max_bytes })
        } else if when_full == WhenFull::Refuse && !self.has_room() {
            Some(RequestError::Busy { rows, unanswered: self.used.rows, max_rows })
        } else {
            None
        };
        if let Some(error) = refused {
            self.metrics.requests.rejected += 1;
            self.metrics.rows.rejected += rows as u64;
            return Err(error);
        }
        let number = self.next;
        self.next += 1;
        self.waiting.push(request.caller, number);
        self.requests.insert(number, request);
        self.let_in();
        Ok(number)
    }

    /// Whether another request may come in. None of those that wait could then: they have been let in.
    fn has_room(&self) -> bool {
        self.used.rows < self.options.max_rows.get() && self.used.bytes < self.options.max_bytes.get()
    }

    /// Lets requests in that wait, as long as there is room.
    fn let_in(&mut self) {
        while self.has_room()
            && let Some(number) = self.waiting.first()
            && let Some(request) = self.requests.get(&number)
        {
            self.waiting.next_turn();
            self.waiting.remove(request.caller, number);
            self.queued.push(request.caller, number);
            self.used.rows += request.size.rows;
            self.used.bytes += request.size.bytes;
        }
    }

    /// Takes a request out, wherever it is; `None` where it is out already.
    pub(crate) fn remove(&mut self, number: u64, fate: Fate) -> Option<Request> {
        let request = self.requests.remove(&number)?;
        if !self.waiting.remove(request.caller, number) {
            self.queued.remove(request.caller, number);
            self.used.rows -= request.size.rows;
            self.used.bytes -= request.size.bytes;
        }
        self.count(&request, fate);
        self.let_in();
        Some(request)
    }

    fn count(&mut self, request: &Request, fate: Fate) {
        let slot = |counts: &mut Counts, number: u64| {
            *match fate {
                Fate::Answered => &mut counts.answered,
                Fate::Failed => &mut counts.failed,
                Fate::Expired => &mut counts.expired,
                Fate::Cancelled => &mut counts.cancelled,
            } += number;
        };
        let rows = request.size.rows as u64;
        let failed = match fate {
            Fate::Answered => request.outcomes.iter().filter(|outcome| outcome.is_err()).count() as u64,
            _ => 0,
        };
        slot(&mut self.metrics.requests, 1);
        slot(&mut self.metrics.rows, rows - failed);
        self.metrics.rows.failed += failed;
    }

    /// Takes out the requests whose deadline has passed.
    pub(crate) fn expired(&mut self, now: Instant) -> Vec<Request> {
        let is_expired = |request: &Request| request.deadline.is_some_and(|deadline| deadline <= now);
        let expired: Vec<u64> = self
            .requests
            .iter()
            .filter(|(_, request)| is_expired(request))
            .map(|(&number, _)| number)
            .collect();
        expired.into_iter().filter_map(|number| self.remove(number, Fate::Expired)).collect()
    }

    /// The next rows to be computed: one of each caller in turn, as long as their tokens fit into a batch; one where it does
    /// not fit by itself, none where nothing is queued.
    pub(crate) fn next_batch(&mut self, tokens: impl Fn(&RelationExample) -> usize) -> Batch {
        let mut batch = Batch::default();
        let now = Instant::now();
        while let Some(number) = self.queued.first()
            && let Some(request) = self.requests.get_mut(&number)
            && let Some(row) = request.rows.front()
        {
            let filled = batch.tokens.saturating_add(tokens(row).max(1));
            if filled > self.options.batch_tokens.get() && !batch.rows.is_empty() {
                break;
            }
            if request.rows.len() == request.size.rows {
                self.metrics.wait.add(microseconds(now.saturating_duration_since(request.since)));
            }
            batch.tokens = filled;
            batch.requests.push(number);
            batch.rows.extend(request.rows.pop_front());
            self.queued.next_turn();
            if request.rows.is_empty() {
                self.queued.remove(request.caller, number);
            }
        }
        if !batch.rows.is_empty() {
            self.metrics.batch_rows.add(batch.rows.len() as u64);
            self.metrics.batch_tokens.add(batch.tokens as u64);
        }
        batch
    }

    /// Takes in what became of the rows of a batch, and takes out the requests that it completes.
    pub(crate) fn settle(&mut self, batch: &[u64], outcomes: Vec<Outcome>) -> Vec<Request> {
        let mut completed = Vec::new();
        for (&number, outcome) in batch.iter().zip(outcomes) {
            // Others are gone: cancelled or expired.
            if let Some(request) = self.requests.get_mut(&number) {
                request.outcomes.push(outcome);
                if request.outcomes.len() == request.size.rows {
                    completed.extend(self.remove(number, Fate::Answered));
                }
            }
        }
        completed
    }

    /// Takes out the requests of a batch that failed.
    pub(crate) fn fail(&mut self, batch: &[u64]) -> Vec<Request> {
        batch.iter().filter_map(|&number| self.remove(number, Fate::Failed)).collect()
    }

    /// Takes out all requests: nobody is left to answer them.
    pub(crate) fn abandon(&mut self) -> Vec<Request> {
        self.closed = true;
        let all: Vec<u64> = self.requests.keys().copied().collect();
        self.fail(&all)
    }

    /// Refuses requests from now on.
    pub(crate) fn close(&mut self) {
        self.closed = true;
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Counts a request that is answered without being taken in.
    pub(crate) fn count_empty(&mut self) {
        self.metrics.requests.answered += 1;
    }

    pub(crate) fn metrics(&self) -> Metrics {
        let rows = |number| self.requests.get(&number).map_or(0, |request| request.rows.len());
        Metrics {
            queued_requests: self.queued.all().count(),
            queued_rows: self.queued.all().map(rows).sum(),
            waiting_requests: self.waiting.all().count(),
            unanswered_rows: self.used.rows,
            ..self.metrics.clone()
        }
    }
}
