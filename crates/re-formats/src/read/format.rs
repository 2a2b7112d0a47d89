//! The layouts in which relation examples are stored.

use std::io::{self, Read};
use std::path::Path;

use re_data::LabelSet;
use serde::{Deserialize, Serialize};

use super::lines::without_marks;
use super::semeval::TAGS;
use crate::by_name::by_name;

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
    /// (in one line). Offsets count code points and ends are exclusive. `label`, `type`, `surface` and `source` may be
    /// missing or null; a `surface` is checked against the offsets. An id may be a number. Other keys are
    /// errors, so that a misspelt one does not go unnoticed.
    Jsonl,
    /// `csv`: comma-separated values (RFC 4180) with a header that names the columns, in any order: `id`, `text`,
    /// `start1`, `end1`, `start2`, `end2` and, where known, `entity1`, `entity2` (surface forms, checked against the
    /// offsets), `type1`, `type2`, `label` and `source`; an empty field means that there is none. Offsets count
    /// code points and ends are exclusive. Other columns are passed over and reported.
    Csv,
    /// `klue-json`: KLUE-RE as the benchmark publishes it (Park et al. 2021, arXiv:2105.09680). An array of objects,
    /// or objects one after the other, with `guid`, `sentence`, `subject_entity`, `object_entity`, `label` and `source`,
    /// an entity having `word`, `start_idx`, `end_idx` and `type`. Offsets count code points and ends are inclusive.
    /// Label, source and type may be missing or null; other keys are passed over and reported. A label may be its number
    /// in [`LabelSet::klue_re`], as Hugging Face has it.
    KlueJson,
    /// `klue-csv`: KLUE-RE in the form of course competitions. Comma-separated with the header
    /// `id,sentence,subject_entity,object_entity,label,source`, in which an entity is a Python dict such as
    /// `{'word': '비틀즈', 'start_idx': 24, 'end_idx': 26, 'type': 'ORG'}`. The label 100 means that there is none; other
    /// numbers are faults, as every competition has its own. Under `guid` in place of `id`, as Hugging Face has it, they
    /// are those of [`LabelSet::klue_re`].
    KlueCsv,
    /// `semeval`: SemEval-2010 Task 8 (Hendrickx et al. 2010). A number, a tab and the sentence in quotation marks, with
    /// the entities between `<e1>` and `</e1>`, `<e2>` and `</e2>`; below it the relation (not in test files), a line
    /// that begins with `Comment:`, and an empty line. Comments are passed over and reported. Ids are written as they are,
    /// though the task's own tools want numbers. What is written has no
    /// types or sources, and line breaks of the text become spaces.
    SemEval,
    /// `tacred`: TACRED's JSON (Zhang et al. 2017). An array of objects, or objects one after the other, with `id`,
    /// `docid`, `relation`, `token`, `subj_start`, `subj_end`, `obj_start`, `obj_end` (in tokens, inclusive),
    /// `subj_type` and `obj_type`; other keys are passed over and reported.
    ///
    /// The text is the tokens with spaces between them, brackets in the notation of the file (`-LRB-`). Which tokens
    /// those were is not kept, so that one with a space in it becomes several where it is written again. Texts are written
    /// as tokens by cutting them at spaces and at the edges of entities; where a token touches the next one,
    /// a further key `space_after` says for each token whether a space follows, from which the text is read back exactly.
    Tacred,
}

impl Format {
    /// All layouts.
    pub const ALL: [Self; 7] = [
        Self::CompetitionTsv,
        Self::Jsonl,
        Self::Csv,
        Self::KlueJson,
        Self::KlueCsv,
        Self::SemEval,
        Self::Tacred,
    ];

    /// Their names, for messages.
    pub(crate) const EXPECTED: &'static str = "one of tsv, jsonl, csv, klue-json, klue-csv, semeval, tacred";

