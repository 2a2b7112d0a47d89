//! A thread that owns a relation classifier, and handles by which any number of threads and tasks use it.
//!
//! A trained model is used by one thread at a time, and computes fastest where many rows come at once. A [`Handle`] brings
//! the two together: it is `Clone`, `Send` and `Sync`, and its worker fills batches with the rows of whoever asks. There is
//! no runtime in it and no HTTP; [`Handle::predict`] waits on a thread, what [`Handle::submit`] gives is a future for any
//! executor.
//!
//! | about | see |
//! |---|---|
//! | how much is queued, and how large batches are | [`HandleOptions`] |
//! | deadlines, full queues, whose turn it is | [`RequestOptions`] |
//! | what a request gets: one outcome for each row | [`re_data::Outcomes`] |
//! | why it may get none | [`RequestError`] |
//! | cancelling | [`Pending`] |
//! | queue length, waiting times, batch sizes | [`Metrics`] |
//!
//! # From threads and from tokio
//! ```
//! use std::sync::Arc;
//! use std::time::{Duration, Instant};
//!
//! use re_data::{ByteSpan, Entity, LabelSet, Outcomes, PredictError, Predictor, RelationExample};
//! use re_handle::{Handle, HandleOptions, RequestError, RequestOptions, WhenFull};
//!
//! /// Stands for a model: `re_model::RelationClassifier`, or what `load_predictor` loads.
//! struct Model(Arc<LabelSet>);
//!
//! impl Predictor for Model {
//!     fn labels(&self) -> &Arc<LabelSet> {
//!         &self.0
//!     }
//!
//!     fn outcomes(&self, examples: &[RelationExample]) -> Result<Outcomes, PredictError> {
//!         let rows = examples.iter().map(|example| Ok((example.id().to_owned(), [0.25, 0.75])));
//!         Ok(Outcomes::new(Arc::clone(&self.0), rows)?)
//!     }
//! }
//!
//! fn rows(of: &str) -> Vec<RelationExample> {
//!     let entity = |start, len| Entity::new(ByteSpan::with_len(start, len));
//!     let row = |number| {
//!         let entities = [entity(0, 5), entity(12, 6)];
//!         RelationExample::new(format!("{of}-{number}"), "Marie loves Pierre.", entities)
//!     };
//!     (0..3).map(row).collect::<Result<_, _>>().expect("the entities lie in the text")
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // The model is loaded on the thread that will own it.
//! let handle = Handle::start(
//!     || {
//!         let labels = LabelSet::new(["no_relation", "spouse"])?;
//!         Ok::<_, re_data::Error>(Model(Arc::new(labels)))
//!     },
//!     HandleOptions::default(),
//! )?;
//!
//! // From threads, each with a clone of its own, which makes it a caller of its own.
//! std::thread::scope(|scope| {
//!     for thread in ["a", "b"] {
//!         let handle = handle.clone();
//!         scope.spawn(move || match handle.predict(rows(thread), RequestOptions::default()) {
//!             Ok(outcomes) => {
//!                 for row in outcomes.predictions() {
//!                     match row {
//!                         Ok(row) => println!("{}: {}", row.id, row.label),
//!                         Err(error) => println!("{error}"),
//!                     }
//!                 }
//!             }
//!             Err(error) => println!("no answer: {error}"),
//!         });
//!     }
//! });
//!
//! // From tokio: each client is a caller, and is told when there is no room. Rows that are not computed after a minute are of
//! // no use to it any more; `tokio::time::timeout` around the future cancels it as well.
//! async fn answer(handle: &Handle, client: u64) -> Result<usize, RequestError> {
//!     let options = RequestOptions {
//!         deadline: Some(Instant::now() + Duration::from_secs(60)),
//!         when_full: WhenFull::Refuse,
//!         caller: Some(client),
//!     };
//!     let outcomes = handle.submit(rows(&client.to_string()), options).await?;
//!     Ok(outcomes.answered().len())
//! }
//! let runtime = tokio::runtime::Builder::new_current_thread().build()?;
//! let answered = runtime.block_on(async {
//!     let tasks: Vec<_> = (0..2)
//!         .map(|client| {
//!             let handle = handle.clone();
//!             tokio::spawn(async move { answer(&handle, client).await })
//!         })
//!         .collect();
//!     let mut answered = 0;
//!     for task in tasks {
//!         answered += task.await??;
//!     }
//!     Ok::<_, Box<dyn std::error::Error>>(answered)
//! })?;
//! assert_eq!(answered, 6);
//!
//! // What is queued is answered first.
//! handle.shutdown();
//! let metrics = handle.metrics();
//! println!("{} requests, {:.1} rows a batch", metrics.requests.answered, metrics.batch_rows.mean());
//! assert_eq!(metrics.rows.answered, 12);
//! # Ok(())
//! # }
//! ```

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod client;
pub mod error;
pub mod handle;
pub mod metrics;
pub mod options;
pub mod pending;
mod queue;
mod turns;
mod worker;

pub use error::{RequestError, StartError};
pub use handle::Handle;
pub use metrics::{Counts, Distribution, Metrics};
pub use options::{HandleOptions, RequestOptions, WhenFull};
pub use pending::Pending;
