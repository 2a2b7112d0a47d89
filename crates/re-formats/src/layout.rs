//! Whether a file holds rows or documents, and in which layout.

use std::fmt;
use std::io::{self, Read};
use std::path::Path;
use std::str::FromStr;

use crate::documents::DocumentFormat;
use crate::error::Error;
use crate::read::Format;
use crate::read::format::{extension, value_of};
use crate::read::lines;

/// The layout of a file of rows, or of documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Each record is a text with a pair of entities.
    Rows(Format),
    /// Each record is a text with any number of mentions.
    Documents(DocumentFormat),
}

/// Name of a layout on a command line. `jsonl` is the name of two, this project's own of rows and of documents; which one is
/// meant shows in the content. Every other name has one layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayoutName {
    /// The layout of rows that has the name.
    pub rows: Option<Format>,
    /// The layout of documents that has the name.
    pub documents: Option<DocumentFormat>,
}

impl LayoutName {
    /// All names, each once.
    pub fn all() -> Vec<&'static str> {
        let mut names: Vec<&str> = Format::ALL.map(Format::name).to_vec();
        for name in DocumentFormat::ALL.map(DocumentFormat::name) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// The name.
    pub fn name(&self) -> &'static str {
        let rows = self.rows.map(Format::name);
        rows.or(self.documents.map(DocumentFormat::name)).unwrap_or_default()
    }
}

impl FromStr for LayoutName {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match (name.parse::<Format>().ok(), name.parse::<DocumentFormat>().ok()) {
            (None, None) => Err(unknown(name.to_owned())),
            (rows, documents) => Ok(Self { rows, documents }),
        }
    }
}

impl fmt::Display for LayoutName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn unknown(found: String) -> Error {
    let expected = "the name of a layout of rows or of documents";
    Error::Data(re_data::Error::Argument { name: "format", found, expected })
}

impl Layout {
    /// The layout of what `input` holds: the one that has the name or, where two have it or none is given, the one that the
    /// extension of `path` or the content shows. What had to be read of the content for that is put into `head`, to be read
    /// again. `None` where nothing tells; [`Layout::untold`] is the error for that.
    ///
    /// # Errors
    /// [`re_data::Error::Io`] where the input cannot be read.
    pub fn detect(
        path: &Path,
        input: &mut impl Read,
        name: Option<LayoutName>,
        head: &mut Vec<u8>,
    ) -> Result<Option<Self>, Error> {
        match name {
            Some(LayoutName { rows: Some(rows), documents: None }) => return Ok(Some(Self::Rows(rows))),
            Some(LayoutName { rows: None, documents: Some(format) }) => {
                return Ok(Some(Self::Documents(format)));
            }
            _ => {}
        }
        // A pipe is read no further than needed.
        let line = |head: &[u8]| head.trim_ascii_start().contains(&b'\n');
        let told = |head: &[u8]| line(head) && Self::guess(path, head).is_some();
        let read: io::Result<Vec<u8>> = lines::head(input, told);
        *head = read.map_err(|source| Error::io(path, source))?;
        Ok(match name {
            Some(name) => Self::of_own(head, name),
            None => Self::guess(path, head),
        })
    }

    /// Says that neither the name nor the content of a file tells its layout.
    pub fn untold(path: &Path) -> Error {
        unknown(format!("none, and neither name nor content of {} tells", path.display()))
    }

