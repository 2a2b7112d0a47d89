//! Streams of examples that are longer than memory.

use crate::example::RelationExample;

/// Bytes of text that [`chunk`] takes at most, but for its last row.
const CHUNK_BYTES: usize = 16 << 20;

/// The next rows of a stream, for what works on several at a time: at most `rows`, and fewer where their texts come to
/// 16 MiB, so that long rows do not take more memory than many. Empty where the stream has ended.
///
/// ```
/// # use re_data::{ByteSpan, Entity, Error, RelationExample};
/// use re_data::stream;
/// # let entity = |start, len| Entity::new(ByteSpan::with_len(start, len));
/// let row = |id: u32| RelationExample::new(id.to_string(), "Marie loves Pierre.", [entity(0, 5), entity(12, 6)]);
/// let mut rows = (0..3).map(row);
/// assert_eq!(stream::chunk(&mut rows, 2)?.len(), 2);
/// assert_eq!(stream::chunk(&mut rows, 2)?.len(), 1);
/// assert!(stream::chunk(&mut rows, 2)?.is_empty());
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// The first one of the stream among them.
pub fn chunk<E>(
    stream: &mut impl Iterator<Item = Result<RelationExample, E>>,
    rows: usize,
) -> Result<Vec<RelationExample>, E> {
    let (mut chunk, mut bytes) = (Vec::new(), 0);
    while chunk.len() < rows
        && bytes < CHUNK_BYTES
        && let Some(row) = stream.next()
    {
        let row = row?;
        bytes += row.text().len();
        chunk.push(row);
    }
    Ok(chunk)
}
