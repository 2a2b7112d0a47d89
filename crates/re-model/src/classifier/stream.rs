//! Any number of examples in constant memory.

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use re_data::stream::chunk;
use re_data::{EncodeReport, Encoded, ExampleEncoder, Outcomes, RelationExample};

use super::RelationClassifier;
use crate::error::{Error, Result};

/// Some examples of a stream, classified.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PredictedChunk {
    /// The examples, in the order of the stream.
    pub examples: Vec<RelationExample>,
    /// What became of each of them.
    pub outcomes: Outcomes,
    /// What encoding did to those that were answered.
    pub encoding: EncodeReport,
}

/// Some examples of a stream, ready for the model.
struct Rows {
    examples: Vec<RelationExample>,
    encoded: Vec<re_data::Result<Encoded>>,
    report: EncodeReport,
}

impl RelationClassifier {
    /// Classifies a stream of examples, such as the readers of `re-formats` give, and hands them
    /// on in its order, `rows` at a time (the last time fewer, and fewer where rows are so long that their texts come to
    /// 16 MiB, see [`chunk`]).
    ///
    /// At most twice as many are in memory: while the model computes, the next ones are read and encoded on
    /// other threads. Rows of similar length among them share a forward pass, so that some thousand at a time are
    /// faster than a few.
    ///
    /// The stream is owned by a thread that reads it, and that an error does not wait for: a stream that blocks, such
    /// as a pipe that nobody writes to, then keeps this thread and nothing else.
    ///
    /// ```no_run
    /// # use re_formats::read::{ExampleReader, ReadOptions};
    /// # use re_model::RelationClassifier;
    /// let classifier = RelationClassifier::from_pretrained("runs/xlmr/checkpoint-001600")?;
    /// let reader = ExampleReader::open("large.tsv", &ReadOptions::default())?;
    /// classifier.predict_stream(reader, 4096.try_into()?, |chunk| {
    ///     for row in chunk.outcomes.predictions() {
    ///         match row {
    ///             Ok(row) => println!("{}\t{}", row.id, row.label),
    ///             Err(error) => eprintln!("{error}"),
    ///         }
    ///     }
    ///     Ok::<(), Box<dyn std::error::Error>>(())
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The first one of the stream, of the model, or of `receive`. What stands before the chunk in which it occurred has
    /// then been handed on. A row that cannot be encoded ends nothing: its error is its outcome.
    pub fn predict_stream<S: Send + 'static, E: From<Error> + From<S>>(
        &self,
        examples: impl Iterator<Item = Result<RelationExample, S>> + Send + 'static,
        rows: NonZeroUsize,
        mut receive: impl FnMut(PredictedChunk) -> Result<(), E>,
    ) -> Result<(), E> {
        let encoder = Arc::clone(&self.encoder);
        // Without a buffer: the one chunk that is ready waits in the hands of its thread.
        let (sender, receiver) = sync_channel(0);
        let reader = std::thread::spawn(move || {
            let mut examples = examples.fuse();
            while let Some(chunk) = next_rows(&encoder, &mut examples, rows).transpose() {
                let failed = chunk.is_err();
                // Nobody listens once `receive` has failed.
                if sender.send(chunk).is_err() || failed {
                    return;
                }
            }
        });
        for chunk in receiver {
            receive(self.classify(chunk?)?)?;
        }
        // A panic must not look like the end of the stream.
        reader.join().unwrap_or_else(|panic| resume_unwind(panic));
        Ok(())
    }

    fn classify(&self, rows: Rows) -> Result<PredictedChunk> {
        let Rows { examples, encoded, report } = rows;
        let outcomes = self.outcomes_of(&examples, encoded)?;
        Ok(PredictedChunk { examples, outcomes, encoding: report })
    }
}

/// The next examples, at most `rows`; `None` where the stream has ended.
fn next_rows<S>(
    encoder: &ExampleEncoder,
    examples: &mut impl Iterator<Item = Result<RelationExample, S>>,
    rows: NonZeroUsize,
) -> Result<Option<Rows>, S> {
    let examples = chunk(examples, rows.get())?;
    if examples.is_empty() {
        return Ok(None);
    }
    let (encoded, report) = encoder.encode_rows(&examples);
    Ok(Some(Rows { examples, encoded, report }))
}

#[cfg(test)]
mod tests {
    use re_data::{ByteSpan, Entity, LabelSet, Predictor, RowError};

    use super::*;
    use crate::classifier::ClassifierOptions;

    fn example(row: usize) -> RelationExample {
        let entity = |start| Entity::new(ByteSpan::with_len(start, 6));
        let text = format!("하늘은 바다와 결혼했다. {}", "정말 ".repeat(row % 5));
        RelationExample::new(row.to_string(), text, [entity(0), entity(10)]).unwrap()
    }

    fn classifier() -> RelationClassifier {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/embedded/model");
        let options = ClassifierOptions { random_weights: true, ..ClassifierOptions::default() };
        RelationClassifier::new(folder, LabelSet::new(["관계_없음", "배우자"]).unwrap(), options).unwrap().0
    }