    /// The layout that the extension of `path` names or that the first bytes of the content show; `None` where neither tells.
    ///
    /// An own row has the key `entities`, an own document has `mentions`, `relations`, or neither.
    ///
    /// ```
    /// use std::path::Path;
    /// use re_formats::documents::DocumentFormat;
    /// use re_formats::layout::Layout;
    /// use re_formats::read::Format;
    ///
    /// let guess = |head: &str| Layout::guess(Path::new("a.jsonl"), head.as_bytes());
    /// assert_eq!(guess(r#"{"id": 1, "text": "a", "entities": []}"#), Some(Layout::Rows(Format::Jsonl)));
    /// assert_eq!(guess(r#"{"id": 1, "text": "a"}"#), Some(Layout::Documents(DocumentFormat::Jsonl)));
    /// ```
    pub fn guess(path: &Path, head: &[u8]) -> Option<Self> {
        let extension = extension(path);
        let extension = extension.as_deref().unwrap_or_default();
        let content = lines::without_marks(head).trim_ascii_start();
        let is_json = matches!(content.first(), Some(b'[' | b'{'));
        match extension {
            "ann" | "conll" | "iob" | "bio" => {
                return DocumentFormat::guess(path, head).map(Self::Documents);
            }
            "tsv" if !content.starts_with(b"## ") => return Some(Self::Rows(Format::CompetitionTsv)),
            "txt" => {
                let found = match is_json {
                    true => Self::of_json(content),
                    false => Format::guess(Path::new(""), head).map(Self::Rows),
                };
                let rows = found.filter(|found| matches!(found, Self::Rows(_)));
                return Some(rows.unwrap_or(Self::Documents(DocumentFormat::Text)));
            }
            _ => {}
        }
        if is_json {
            return Self::of_json(content).or_else(|| Format::guess(path, head).map(Self::Rows));
        }
        let documents = || DocumentFormat::guess(Path::new(""), head).map(Self::Documents);
        match content.starts_with(b"## ") {
            true => documents(),
            false => Format::guess(path, head).map(Self::Rows),
        }
    }

    /// Which of the two layouts of a name the content has.
    fn of_own(head: &[u8], name: LayoutName) -> Option<Self> {
        match Self::of_json(lines::without_marks(head).trim_ascii_start()) {
            Some(Self::Documents(_)) => name.documents.map(Self::Documents),
            _ => name.rows.map(Self::Rows),
        }
    }

