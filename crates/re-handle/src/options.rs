//! Settings of a handle and of a request.

use std::num::NonZeroUsize;
use std::time::Instant;

/// Settings of a [`Handle`](crate::Handle).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandleOptions {
    /// Most rows of a request, and of all requests that are not answered yet: where there are as many, others have to wait
    /// or are refused. The last one that finds room may take more than is left of it, so that there are always fewer
    /// than twice as many. Default 4096.
    pub max_rows: NonZeroUsize,
    /// The same for the bytes of their texts. Default 64 MiB.
    pub max_bytes: NonZeroUsize,
    /// Tokens of a batch, as [`Predictor::tokens`](re_data::Predictor::tokens) counts them: the next row that does not
    /// fit waits for the next batch. More tokens keep more cores busy, fewer let small requests wait less. Default 4096.
    pub batch_tokens: NonZeroUsize,
}

const fn at_least_one(number: usize) -> NonZeroUsize {
    NonZeroUsize::MIN.saturating_add(number.saturating_sub(1))
}

impl Default for HandleOptions {
    fn default() -> Self {
        Self {
            max_rows: at_least_one(4096),
            max_bytes: at_least_one(64 << 20),
            batch_tokens: at_least_one(4096),
        }
    }
}

/// What becomes of a request for which there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenFull {
    /// It waits until there is, in turn with those that wait already.
    #[default]
    Wait,
    /// It is refused with [`RequestError::Busy`](crate::RequestError::Busy).
    Refuse,
}

/// Settings of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestOptions {
    /// When the answer is of no use any more; never where left out.
    ///
    /// Rows that no batch holds by then are not computed. A thread that waits gets
    /// [`RequestError::Expired`](crate::RequestError::Expired) at once; a future is woken by the worker, when it looks for
    /// the next batch.
    pub deadline: Option<Instant>,
    /// What becomes of it where there is no room.
    pub when_full: WhenFull,
    /// Whose request it is: rows of different callers take turns, those of one caller follow each other. A server has its
    /// clients' numbers here. Where left out, each clone of the handle is a caller.
    pub caller: Option<u64>,
}
