//! The documents of an extraction.

use anyhow::Result;
use re_data::Document;
use re_extract::DocumentError;
use re_formats::Error;
use re_formats::documents::{DocumentReadReport, DocumentReader};

use crate::documents::nothing_left;

/// Documents of a file. Malformed ones take their place as errors, and reading goes on; what else fails ends it.
pub struct Source {
    reader: DocumentReader<'static>,
    failure: Option<Error>,
}

impl Source {
    pub fn new(reader: DocumentReader<'static>) -> Self {
        Self { reader, failure: None }
    }

    /// What was met while reading.
    pub fn report(&self) -> &DocumentReadReport {
        self.reader.report()
    }

    /// Whether the file was read to its end, and had a document.
    pub fn ended(&mut self) -> Result<()> {
        match self.failure.take().or_else(|| nothing_left(self.reader.report())) {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }
}

impl Iterator for Source {
    type Item = Result<Document, DocumentError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.reader.next_or_fault()? {
            Ok(document) => Some(Ok(document)),
            Err(Error::Record(fault)) => {
                let id =
                    fault.id.clone().unwrap_or_else(|| format!("{}:{}", fault.path.display(), fault.line));
                Some(Err(DocumentError::new(id, fault)))
            }
            Err(error) => {
                self.failure = Some(error);
                None
            }
        }
    }
}
