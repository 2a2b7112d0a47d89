//! Documents of all kinds, written and read again.

use proptest::prelude::*;
use re_data::{CharSpan, Document, Mention, Pair, Relation};
use re_formats::Error;
use re_formats::documents::{
    DocumentFormat, DocumentReadOptions, DocumentReader, DocumentWriter, Losses, Lost, UNTYPED,
};

use crate::{couple, options};

/// Texts of everything that layouts stumble over, with mentions anywhere: nested, overlapping, touching, equal.
pub(crate) fn document() -> impl Strategy<Value = Document> {
    let character = prop_oneof![
        4 => prop::sample::select(vec!['a', 'b', ' ', ' ', '가', 'é']),
        1 => prop::sample::select(vec!['\n', '\r', '\t', '😀', '\u{301}', '\u{200d}', '\u{1}', '\u{feff}', '\u{2028}', '"', '\\', '#', '-']),
        1 => any::<char>(),
    ];
    let name = || prop_oneof![3 => "[A-C]", 1 => "[A-Z가-힣:;<> _\\t-]{0,3}[A-Z]"];
    let id = prop_oneof![2 => "[1-9][0-9]{0,2}", 1 => "[a-z가-힣/%:. ]{0,6}[a-z]"];
    let mention = (
        any::<(prop::sample::Index, prop::sample::Index)>(),
        prop::option::weighted(0.8, name()),
        prop::option::weighted(0.3, 0f32..=1f32),
        prop::option::weighted(0.4, prop_oneof!["[0-3]", "Q[0-9]", "w:[a-b]", "entity:x", "a b"]),
    );
    let relation = (
        any::<(prop::sample::Index, prop::sample::Index)>(),
        name(),
        prop::option::weighted(0.3, 0f32..=1f32),
    );
    let parts = (
        id,
        prop::collection::vec(character, 1..24),
        prop::collection::vec(mention, 0..6),
        prop::collection::vec(relation, 0..5),
        prop::option::of("[a-z가-힣,\" ]{1,8}"),
    );
    parts.prop_map(|(id, text, mentions, relations, source)| {
        let length = text.len();
        let text: String = text.into_iter().collect();
        let mention =
            |((start, len), kind, score, entity): (_, Option<String>, Option<f32>, Option<String>)| {
                let (start, len): (prop::sample::Index, prop::sample::Index) = (start, len);
                let start = start.index(length);
                // Mostly short ones, so that some touch.
                let len = 1 + len.index((length - start).min(6));
                let mut mention = Mention::new(CharSpan::with_len(start, len));
                if let Some(kind) = kind {
                    mention = mention.with_kind(kind);
                }
                if let Some(score) = score {
                    mention = mention.with_score(score);
                }
                match entity {
                    Some(entity) => mention.with_entity(entity),
                    None => mention,
                }
            };
        let mentions: Vec<Mention> = mentions.into_iter().map(mention).collect();
        let count = mentions.len();
        let mut kept: Vec<Relation> = Vec::new();
        for ((subject, object), label, score) in relations {
            if count < 2 {
                break;
            }
            let subject = subject.index(count);
            let object = (subject + 1 + object.index(count - 1)) % count;
            let relation = Relation::new(Pair { subject, object }, label);
            if kept.iter().any(|other| (other.pair(), other.label()) == (relation.pair(), relation.label())) {
                continue;
            }
            kept.push(match score {
                Some(score) => relation.with_score(score),
                None => relation,
            });
        }
        let document = Document::new(id, text, mentions).unwrap().with_relations(kept).unwrap();
        match source {
            Some(source) => document.with_source(source),
            None => document,
        }
    })
}

/// What is left of mentions where `losses` says that something went: (span, text, type, score, entity).
type Shown = (Option<CharSpan>, String, Option<String>, Option<u32>, Option<String>);

fn shown(document: &Document, number: usize, losses: &Losses) -> Shown {
    let mention = &document.mentions()[number];
    let lost = |lost| losses.count(lost) > 0;
    let moved = lost(Lost::Text) || lost(Lost::Edge);
    let surface = match moved {
        true => document.surface(number).chars().filter(|c| !c.is_whitespace()).collect(),
        false => document.surface(number).to_owned(),
    };
    let kind = match mention.kind() {
        None if lost(Lost::Untyped) => Some(UNTYPED.to_owned()),
        kind => kind.map(str::to_owned),
    };
    (
        Some(mention.span()).filter(|_| !moved),
        surface,
        kind.filter(|_| !lost(Lost::Name)),
        mention.score().map(f32::to_bits).filter(|_| !lost(Lost::MentionScore)),
        mention.entity().map(str::to_owned).filter(|_| !lost(Lost::Entity) && !lost(Lost::EntityId)),
    )
}