    /// Name of the layout, such as `tsv`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CompetitionTsv => "tsv",
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::KlueJson => "klue-json",
            Self::KlueCsv => "klue-csv",
            Self::SemEval => "semeval",
            Self::Tacred => "tacred",
        }
    }

    /// The classes of the benchmark whose layout this is, in its order; `None` for layouts that belong to none.
    pub fn labels(self) -> Option<LabelSet> {
        match self {
            Self::KlueJson | Self::KlueCsv => Some(LabelSet::klue_re()),
            Self::SemEval => Some(LabelSet::semeval_2010_task8()),
            Self::Tacred => Some(LabelSet::tacred()),
            Self::CompetitionTsv | Self::Jsonl | Self::Csv => None,
        }
    }

    /// As [`Format::labels`], if these classes hold all of `found`: rows in a benchmark's layout need not be its own.
    pub fn labels_with(self, found: &LabelSet) -> Option<LabelSet> {
        self.labels().filter(|labels| found.names().iter().all(|name| labels.id(name).is_some()))
    }

    /// The layout that the extension of `path` names or that the first bytes of the content show; `None` where
    /// neither tells. An extension that several layouts share (`.csv`, `.json`, `.txt`) leaves it to the content; only
    /// `.csv` without content is [`Format::Csv`].
    pub fn guess(path: &Path, head: &[u8]) -> Option<Self> {
        Self::of_extension(path).or_else(|| Self::of_content(head)).or_else(|| {
            match extension(path).as_deref() {
                Some("csv") => Some(Self::Csv),
                _ => None,
            }
        })
    }

    /// The layout that the extension of `path` names.
    pub(super) fn of_extension(path: &Path) -> Option<Self> {
        match extension(path).as_deref() {
            Some("tsv") => Some(Self::CompetitionTsv),
            Some("jsonl" | "ndjson") => Some(Self::Jsonl),
            _ => None,
        }
    }

    /// Reads into `head` as much of the input as it takes to guess the layout, but no more than 16 KiB.
    pub(super) fn detect(path: &Path, input: &mut impl Read, head: &mut Vec<u8>) -> io::Result<Option<Self>> {
        // What a pipe has sent may be enough.
        let line = |head: &[u8]| head.trim_ascii_start().contains(&b'\n');
        *head = super::lines::head(input, |head| line(head) && Self::of_content(head).is_some())?;
        Ok(Self::guess(path, head))
    }

    fn of_content(head: &[u8]) -> Option<Self> {
        let head = without_marks(head).trim_ascii_start();
        let first = *head.first()?;
        if matches!(first, b'[' | b'{') {
            let key = |name| has_key(head, name);
            return if key("subject_entity") || key("guid") {
                Some(Self::KlueJson)
            } else if key("subj_start") || key("token") {
                Some(Self::Tacred)
            } else {
                (first == b'{').then_some(Self::Jsonl)
            };
        }
        let line = head.split(|&byte| byte == b'\n').next()?.trim_ascii_end();
        if holds(line, "\t\"") && TAGS.as_flattened().iter().all(|tag| holds(line, tag)) {
            return Some(Self::SemEval);
        }
        if line.iter().filter(|&&byte| byte == b'\t').count() >= 8 {
            return Some(Self::CompetitionTsv);
        }
        let unquoted = |name| {
            <[u8]>::strip_prefix(name, b"\"").and_then(|name| name.strip_suffix(b"\"")).unwrap_or(name)
        };
        let columns: Vec<&[u8]> = line.split(|&byte| byte == b',').map(unquoted).collect();
        let names = |name: &str| columns.contains(&name.as_bytes());
        if names("subject_entity") && names("object_entity") {
            return Some(Self::KlueCsv);
        }
        (names("id") && names("start1") && names("start2")).then_some(Self::Csv)
    }
}

fn holds(text: &[u8], part: &str) -> bool {
    text.windows(part.len()).any(|window| window == part.as_bytes())
}

