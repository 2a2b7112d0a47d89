//! Writers: examples and predictions, streamed to files or anything else that can be written.

mod output;
mod predictions;

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

pub use output::Output;
pub use predictions::{PredictionFormat, PredictionWriter, predictions};

use crate::error::{Error, Result};
use crate::example::{Entity, RelationExample};
use crate::read::Format;
use crate::read::jsonl::{JsonEntity, JsonId, JsonRow};
use crate::span::CharSpan;

/// A new file to write, or standard output where `path` is `-`.
///
/// # Errors
/// [`Error::Io`] where the file cannot be created.
pub fn create(path: impl AsRef<Path>) -> Result<Box<dyn Write + Send>> {
    let path = path.as_ref();
    if path == Path::new("-") {
        return Ok(Box::new(BufWriter::new(io::stdout())));
    }
    Ok(Box::new(BufWriter::new(File::create(path).map_err(|e| Error::io(path, e))?)))
}

/// Streams examples into one of the layouts.
///
/// ```
/// use re_data::{ByteSpan, Entity, RelationExample};
/// use re_data::read::Format;
/// use re_data::write::ExampleWriter;
/// let entity = |start, len| Entity::new(ByteSpan::with_len(start, len));
/// let example = RelationExample::new("1", "마리와 피에르", [entity(0, 6), entity(10, 9)])?;
/// let mut file = Vec::new();
/// let mut writer = ExampleWriter::new(&mut file, "demo.tsv", Format::CompetitionTsv);
/// writer.write(&example)?;
/// writer.finish()?;
/// assert_eq!(String::from_utf8(file).unwrap(), "1\t마리와 피에르\t마리\t0\t1\t피에르\t4\t6\tblind\n");
/// # Ok::<(), re_data::Error>(())
/// ```
pub struct ExampleWriter<W: Write> {
    sink: Sink<W>,
    path: PathBuf,
}

enum Sink<W: Write> {
    Tsv(Box<csv::Writer<W>>),
    Jsonl(W),
}

impl<W: Write> ExampleWriter<W> {
    /// Writes to `out`, which errors call `path`.
    ///
    /// The competition's layout has no place for entity types, and says `blind` where there is no label.
    pub fn new(out: W, path: impl Into<PathBuf>, format: Format) -> Self {
        let sink = match format {
            Format::CompetitionTsv => Sink::Tsv(Box::new(delimited(out, b'\t'))),
            Format::Jsonl => Sink::Jsonl(out),
        };
        Self { sink, path: path.into() }
    }

    /// Writes one example.
    ///
    /// # Errors
    /// [`Error::Io`] where the output refuses it.
    pub fn write(&mut self, example: &RelationExample) -> Result<()> {
        let [first, second] = example.entities();
        let (a, b) = (chars(example, 0, first)?, chars(example, 1, second)?);
        let written = match &mut self.sink {
            Sink::Tsv(out) => {
                // Inclusive ends; an entity has at least one character.
                let [start1, end1, start2, end2] =
                    [a.start(), a.end() - 1, b.start(), b.end() - 1].map(|offset| offset.to_string());
                out.write_record([
                    example.id(),
                    example.text(),
                    example.surface(0),
                    &start1,
                    &end1,
                    example.surface(1),
                    &start2,
                    &end2,
                    example.label().unwrap_or("blind"),
                ])
                .map_err(io::Error::from)
            }
            Sink::Jsonl(out) => {
                let entity = |at: usize, span: CharSpan, entity: &'_ Entity| JsonEntity {
                    start: span.start(),
                    end: span.end(),
                    surface: Some(Cow::Owned(example.surface(at).to_owned())),
                    kind: entity.kind().map(|kind| Cow::Owned(kind.to_owned())),
                };
                json_line(
                    out,
                    &JsonRow {
                        id: JsonId::Text(Cow::Borrowed(example.id())),
                        text: Cow::Borrowed(example.text()),
                        entities: [entity(0, a, first), entity(1, b, second)],
                        label: example.label().map(Cow::Borrowed),
                    },
                )
            }
        };
        written.map_err(|e| Error::io(&self.path, e))
    }

    /// Writes out what is still buffered, and gives the output back.
    ///
    /// # Errors
    /// [`Error::Io`] where the output refuses it.
    pub fn finish(self) -> Result<W> {
        match self.sink {
            Sink::Tsv(out) => out.into_inner().map_err(csv::IntoInnerError::into_error),
            Sink::Jsonl(mut out) => out.flush().map(|()| out),
        }
        .map_err(|e| Error::io(&self.path, e))
    }
}

/// Writes `examples` to a new file, or to standard output where `path` is `-`.
///
/// # Errors
/// [`Error::Io`] where the file cannot be written.
pub fn examples<'e>(
    path: impl AsRef<Path>,
    format: Format,
    examples: impl IntoIterator<Item = &'e RelationExample>,
) -> Result<()> {
    let path = path.as_ref();
    let mut writer = ExampleWriter::new(create(path)?, path, format);
    for example in examples {
        writer.write(example)?;
    }
    writer.finish().map(drop)
}

fn chars(example: &RelationExample, at: usize, entity: &Entity) -> Result<CharSpan> {
    entity.span().to_chars(example.text()).ok_or_else(|| Error::EntitySpan {
        id: example.id().to_owned(),
        entity: at,
        span: entity.span(),
        text_len: example.text().len(),
    })
}

fn delimited<W: Write>(out: W, delimiter: u8) -> csv::Writer<W> {
    csv::WriterBuilder::new().delimiter(delimiter).from_writer(out)
}

fn json_line(out: &mut impl Write, value: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}