/// Checks that all of `smaller` is in `larger`, as often, and `lost` more.
fn is_part<T: Ord + std::fmt::Debug>(
    mut smaller: Vec<T>,
    mut larger: Vec<T>,
    lost: usize,
) -> Result<(), TestCaseError> {
    prop_assert_eq!(smaller.len() + lost, larger.len(), "{:?} of {:?}", smaller, larger);
    smaller.sort();
    larger.sort();
    let mut rest = larger.iter();
    for found in &smaller {
        prop_assert!(rest.any(|known| known == found), "{found:?} is none of {larger:?}");
    }
    Ok(())
}

/// Checks that a document was read back but for what the writer said that it lost.
fn same_but(losses: &Losses, before: &Document, after: &Document) -> Result<(), TestCaseError> {
    let lost = |lost| losses.count(lost) > 0;
    if !lost(Lost::Id) {
        prop_assert_eq!(after.id(), before.id());
    }
    if !lost(Lost::Source) {
        prop_assert_eq!(after.source(), before.source());
    }
    if lost(Lost::Text) {
        let visible = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        prop_assert_eq!(visible(after.text()), visible(before.text()));
    } else {
        prop_assert_eq!(after.text(), before.text());
    }
    let mentions = |document: &Document| -> Vec<Shown> {
        (0..document.mentions().len()).map(|number| shown(document, number, losses)).collect()
    };
    is_part(mentions(after), mentions(before), losses.count(Lost::Mention))?;
    let relations = |document: &Document| -> Vec<_> {
        let relation = |relation: &Relation| {
            let label = Some(relation.label().to_owned()).filter(|_| !lost(Lost::Name));
            let score = relation.score().map(f32::to_bits).filter(|_| !lost(Lost::RelationScore));
            let ends = [relation.pair().subject, relation.pair().object];
            let ends = (!lost(Lost::Endpoint)).then(|| ends.map(|mention| shown(document, mention, losses)));
            (label, score, ends)
        };
        document.relations().iter().map(relation).collect()
    };
    is_part(relations(after), relations(before), losses.count(Lost::Relation))?;
    if lost(Lost::EntityId) && !lost(Lost::Entity) && !lost(Lost::Mention) {
        let groups = |document: &Document| {
            let mut groups: std::collections::BTreeMap<_, Vec<Shown>> = Default::default();
            for (number, mention) in document.mentions().iter().enumerate() {
                groups
                    .entry(mention.entity().map(str::to_owned))
                    .or_default()
                    .push(shown(document, number, losses));
            }
            groups.values_mut().for_each(|group| group.sort());
            let mut groups: Vec<_> = groups.into_values().collect();
            groups.sort();
            groups
        };
        prop_assert_eq!(groups(after), groups(before));
    }
    Ok(())
}

