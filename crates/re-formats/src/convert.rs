//! From one layout of relation examples to another, streamed.

use std::io::Write;
use std::path::Path;

use re_data::files::NewFile;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::read::{ExampleReader, Format, ReadOptions, ReadReport};
use crate::write::{ExampleWriter, WriteReport};

/// What was read and written, and what of it got lost on either side: [`ReadReport::unread`] holds what examples have no
/// place for, [`WriteReport`] what the layout that was written has none for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ConvertReport {
    /// What the reader met.
    pub read: ReadReport,
    /// What the writer did.
    pub written: WriteReport,
}

impl ConvertReport {
    /// Whether nothing was left out on the way. Repaired offsets are no loss.
    pub fn is_lossless(&self) -> bool {
        self.read.rejected.count == 0 && self.read.unread.is_empty() && self.written.is_lossless()
    }
}

/// Writes everything that `reader` still gives, and ends the file.
///
/// ```
/// use re_formats::convert::convert;
/// use re_formats::read::{ExampleReader, Format, ReadOptions};
/// use re_formats::write::ExampleWriter;
/// let file = "8001\t\"The most common <e1>audits</e1> were about <e2>waste</e2> and recycling.\"\r\n";
/// let mut reader = ExampleReader::new(file.as_bytes(), "TEST_FILE.txt", &ReadOptions::default())?;
/// let mut out = Vec::new();
/// let report = convert(&mut reader, ExampleWriter::new(&mut out, "-", Format::Csv))?;
/// assert!(report.is_lossless());
/// assert_eq!(
///     String::from_utf8(out).unwrap().lines().nth(1),
///     Some("8001,The most common audits were about waste and recycling.,audits,16,22,,waste,34,39,,,")
/// );
/// # Ok::<(), re_formats::Error>(())
/// ```
///
/// # Errors
/// Those of the reader, unless it is lenient, and of the writer.
pub fn convert<W: Write>(
    reader: &mut ExampleReader<'_>,
    mut writer: ExampleWriter<W>,
) -> Result<ConvertReport> {
    for example in reader.by_ref() {
        writer.write(&example?)?;
    }
    let written = writer.report().clone();
    writer.finish()?;
    Ok(ConvertReport { read: reader.report().clone(), written })
}

/// Converts a file, `-` being standard input or output. The new file appears when it is complete, so that it may
/// replace the one that is read. Its layout is `to_format` or what its extension says (`.tsv`, `.jsonl`, `.csv`).
///
/// # Errors
/// [`re_data::Error::Argument`] where a layout is neither given nor recognised, and those of [`convert`].
pub fn files(
    from: impl AsRef<Path>,
    options: &ReadOptions,
    to: impl AsRef<Path>,
    to_format: Option<Format>,
) -> Result<ConvertReport> {
    let to = to.as_ref();
    let Some(format) = to_format.or_else(|| Format::guess(to, &[])) else {
        return Err(Error::Data(re_data::Error::Argument {
            name: "format",
            found: format!("none, and the name of {} does not tell", to.display()),
            expected: Format::EXPECTED,
        }));
    };
    let mut reader = ExampleReader::open(from, options)?;
    let mut file = NewFile::create(to)?;
    let report = convert(&mut reader, ExampleWriter::new(&mut file, to, format))?;
    file.commit()?;
    Ok(report)
}
