//! The layouts in which relation examples are stored.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Layout of a file of relation examples.
///
/// In text (`FromStr`, `Display`, serde) a layout has the name given with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
#[non_exhaustive]
pub enum Format {
    /// `tsv`: the competition's layout. Nine columns without header, delimited by tabs, quoted as in CSV:
    /// id, sentence, then surface form, start and end of both entities, and the label. Offsets count code
    /// points and ends are inclusive.
    CompetitionTsv,
    /// `jsonl`: this project's own layout. Each line is an object such as
    ///
    /// ```json
    /// {"id": "7", "text": "Marie loves Pierre.", "label": "spouse",
    ///  "entities": [{"start": 0, "end": 5, "surface": "Marie", "type": "PERSON"}, {"start": 12, "end": 18}]}
    /// ```
    ///
    /// (in one line). Offsets count code points and ends are exclusive. `label`, `type` and `surface` may be
    /// missing or null; a `surface` is checked against the offsets. An id may be a number. Other keys are
    /// errors, so that a misspelt one does not go unnoticed.
    Jsonl,
}

impl Format {
    /// All layouts.
    pub const ALL: [Self; 2] = [Self::CompetitionTsv, Self::Jsonl];

    /// Their names, for messages.
    pub(crate) const EXPECTED: &'static str = "one of tsv, jsonl";

    /// Name of the layout, such as `tsv`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CompetitionTsv => "tsv",
            Self::Jsonl => "jsonl",
        }
    }

    /// The layout that the extension of `path` names or, failing that, that the first bytes of the content
    /// show; `None` where neither tells.
    pub fn guess(path: &Path, head: &[u8]) -> Option<Self> {
        match path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase).as_deref() {
            Some("tsv") => return Some(Self::CompetitionTsv),
            Some("jsonl" | "ndjson") => return Some(Self::Jsonl),
            _ => {}
        }
        let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
        if head.first() == Some(&b'{') {
            return Some(Self::Jsonl);
        }
        let tabs = head.split(|&b| b == b'\n').next()?.iter().filter(|&&b| b == b'\t').count();
        (tabs >= 8).then_some(Self::CompetitionTsv)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<Format> for &'static str {
    fn from(format: Format) -> Self {
        format.name()
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|format| format.name() == name).ok_or_else(|| Error::Argument {
            name: "format",
            found: name.to_owned(),
            expected: Self::EXPECTED,
        })
    }
}

impl TryFrom<String> for Format {
    type Error = Error;

    fn try_from(name: String) -> Result<Self, Error> {
        name.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        for format in Format::ALL {
            assert_eq!(format.to_string().parse::<Format>().unwrap(), format);
            let json = serde_json::to_string(&format).unwrap();
            assert_eq!(serde_json::from_str::<Format>(&json).unwrap(), format);
        }
        assert!("xml".parse::<Format>().unwrap_err().to_string().contains("one of tsv, jsonl"));
    }

    #[test]
    fn extension_first_then_content() {
        let guess = |path: &str, head: &str| Format::guess(Path::new(path), head.as_bytes());
        assert_eq!(guess("a.TSV", "{"), Some(Format::CompetitionTsv));
        assert_eq!(guess("a.jsonl", ""), Some(Format::Jsonl));
        assert_eq!(guess("-", "\u{feff} {\"id\""), Some(Format::Jsonl));
        assert_eq!(guess("a.txt", "1\t2\t3\t4\t5\t6\t7\t8\t9"), Some(Format::CompetitionTsv));
        assert_eq!(guess("a.txt", "1\t2\n3\t4\t5\t6\t7\t8\t9\t\t\t"), None);
        assert_eq!(guess("-", ""), None);
    }
}
