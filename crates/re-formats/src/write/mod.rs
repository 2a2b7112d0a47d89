//! Writers: examples and predictions, streamed to files or anything else that can be written.

mod entity_types;
mod jsonl;
mod klue;
mod predictions;
mod report;
mod semeval;
mod tacred;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use re_data::files::NewFile;
use re_data::{CharSpan, Entity, RelationExample};

pub use entity_types::EntityTypesWriter;
pub use predictions::{PredictionFormat, PredictionWriter, predictions};
pub use report::WriteReport;

use self::jsonl::JsonRow;
use self::klue::KlueItem;
use self::tacred::TacredItem;
use crate::error::{Error, Result, UnwritableError};
use crate::read::{BLIND, Format, klue as klue_columns, plain_csv};

/// A character that marks the order of bytes where a file begins with it.
const BOM: char = '\u{feff}';

/// A new file to write, or standard output where `path` is `-`. It is visible from the first byte on; [`NewFile`] is
/// not before it is complete.
///
/// # Errors
/// [`re_data::Error::Io`] where the file cannot be created.
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
/// use re_formats::read::Format;
/// use re_formats::write::ExampleWriter;
/// let entity = |start, len| Entity::new(ByteSpan::with_len(start, len));
/// let example = RelationExample::new("1", "마리와 피에르", [entity(0, 6), entity(10, 9)])?;
/// let mut file = Vec::new();
/// let mut writer = ExampleWriter::new(&mut file, "demo.tsv", Format::CompetitionTsv);
/// writer.write(&example)?;
/// writer.finish()?;
/// assert_eq!(String::from_utf8(file).unwrap(), "1\t마리와 피에르\t마리\t0\t1\t피에르\t4\t6\tblind\n");
/// # Ok::<(), re_formats::Error>(())
/// ```
pub struct ExampleWriter<W: Write> {
    sink: Sink<W>,
    format: Format,
    path: PathBuf,
    report: WriteReport,
}

enum Sink<W: Write> {
    Delimited(Box<csv::Writer<W>>),
    Plain(W),
}

/// Subject and object in code points.
type Spans = [CharSpan; 2];

impl<W: Write> ExampleWriter<W> {
    /// Writes to `out`, which errors call `path`.
    ///
    /// The competition's layout has no place for entity types, and says `blind` where there is no label. What else a
    /// layout cannot hold is said at [`Format`] and counted in the report.
    pub fn new(out: W, path: impl Into<PathBuf>, format: Format) -> Self {
        let sink = match format {
            Format::CompetitionTsv => Sink::Delimited(Box::new(delimited(out, b'\t'))),
            Format::Csv | Format::KlueCsv => Sink::Delimited(Box::new(delimited(out, b','))),
            Format::Jsonl | Format::KlueJson | Format::SemEval | Format::Tacred => Sink::Plain(out),
        };
        Self { sink, format, path: path.into(), report: WriteReport::default() }
    }

    /// What was written so far.
    pub fn report(&self) -> &WriteReport {
        &self.report
    }

    /// Writes one example.
    ///
    /// # Errors
    /// [`re_data::Error::Io`] where the output refuses it, [`Error::Unwritable`] where the layout cannot hold it.
    pub fn write(&mut self, example: &RelationExample) -> Result<()> {
        let [first, second] = example.entities();
        let spans = [chars(example, 0, first)?, chars(example, 1, second)?];
        self.check_label(example)?;
        // This layout has no header: the mark would be taken for that of the file.
        if self.format == Format::CompetitionTsv && self.report.rows == 0 && example.id().starts_with(BOM) {
            let expected = "an id that does not begin the file with a byte order mark";
            return Err(self.unwritable(example, "id", example.id().to_owned(), expected));
        }
        let lines = if self.format == Format::SemEval { self.block(example)? } else { String::new() };
        let began = if self.report.rows == 0 { self.begin() } else { Ok(()) };
        let written = began.and_then(|()| match &mut self.sink {
            Sink::Delimited(out) => match self.format {
                Format::KlueCsv => out.write_record(KlueItem::new(example, spans).columns()),
                Format::Csv => out.write_record(columns(example, spans)),
                _ => out.write_record(competition_columns(example, spans)),
            }
            .map_err(fault),
            Sink::Plain(out) => match self.format {
                Format::KlueJson => element(out, self.report.rows, &KlueItem::new(example, spans)),
                Format::Tacred => element(out, self.report.rows, &TacredItem::new(example)),
                Format::SemEval => out.write_all(lines.as_bytes()),
                _ => json_line(out, &JsonRow::new(example, spans)),
            },
        });
        written.map_err(|e| Error::io(&self.path, e))?;
        self.report.add(example, self.format);
        Ok(())
    }

    /// Refuses a label that would be read as none, or as another one.
    fn check_label(&self, example: &RelationExample) -> Result<()> {
        let Some(label) = example.label() else { return Ok(()) };
        let expected = match self.format {
            _ if label.is_empty() => "a name",
            Format::CompetitionTsv if label == BLIND => "a name other than blind",
            Format::KlueCsv if label.parse::<i64>().is_ok() => "a name that is no number",
            _ => return Ok(()),
        };
        Err(self.unwritable(example, "label", label.to_owned(), expected))
    }

