//! Why a request has no outcomes.

use re_data::PredictError;

/// Why a request has no outcomes. What is wrong with one row is among its
/// [`Outcomes`](re_data::Outcomes).
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// There is no room for it, and it was not to wait.
    #[error(
        "the queue is full: {rows} rows do not fit, {unanswered} of at most {max_rows} are waiting or running"
    )]
    Busy {
        /// Its rows.
        rows: usize,
        /// Rows of other requests that are queued or being computed.
        unanswered: usize,
        /// [`HandleOptions::max_rows`](crate::HandleOptions::max_rows).
        max_rows: usize,
    },
    /// There will never be room for it.
    #[error(
        "the request is too large: {rows} rows and {bytes} bytes, expected at most {max_rows} rows and {max_bytes} bytes"
    )]
    TooLarge {
        /// Its rows.
        rows: usize,
        /// Bytes of their texts.
        bytes: usize,
        /// [`HandleOptions::max_rows`](crate::HandleOptions::max_rows).
        max_rows: usize,
        /// [`HandleOptions::max_bytes`](crate::HandleOptions::max_bytes).
        max_bytes: usize,
    },
    /// Its deadline came before its answer.
    #[error("the deadline has passed")]
    Expired,
    /// It came after the shutdown.
    #[error("the handle is shut down")]
    ShutDown,
    /// The worker ended before it had answered.
    #[error("the worker has ended without an answer")]
    WorkerEnded,
    /// The predictor panicked over a batch that held rows of it. Other requests are answered.
    #[error("the predictor panicked: {message}")]
    Panicked {
        /// What it said.
        message: String,
    },
    /// The predictor failed over a batch that held rows of it.
    #[error(transparent)]
    Predict(#[from] PredictError),
}

/// Why there is no handle.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The system gave no thread.
    #[error("no thread could be started for the predictor")]
    Thread(#[source] std::io::Error),
    /// The predictor could not be made.
    #[error(transparent)]
    Predictor(Box<dyn std::error::Error + Send + Sync>),
    /// What makes the predictor panicked.
    #[error("loading the predictor panicked: {message}")]
    Panicked {
        /// What it said.
        message: String,
    },
}
