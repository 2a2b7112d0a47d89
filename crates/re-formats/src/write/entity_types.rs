//! A file of entity types.

use std::io::Write;
use std::path::PathBuf;

use super::{delimited, fault};
use crate::error::{Error, Result};

/// What stands for no type.
const NONE: &str = "O";

/// Streams the types of rows into the layout that [`EntityTypes`](crate::read::EntityTypes) reads: tab-separated columns
/// without header, of which the first is the id.
pub struct EntityTypesWriter<W: Write> {
    out: csv::Writer<W>,
    path: PathBuf,
}

impl<W: Write> EntityTypesWriter<W> {
    /// Writes to `out`, which errors call `path`.
    pub fn new(out: W, path: impl Into<PathBuf>) -> Self {
        Self { out: delimited(out, b'\t'), path: path.into() }
    }

    /// Writes the types of the row `id`.
    ///
    /// # Errors
    /// [`re_data::Error::Io`] where the output refuses it.
    pub fn write(&mut self, id: &str, types: [Option<&str>; 2]) -> Result<()> {
        let [subject, object] = types.map(|kind| kind.unwrap_or(NONE));
        let written = self.out.write_record([id, subject, object]);
        written.map_err(|error| Error::io(&self.path, fault(error)))
    }

    /// Writes what is left, and gives the output back.
    ///
    /// # Errors
    /// As [`EntityTypesWriter::write`].
    pub fn finish(self) -> Result<W> {
        self.out.into_inner().map_err(|error| Error::io(&self.path, error.into_error()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::EntityTypes;

    #[test]
    fn what_is_written_is_read() {
        let mut writer = EntityTypesWriter::new(Vec::new(), "types.tsv");
        writer.write("a \"quoted\"\tid", [Some("PERSON"), None]).unwrap();
        writer.write("b", [Some("A B"), Some("이름")]).unwrap();
        let types = EntityTypes::new(writer.finish().unwrap().as_slice(), "types.tsv").unwrap();
        let get = |id: &str| types.get(id).unwrap().each_ref().map(Option::as_deref);
        assert_eq!(get("a \"quoted\"\tid"), [Some("PERSON"), None]);
        assert_eq!(get("b"), [Some("A B"), Some("이름")]);
    }
}
