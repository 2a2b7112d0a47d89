//! The layouts in which documents are stored.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::by_name::by_name;
use crate::read::format::{extension, has_key};
use crate::read::lines::without_marks;

/// Layout of documents. `docs/FORMATS.md` says what each can hold.
///
/// In text (`FromStr`, `Display`, serde) a layout has the name given with it. A layout whose documents have no ids gives
/// them the numbers of their lines or records, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
#[non_exhaustive]
pub enum DocumentFormat {
    /// `jsonl`: this project's own layout. Each line is an object such as
    ///
    /// ```json
    /// {"id": "7", "text": "Marie loves Pierre.",
    ///  "mentions": [{"start": 0, "end": 5, "surface": "Marie", "type": "PERSON", "score": 0.9, "entity": "Q1"}, {"start": 12, "end": 18}],
    ///  "relations": [{"subject": 0, "object": 1, "label": "spouse", "score": 0.8}], "source": "demo"}
    /// ```
    ///
    /// (in one line). Offsets count code points and ends are exclusive; subject and object are numbers of mentions, from 0.
    /// All but `id`, `text`, `start`, `end`, `subject`, `object` and `label` may be missing or null; a `surface` is
    /// checked against the offsets. Other keys are errors, so that a misspelt one does not go unnoticed. It holds
    /// everything that a [`re_data::Document`] does.
    Jsonl,
    /// `text`: a plain text in UTF-8 is a document, a folder of `.txt` files several; the name of the file without
    /// `.txt` is the id. Written into a folder. Characters that some system refuses in names are written as `%3A`.
    Text,
    /// `lines`: each line of a plain text is a document. Empty lines are passed over and counted.
    Lines,
    /// `spert`: the JSON of SpERT (Eberts and Ulges 2020), in which CoNLL-04 is published: objects with `tokens`,
    /// `entities` (`type`, `start`, `end`: tokens, half-open), `relations` (`type`, `head`, `tail`: numbers of entities) and
    /// `orig_id`. The text is the tokens with spaces between them; where a text is not so, a further key `space_after`
    /// says for each token whether a space follows, from which it is read back exactly.
    Spert,
    /// `scierc`: the JSON lines of SciERC and DyGIE++ (Luan et al. 2018, Wadden et al. 2019): `doc_key`, `sentences` of
    /// tokens, and for each sentence `ner` (`[first, last, type]`) and `relations` (`[first, last, first, last, label]`),
    /// tokens counted through the document and ends inclusive; `clusters` of such spans are entities, whose ids are their
    /// numbers. The text is the tokens with spaces between them and a line break between sentences; `space_after` as in `spert`.
    SciErc,
    /// `docred`: the JSON of DocRED (Yao et al. 2019): `title`, `sents` of tokens, `vertexSet` of entities, each a list of
    /// mentions (`sent_id`, `pos`: tokens of the sentence, half-open, `type`), and `labels` (`h`, `t`: numbers of entities,
    /// `r`). Text and `space_after` as in `scierc`.
    ///
    /// A relation between two entities is read as one between those two mentions of them that stand closest, the first such
    /// pair. Written, relations between mentions are relations between their entities; those that would be read between
    /// other mentions are counted ([`Lost::Endpoint`](super::Lost::Endpoint)).
    DocRed,
    /// `brat`: standoff files of brat (Stenetorp et al. 2012): a folder of texts (`.txt`) and annotations (`.ann`), or one
    /// of them. Offsets count code points. `T` lines are mentions, `R` lines relations, `N` lines give entity ids,
    /// as `*` lines (`Equiv`) do where there are none. Fragments between which only white space stands are one mention. Other
    /// discontinuous mentions, relations of those, events, attributes and notes are counted as unread.
    Brat,
    /// `label-studio`: tasks of Label Studio as it exports and imports them (JSON, not JSON-MIN), with `data.text`. The first
    /// annotation that was not cancelled is read or, where there is none, the first prediction. Offsets count UTF-16 units. A
    /// region of several labels makes a mention of each. Documents with scores are written as predictions, others as annotations.
    LabelStudio,
    /// `doccano`: doccano's JSON lines for relations: `id`, `text`, `entities` (`id`, `label`, `start_offset`,
    /// `end_offset`) and `relations` (`from_id`, `to_id`, `type`). Offsets count code points. Files of `doccano-label` are
    /// read, too.
    Doccano,
    /// `doccano-label`: doccano's JSON lines for sequence labelling: `text` and `label` (or `labels`), a list of
    /// `[start, end, type]`.
    DoccanoLabel,
    /// `prodigy`: JSON lines of Prodigy and spaCy: `text`, `tokens`, `spans` (`start`, `end`, `label`, and where known
    /// `score`, and `kb_id` for the entity), `relations` (`head`, `child`: tokens, with `head_span` and `child_span`),
    /// and id and source in `meta`. Offsets count code points. Documents that were rejected or ignored are left out and
    /// counted.
    Prodigy,
    /// `conll`: a word and its tag on a line (the first and the last column, between tabs, or spaces where the line has no
    /// tab), an empty line behind each document; tags are IO, IOB, BIO, BILOU or BIOES. `-DOCSTART-` lines are passed over.
    /// The text is the words with spaces between them.
    Conll,
    /// `klue-ner`: KLUE-NER (Park et al. 2021): `## ID`, a tab and the text with marks, then a line of character, tab and
    /// tag for each character, and an empty line. The characters count, not the marked text, unless it stands alone.
    KlueNer,
}