/// Writes both documents in a layout, reads them again, and compares.
fn come_back(format: DocumentFormat, first: &Document, second: &Document) -> Result<(), TestCaseError> {
    let failed = |error: Error| TestCaseError::fail(format!("{format}: {error}"));
    let second = match second.id() == first.id() {
        true => {
            let other = Document::new("other", second.text(), second.mentions().to_vec()).unwrap();
            other.with_relations(second.relations().to_vec()).unwrap()
        }
        false => second.clone(),
    };
    let documents = [first.clone(), second];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let mut file = Vec::new();
    let mut writer = match format.is_folder() {
        true => DocumentWriter::create(&path, format).unwrap(),
        false => DocumentWriter::new(&mut file, "out", format).unwrap(),
    };
    let losses = match documents.iter().map(|document| writer.write(document)).collect::<Result<Vec<_>, _>>()
    {
        Ok(losses) => losses,
        // Marks of the encoding at a beginning, and texts without words.
        Err(Error::Unwritable(_)) => {
            let text = format.is_folder() || matches!(format, DocumentFormat::Lines | DocumentFormat::Conll);
            let odd = |d: &Document| d.text().starts_with('\u{feff}') || d.text().trim().is_empty();
            let word = |d: &Document| d.text().trim_start().starts_with('\u{feff}');
            prop_assert!(text && documents.iter().any(|d| odd(d) || word(d)), "{format}");
            return Ok(());
        }
        Err(error) => return Err(failed(error)),
    };
    writer.finish().unwrap();
    let mut reader = match format.is_folder() {
        true => DocumentReader::open(&path, &options(format)).unwrap(),
        false => DocumentReader::new(file.as_slice(), "out", &options(format)).unwrap(),
    };
    let again = reader.by_ref().collect::<Result<Vec<_>, _>>().map_err(failed)?;
    prop_assert!(reader.report().unread.is_empty(), "{format}: {}", reader.report());
    prop_assert_eq!(again.len(), 2);
    for (number, (before, losses)) in documents.iter().zip(&losses).enumerate() {
        let by_id = again.iter().find(|document| document.id() == before.id());
        let after = by_id.filter(|_| format.is_folder()).unwrap_or(&again[number]);
        let compared = same_but(losses, before, after);
        compared.map_err(|error| TestCaseError::fail(format!("{format}: {losses:?}: {error}")))?;
    }
    if format == DocumentFormat::Jsonl {
        prop_assert!(losses.iter().all(Losses::is_empty));
        prop_assert_eq!(&again[..], &documents[..]);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn documents_come_back_from_files_but_for_what_is_said(first in document(), second in document()) {
        for format in DocumentFormat::ALL.into_iter().filter(|format| !format.is_folder()) {
            come_back(format, &first, &second)?;
        }
    }
}

proptest! {
    // Each folder is synced.
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn documents_come_back_from_folders_but_for_what_is_said(first in document(), second in document()) {
        come_back(DocumentFormat::Text, &first, &second)?;
        come_back(DocumentFormat::Brat, &first, &second)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Every fault is one of a document, and reading ends.
    #[test]
    fn damaged_files_give_errors_or_documents(
        first in document(),
        second in document(),
        at in any::<prop::sample::Index>(),
        removed in 0usize..8,
        inserted in prop::collection::vec(prop_oneof![Just(b'"'), Just(b'['), Just(b'}'), Just(b'\n'), Just(b'9'), any::<u8>()], 0..4),
    ) {
        for format in DocumentFormat::ALL.into_iter().filter(|format| !format.is_folder()) {
            let mut file = Vec::new();
            let mut writer = DocumentWriter::new(&mut file, "out", format).unwrap();
            // Some layouts refuse some.
            [&first, &second].into_iter().for_each(|document| drop(writer.write(document)));
            writer.finish().unwrap();
            let at = at.index(file.len() + 1);
            file.splice(at..file.len().min(at + removed), inserted.iter().copied());
            let lenient = DocumentReadOptions { format: Some(format), lenient: true };
            let mut reader = DocumentReader::new(file.as_slice(), "out", &lenient).unwrap();
            for document in reader.by_ref() {
                prop_assert!(document.is_ok(), "{format}: {document:?}");
            }
            let report = reader.report();
            // Behind a lost bracket, what is left of a document may be many faults.
            prop_assert!(report.documents + report.rejected.count <= file.len() + 1, "{format}: {report}");
        }
    }
}

#[test]
fn long_documents_come_back() {
    let text = "word 가나 😀 ".repeat(33_334);
    let mention = |number: usize| Mention::new(CharSpan::with_len(300_000 - 40 * number, 4)).with_kind("A");
    let mentions: Vec<Mention> = (0..2000).map(mention).collect();
    let relation = |number| Relation::new(Pair { subject: number, object: number + 1 }, "r");
    let long = Document::new("long", text, mentions).unwrap();
    let long = long.with_relations((0..1999).map(relation).collect()).unwrap();
    for format in DocumentFormat::ALL {
        come_back(format, &long, &couple()).unwrap_or_else(|error| panic!("{error}"));
    }
    let huge = Document::new("huge", "x ".repeat(9 << 20), vec![]).unwrap();
    let mut writer = DocumentWriter::new(Vec::new(), "-", DocumentFormat::Jsonl).unwrap();
    let error = writer.write(&huge).unwrap_err().to_string();
    assert!(error.contains("expected a document of at most 16 MiB there"), "{error}");
}