    #[test]
    fn a_stream_comes_back_in_its_order_chunk_by_chunk() {
        let classifier = classifier();
        let all: Vec<RelationExample> = (0..10).map(example).collect();
        let expected = classifier.predict(&all).unwrap();
        let (mut sizes, mut ids, mut values) = (Vec::new(), Vec::new(), Vec::new());
        let stream = all.into_iter().map(Ok::<_, re_data::Error>);
        let received = classifier.predict_stream(stream, NonZeroUsize::new(4).unwrap(), |chunk| {
            sizes.push(chunk.examples.len());
            assert_eq!(chunk.encoding.rows, chunk.examples.len());
            ids.extend_from_slice(chunk.outcomes.answered().ids());
            values.extend_from_slice(chunk.outcomes.answered().values());
            Ok::<(), Error>(())
        });
        received.unwrap();
        assert_eq!((sizes, ids.as_slice()), (vec![4, 4, 2], expected.ids()));
        let nearest = values.iter().zip(expected.values()).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(nearest, "{values:?} {:?}", expected.values());
    }

    #[test]
    fn the_first_error_ends_the_stream() {
        let classifier = classifier();
        let fault = || Err(re_data::Error::MissingLabel { id: "6".into() });
        let stream = || (0..6).map(example).map(Ok).chain([fault()]).chain((7..).map(example).map(Ok));
        let four = NonZeroUsize::new(4).unwrap();
        let mut rows = 0;
        let error = classifier.predict_stream(stream(), four, |chunk| {
            rows += chunk.examples.len();
            Ok::<(), Error>(())
        });
        assert!(error.unwrap_err().to_string().contains("example 6"));
        assert_eq!(rows, 4);

        // An endless stream, and a receiver that has enough.
        let enough = classifier.predict_stream((0..).map(example).map(Ok::<_, re_data::Error>), four, |_| {
            Err(Error::Data(re_data::Error::MissingLabel { id: "enough".into() }))
        });
        assert!(enough.unwrap_err().to_string().contains("enough"));
        let none = classifier.predict_stream(std::iter::empty::<re_data::Result<_>>(), four, |_| {
            Err(Error::Data(fault().unwrap_err()))
        });
        none.unwrap();
    }

    #[test]
    fn a_row_that_cannot_be_encoded_fails_alone_in_the_chunk_it_stands_in() {
        let classifier = classifier();
        // A combining accent is dropped by the tokenizer, so that no token covers it.
        let entity = |start, len| Entity::new(ByteSpan::with_len(start, len));
        let uncovered = |id: &str| {
            RelationExample::new(id, "Cafe\u{301} met Ann", [entity(4, 2), entity(11, 3)]).unwrap()
        };
        let all = vec![uncovered("a"), example(0), example(1), uncovered("b"), example(2), uncovered("c")];
        let answered = classifier.predict(&[0, 1, 2].map(example)).unwrap();
        let outcomes = classifier.outcomes(&all).unwrap();
        assert_eq!(outcomes.ids().collect::<Vec<_>>(), ["a", "0", "1", "b", "2", "c"]);
        assert_eq!(outcomes.answered(), &answered);
        for error in outcomes.failed() {
            let error = error.reason().downcast_ref();
            assert!(
                matches!(error, Some(re_data::Error::EntityWithoutTokens { entity: 0, .. })),
                "{error:?}"
            );
        }
        let (mut failed, mut encoded) = (Vec::new(), Vec::new());
        let stream = all.into_iter().map(Ok::<_, re_data::Error>);
        let received = classifier.predict_stream(stream, NonZeroUsize::new(3).unwrap(), |chunk| {
            failed.push(chunk.outcomes.failed().map(RowError::id).collect::<Vec<_>>().concat());
            encoded.push((chunk.examples.len(), chunk.encoding.rows));
            Ok::<(), Error>(())
        });
        received.unwrap();
        assert_eq!((failed, encoded), (vec!["a".to_owned(), "bc".to_owned()], vec![(3, 2), (3, 1)]));
    }

    #[test]
    fn an_error_does_not_wait_for_a_stream_that_blocks() {
        let (rows, stream) = std::sync::mpsc::channel::<re_data::Result<_>>();
        rows.send(Ok(example(0))).unwrap();
        let one = NonZeroUsize::MIN;
        // `rows` lives on, so that the stream waits for a second row for ever.
        let enough = classifier().predict_stream(stream.into_iter(), one, |_| {
            Err(Error::Data(re_data::Error::MissingLabel { id: "enough".into() }))
        });
        assert!(enough.unwrap_err().to_string().contains("enough"));
        drop(rows);
    }

    #[test]
    #[should_panic(expected = "a fault of the stream")]
    fn a_panic_of_the_stream_is_not_its_end() {
        let row = |row| if row < 2 { Ok(example(row)) } else { panic!("a fault of the stream") };
        let stream = (0..3).map(move |number| -> re_data::Result<_> { row(number) });
        let _ = classifier().predict_stream(stream, NonZeroUsize::MIN, |_| Ok::<(), Error>(()));
    }
}