    fn of_json(content: &[u8]) -> Option<Self> {
        let nowhere = Path::new("");
        let rows = Format::guess(nowhere, content);
        let has = |key: &str| value_of(content, key).is_some();
        let lists = |key: &str| value_of(content, key).is_some_and(|value| value.starts_with(b"["));
        match (DocumentFormat::guess(nowhere, content), rows) {
            (
                None | Some(DocumentFormat::Jsonl | DocumentFormat::DoccanoLabel),
                Some(rows @ (Format::KlueJson | Format::Tacred)),
            ) => Some(Self::Rows(rows)),
            (Some(DocumentFormat::Jsonl), Some(rows))
                if has("entities") && !has("mentions") && !has("relations") =>
            {
                Some(Self::Rows(rows))
            }
            // doccano's label is a list, that of a row a name.
            (Some(DocumentFormat::DoccanoLabel), Some(rows)) if !lists("label") && !lists("labels") => {
                Some(Self::Rows(rows))
            }
            (Some(DocumentFormat::DoccanoLabel), Some(rows)) if has("entities") => Some(Self::Rows(rows)),
            (documents, _) => documents.map(Self::Documents),
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rows(format) => write!(f, "{format} (rows)"),
            Self::Documents(format) => write!(f, "{format} (documents)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_has_two_layouts() {
        let names = LayoutName::all();
        let both: Vec<&str> = names
            .iter()
            .copied()
            .filter(|name| {
                let name: LayoutName = name.parse().unwrap();
                name.rows.is_some() && name.documents.is_some()
            })
            .collect();
        assert_eq!(both, ["jsonl"]);
        assert_eq!(names.len(), Format::ALL.len() + DocumentFormat::ALL.len() - 1);
        for name in names {
            assert_eq!(name.parse::<LayoutName>().unwrap().to_string(), name);
        }
        assert!("xml".parse::<LayoutName>().is_err());
    }

    #[test]
    fn rows_and_documents_are_told_apart() {
        use DocumentFormat as D;
        use Format as F;
        let (rows, documents) =
            (|format| Some(Layout::Rows(format)), |format| Some(Layout::Documents(format)));
        for (path, head, expected) in [
            ("a.tsv", "1\ta", rows(F::CompetitionTsv)),
            ("a.tsv", "## 1\ta\n", documents(D::KlueNer)),
            ("a.tsv", "{", rows(F::CompetitionTsv)),
            ("a.jsonl", "", rows(F::Jsonl)),
            ("a.jsonl", "1\ta", rows(F::Jsonl)),
            ("a.csv", "what,ever\n", rows(F::Csv)),
            ("a.conll", "", documents(D::Conll)),
            ("a.ann", "", documents(D::Brat)),
            ("a.txt", "Marie left.", documents(D::Text)),
            ("a.txt", "", documents(D::Text)),
            ("a.txt", "{or} not", documents(D::Text)),
            ("a.TXT", "1\t\"<e1>a</e1> <e2>b</e2>\"\r\nx", rows(F::SemEval)),
            ("-", "Marie left.", None),
            ("-", "", None),
            ("-", r#"{"id": 1, "text": "a", "entities": [{"start": 0}], "label": "x"}"#, rows(F::Jsonl)),
            ("-", r#"{"id": 1, "text": "a", "entities": [{"start": 0}]}"#, rows(F::Jsonl)),
            ("-", r#"{"id": 1, "label": "spouse", "text": "a""#, rows(F::Jsonl)),
            ("-", r#"{"id": 1, "text": "a", "mentions": []}"#, documents(D::Jsonl)),
            ("-", r#"{"id": 1, "text": "a"}"#, documents(D::Jsonl)),
            ("-", r#"{"id": 1, "text": "a", "label": [[0, 1, "x"]]}"#, documents(D::DoccanoLabel)),
            ("-", r#"{"id": 1, "text": "a", "entities": [{"start_offset": 1"#, documents(D::Doccano)),
            (
                "a.json",
                r#"[{"guid": 1, "sentence": "a", "subject_entity": {}, "label": "x""#,
                rows(F::KlueJson),
            ),
            ("a.json", r#"[{"id": 1, "relation": "a", "token": ["a"]"#, rows(F::Tacred)),
            ("a.json", r#"[{"tokens": ["a"], "entities": [], "orig_id": 1"#, documents(D::Spert)),
            ("a.json", r#"[{"id": 1, "data": {"text": "a", "guid": 1}"#, documents(D::LabelStudio)),
            ("a.json", r#"[{"title": "a", "sents": [["a"]]"#, documents(D::DocRed)),
            ("a.json", "[]", None),
        ] {
            assert_eq!(Layout::guess(Path::new(path), head.as_bytes()), expected, "{path} {head}");
        }
    }

    #[test]
    fn a_name_of_two_layouts_leaves_it_to_the_content() {
        let detect = |name: &str, content: &str| {
            let mut head = Vec::new();
            let name = Some(name.parse().unwrap());
            let found = Layout::detect(Path::new("-"), &mut content.as_bytes(), name, &mut head).unwrap();
            (found.unwrap(), head.len())
        };
        let document = "{\"id\": 1, \"text\": \"a\"}\n";
        assert_eq!(detect("jsonl", document), (Layout::Documents(DocumentFormat::Jsonl), document.len()));
        assert_eq!(detect("jsonl", "").0, Layout::Rows(Format::Jsonl));
        assert_eq!(detect("tsv", document), (Layout::Rows(Format::CompetitionTsv), 0));
        assert_eq!(detect("spert", document), (Layout::Documents(DocumentFormat::Spert), 0));
        let path = Path::new("-");
        assert_eq!(Layout::detect(path, &mut &b"[]"[..], None, &mut Vec::new()).unwrap(), None);
        assert!(Layout::untold(path).to_string().contains("neither name nor content of - tells"));
    }
}