    fn block(&self, example: &RelationExample) -> Result<String> {
        semeval::block(example).map_err(|semeval::Unfit { field, found, expected }| {
            self.unwritable(example, field, found, expected)
        })
    }

    fn unwritable(
        &self,
        example: &RelationExample,
        field: &'static str,
        found: String,
        expected: &'static str,
    ) -> Error {
        let (path, id) = (self.path.clone(), example.id().to_owned());
        UnwritableError { path, format: self.format.name(), record: "example", id, field, found, expected }
            .into()
    }

    /// What stands before the first example.
    fn begin(&mut self) -> io::Result<()> {
        match (&mut self.sink, self.format) {
            (Sink::Delimited(out), Format::Csv) => {
                out.write_record(plain_csv::COLUMNS).map_err(fault)?;
            }
            (Sink::Delimited(out), Format::KlueCsv) => {
                out.write_record(klue_columns::CSV_COLUMNS).map_err(fault)?;
            }
            (Sink::Plain(out), Format::KlueJson | Format::Tacred) => out.write_all(b"[")?,
            _ => {}
        }
        Ok(())
    }

    /// Writes what stands behind the last example and what is still buffered, and gives the output back.
    ///
    /// # Errors
    /// [`re_data::Error::Io`] where the output refuses it.
    pub fn finish(mut self) -> Result<W> {
        let began = if self.report.rows == 0 { self.begin() } else { Ok(()) };
        began
            .and_then(|()| match self.sink {
                Sink::Delimited(out) => out.into_inner().map_err(csv::IntoInnerError::into_error),
                Sink::Plain(mut out) => {
                    if matches!(self.format, Format::KlueJson | Format::Tacred) {
                        out.write_all(if self.report.rows == 0 { b"]\n" } else { b"\n]\n" })?;
                    }
                    out.flush().map(|()| out)
                }
            })
            .map_err(|e| Error::io(&self.path, e))
    }
}

fn competition_columns(example: &RelationExample, [a, b]: Spans) -> [String; 9] {
    // Inclusive ends; an entity has at least one character.
    let [start1, end1, start2, end2] =
        [a.start(), a.end() - 1, b.start(), b.end() - 1].map(|at| at.to_string());
    let [id, text, entity1, entity2, label] = [
        example.id(),
        example.text(),
        example.surface(0),
        example.surface(1),
        example.label().unwrap_or(BLIND),
    ]
    .map(str::to_owned);
    [id, text, entity1, start1, end1, entity2, start2, end2, label]
}

/// In the order of [`plain_csv::COLUMNS`].
fn columns(example: &RelationExample, [a, b]: Spans) -> [String; 12] {
    let [start1, end1, start2, end2] = [a.start(), a.end(), b.start(), b.end()].map(|at| at.to_string());
    let [type1, type2] =
        example.entities().each_ref().map(|entity| entity.kind().unwrap_or_default().to_owned());
    let [id, text, entity1, entity2, label, source] = [
        example.id(),
        example.text(),
        example.surface(0),
        example.surface(1),
        example.label().unwrap_or_default(),
        example.source().unwrap_or_default(),
    ]
    .map(str::to_owned);
    [id, text, entity1, start1, end1, type1, entity2, start2, end2, type2, label, source]
}

/// Writes `examples` to a new file, which appears when it is complete, or to standard output where `path` is `-`.
///
/// # Errors
/// [`re_data::Error::Io`] where the file cannot be written, [`Error::Unwritable`] where the layout cannot hold an example.
pub fn examples<'e>(
    path: impl AsRef<Path>,
    format: Format,
    examples: impl IntoIterator<Item = &'e RelationExample>,
) -> Result<WriteReport> {
    let path = path.as_ref();
    let mut file = NewFile::create(path)?;
    let mut writer = ExampleWriter::new(&mut file, path, format);
    for example in examples {
        writer.write(example)?;
    }
    let report = writer.report().clone();
    writer.finish()?;
    file.commit()?;
    Ok(report)
}

fn chars(example: &RelationExample, at: usize, entity: &Entity) -> Result<CharSpan> {
    entity.span().to_chars(example.text()).ok_or_else(|| {
        Error::Data(re_data::Error::EntitySpan {
            id: example.id().to_owned(),
            entity: at,
            span: entity.span(),
            text_len: example.text().len(),
        })
    })
}

pub(crate) fn delimited<W: Write>(out: W, delimiter: u8) -> csv::Writer<W> {
    csv::WriterBuilder::new().delimiter(delimiter).from_writer(out)
}

/// The fault of the output itself: as the `csv` crate converts it, its kind would be lost.
pub(crate) fn fault(error: csv::Error) -> io::Error {
    let text = error.to_string();
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        _ => io::Error::other(text),
    }
}

fn json_line(out: &mut impl Write, value: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}

/// An element of an array, on a line of its own.
fn element(out: &mut impl Write, before: usize, value: &impl serde::Serialize) -> io::Result<()> {
    out.write_all(if before == 0 { b"\n" } else { b",\n" })?;
    serde_json::to_writer(out, value).map_err(io::Error::from)
}