impl DocumentFormat {
    /// All layouts.
    pub const ALL: [Self; 13] = [
        Self::Jsonl,
        Self::Text,
        Self::Lines,
        Self::Spert,
        Self::SciErc,
        Self::DocRed,
        Self::Brat,
        Self::LabelStudio,
        Self::Doccano,
        Self::DoccanoLabel,
        Self::Prodigy,
        Self::Conll,
        Self::KlueNer,
    ];

    /// Their names, for messages.
    pub(crate) const EXPECTED: &'static str = "one of jsonl, text, lines, spert, scierc, docred, brat, label-studio, \
         doccano, doccano-label, prodigy, conll, klue-ner";

    /// Name of the layout, such as `spert`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Text => "text",
            Self::Lines => "lines",
            Self::Spert => "spert",
            Self::SciErc => "scierc",
            Self::DocRed => "docred",
            Self::Brat => "brat",
            Self::LabelStudio => "label-studio",
            Self::Doccano => "doccano",
            Self::DoccanoLabel => "doccano-label",
            Self::Prodigy => "prodigy",
            Self::Conll => "conll",
            Self::KlueNer => "klue-ner",
        }
    }

    /// Whether documents are written as files of a folder.
    pub const fn is_folder(self) -> bool {
        matches!(self, Self::Text | Self::Brat)
    }

    /// Whether relations have a place.
    pub const fn holds_relations(self) -> bool {
        !matches!(self, Self::Text | Self::Lines | Self::DoccanoLabel | Self::Conll | Self::KlueNer)
    }

    /// The layout to write where only the name of the file tells: `.jsonl` is this project's own, `.conll` that of columns.
    pub fn of_output(path: &Path) -> Option<Self> {
        match extension(path).as_deref() {
            Some("jsonl" | "ndjson") => Some(Self::Jsonl),
            Some("conll" | "iob" | "bio") => Some(Self::Conll),
            _ => None,
        }
    }

    /// The layout that the extension of `path` names or that the first bytes of the content show; `None` where
    /// neither tells.
    ///
    /// ```
    /// use std::path::Path;
    /// use re_formats::documents::DocumentFormat;
    /// let head = br#"[{"tokens": ["Marie"], "orig_id": 7, "entities": []}]"#;
    /// assert_eq!(DocumentFormat::guess(Path::new("a.json"), head), Some(DocumentFormat::Spert));
    /// ```
    pub fn guess(path: &Path, head: &[u8]) -> Option<Self> {
        match extension(path).as_deref() {
            Some("txt") => return Some(Self::Text),
            Some("ann") => return Some(Self::Brat),
            Some("conll" | "iob" | "bio") => return Some(Self::Conll),
            _ => {}
        }
        let head = without_marks(head).trim_ascii_start();
        if !matches!(head.first(), Some(b'[' | b'{')) {
            return head.starts_with(b"## ").then_some(Self::KlueNer);
        }
        let any = |keys: &[&str]| keys.iter().any(|key| has_key(head, key));
        let found = [
            (Self::DocRed, any(&["vertexSet", "sents"])),
            (Self::SciErc, any(&["doc_key", "sentences"])),
            (Self::LabelStudio, any(&["data", "annotations", "predictions"])),
            (Self::Jsonl, any(&["mentions"])),
            (Self::Doccano, any(&["start_offset", "Comments"])),
            (Self::Prodigy, any(&["spans", "_task_hash", "_input_hash"])),
            (Self::Spert, any(&["orig_id", "entities"]) && any(&["tokens"])),
            (Self::Jsonl, any(&["relations"])),
            (Self::DoccanoLabel, any(&["label", "labels"])),
            (Self::Jsonl, any(&["text"])),
        ];
        found.into_iter().find(|(_, found)| *found).map(|(format, _)| format)
    }
}

by_name!(DocumentFormat);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        for format in DocumentFormat::ALL {
            assert_eq!(format.to_string().parse::<DocumentFormat>().unwrap(), format);
            assert!(DocumentFormat::EXPECTED.contains(format.name()));
            let json = serde_json::to_string(&format).unwrap();
            assert_eq!(serde_json::from_str::<DocumentFormat>(&json).unwrap(), format);
        }
        assert!("xml".parse::<DocumentFormat>().unwrap_err().to_string().contains("one of jsonl, text"));
    }

    #[test]
    fn content_tells_what_names_do_not() {
        use DocumentFormat::*;
        for (path, head, expected) in [
            ("a.TXT", "{", Some(Text)),
            ("a.ann", "", Some(Brat)),
            ("a.conll", "", Some(Conll)),
            ("a.tsv", "\u{feff}## id\t<x:PS>\n", Some(KlueNer)),
            ("a.tsv", "a\tO\n", None),
            ("-", r#"[{"title": "a", "sents": []"#, Some(DocRed)),
            ("-", r#"{"doc_key": "a", "ner": []"#, Some(SciErc)),
            ("-", r#"[{"id": 1, "data": {"text": "a"}"#, Some(LabelStudio)),
            ("-", r#"{"id": 1, "text": "a \"spans\": 1", "mentions": []"#, Some(Jsonl)),
            ("-", r#"{"id": 1, "text": "a", "entities": [{"start_offset": 1"#, Some(Doccano)),
            ("-", r#"{"id": 1, "text": "a", "label": [[0, 1, "x"]]"#, Some(DoccanoLabel)),
            ("-", r#"{"text": "a", "spans": [{"start": 1"#, Some(Prodigy)),
            ("-", r#"[{"tokens": ["a"], "orig_id": 1"#, Some(Spert)),
            ("-", r#"{"id": "1", "text": "a"}"#, Some(Jsonl)),
            ("-", "[]", None),
            ("-", "", None),
        ] {
            assert_eq!(DocumentFormat::guess(Path::new(path), head.as_bytes()), expected, "{path} {head}");
        }
    }
}