/// Whether `key` stands as a key in JSON.
pub(crate) fn has_key(json: &[u8], key: &str) -> bool {
    value_of(json, key).is_some()
}

/// What follows `key` and its colon in JSON, where it first stands as a key. Inside a string its quotes would have
/// backslashes before them.
pub(crate) fn value_of<'j>(json: &'j [u8], key: &str) -> Option<&'j [u8]> {
    let quoted = format!("\"{key}\"");
    let found = json.windows(quoted.len()).enumerate().filter(|(_, window)| *window == quoted.as_bytes());
    found
        .map(|(at, _)| json.get(at + quoted.len()..).unwrap_or_default())
        .find_map(|behind| behind.trim_ascii_start().strip_prefix(b":").map(<[u8]>::trim_ascii_start))
}

pub(crate) fn extension(path: &Path) -> Option<String> {
    path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase)
}

by_name!(Format);

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
        assert_eq!(guess("a.json", "[\n{\n\"guid\": \"a\","), Some(Format::KlueJson));
        assert_eq!(guess("a.json", "{\"token\": [\"a\"],"), Some(Format::Tacred));
        assert_eq!(guess("a.json", "[]"), None);
        assert_eq!(guess("-", "{\"id\": 1, \"text\": \"a \\\"guid\\\": 1\""), Some(Format::Jsonl));
        assert_eq!(guess("-", "{\"label\": \"token\", \"id\": 1"), Some(Format::Jsonl));
        assert_eq!(guess("T.TXT", "1\t\"<e1>a</e1> <e2>b</e2>\"\r\nx"), Some(Format::SemEval));
        assert_eq!(guess("T.TXT", "1\t\"<e1>a</e1> <e2>b\"\r\n</e2>"), None);
        assert_eq!(
            guess("a.csv", "\u{feff}id,sentence,subject_entity,object_entity\r\n"),
            Some(Format::KlueCsv)
        );
        assert_eq!(guess("-", "label,\"id\",text,start1,end1,start2,end2\n"), Some(Format::Csv));
        assert_eq!(guess("a.csv", "what,ever\n"), Some(Format::Csv));
        assert_eq!(guess("a.csv", ""), Some(Format::Csv));
    }

    #[test]
    fn a_pipe_is_read_no_further_than_needed() {
        /// Gives one part a time, and fails where it is read beyond them.
        struct Pipe(Vec<&'static str>);
        impl Read for Pipe {
            fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
                if self.0.is_empty() {
                    return Err(io::Error::other("read too far"));
                }
                let part = self.0.remove(0);
                to[..part.len()].copy_from_slice(part.as_bytes());
                Ok(part.len())
            }
        }
        let detect = |parts: &[&'static str]| {
            let mut head = Vec::new();
            Format::detect(Path::new("-"), &mut Pipe(parts.to_vec()), &mut head)
                .map(|format| (format, head.len()))
        };
        assert_eq!(detect(&["{\"id\"", ": 1}\n"]).unwrap(), (Some(Format::Jsonl), 10));
        assert_eq!(detect(&["[\n", "{\n", "\"guid\"", ":"]).unwrap(), (Some(Format::KlueJson), 11));
        assert_eq!(detect(&["what", ""]).unwrap(), (None, 4));
        assert!(detect(&["what"]).is_err());
    }

    #[test]
    fn benchmarks_bring_their_classes() {
        let size = |format: Format| format.labels().map(|labels| (labels.len(), labels.no_relation()));
        assert_eq!(size(Format::KlueCsv), Some((30, Some(0))));
        assert_eq!(size(Format::KlueJson), Some((30, Some(0))));
        assert_eq!(size(Format::SemEval), Some((19, Some(18))));
        assert_eq!(size(Format::Tacred), Some((42, Some(0))));
        assert!([Format::CompetitionTsv, Format::Jsonl, Format::Csv].iter().all(|f| f.labels().is_none()));
    }
}
