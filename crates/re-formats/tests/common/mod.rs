//! Helpers that the integration tests of this crate share.
// The lints' exemption for tests stops at helper functions.
#![allow(dead_code, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use re_data::{CharSpan, Entity, RelationExample};
use re_formats::read::{ExampleReader, ReadOptions, ReadReport};
use re_formats::{Error, RecordError};

/// A file of the research data (`data/` in the folder that `RE_SHARED` names, else in `../shared` beside the checkout).
/// A test that needs it is ignored unless asked for, and has a name that ends in `_in_shared_data`.
pub fn shared(file: &str) -> PathBuf {
    let root = std::env::var_os("RE_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let path = root.join("data").join(file);
    assert!(path.exists(), "{} is absent (RE_SHARED names the folder that holds data/)", path.display());
    path
}

/// Everything that a reader gives.
pub fn read(
    file: &[u8],
    name: &str,
    options: &ReadOptions,
) -> (Vec<re_formats::Result<RelationExample>>, ReadReport) {
    let mut reader = ExampleReader::new(file, name, options).unwrap();
    let rows = reader.by_ref().collect();
    (rows, reader.report().clone())
}

/// Options of a reader that reads on after a fault.
pub fn lenient() -> ReadOptions {
    ReadOptions { lenient: true, ..ReadOptions::default() }
}

/// The only fault that a strict reader finds.
pub fn fault(file: &[u8], name: &str, options: &ReadOptions) -> RecordError {
    let (mut rows, _) = read(file, name, options);
    match rows.pop() {
        Some(Err(Error::Record(fault))) => *fault,
        other => panic!("expected a record error, found {other:?}"),
    }
}

/// Texts with everything that needs quoting, and two entities somewhere in them.
pub fn example() -> impl Strategy<Value = RelationExample> {
    let text = proptest::collection::vec(
        prop_oneof![
            Just('"'),
            Just('\t'),
            Just('\n'),
            Just('\r'),
            Just(','),
            Just('가'),
            Just('😀'),
            any::<char>()
        ],
        1..12,
    );
    let any_entity =
        || (any::<prop::sample::Index>(), any::<prop::sample::Index>(), proptest::option::of("[A-Z]{1,5}"));
    let label = proptest::option::of("[a-z:가-힣\"]{1,8}".prop_filter("not blind", |l| l != "blind"));
    let source = proptest::option::of("[a-z가-힣,\"]{1,8}");
    let row = ("[!-~가-힣 ]{0,11}[!-~가-힣]", text, any_entity(), any_entity(), label, source);
    row.prop_map(|(id, text, a, b, label, source)| {
        let characters = text.len();
        let text: String = text.into_iter().collect();
        let entity = |(start, len, kind): (prop::sample::Index, prop::sample::Index, Option<String>)| {
            let start = start.index(characters);
            let span = CharSpan::with_len(start, 1 + len.index(characters - start));
            let entity = Entity::new(span.to_bytes(&text).unwrap());
            match kind {
                Some(kind) => entity.with_kind(kind),
                None => entity,
            }
        };
        let example = RelationExample::new(id, text.clone(), [entity(a), entity(b)]).unwrap();
        let example = match source {
            Some(source) => example.with_source(source),
            None => example,
        };
        match label {
            Some(label) => example.with_label(label),
            None => example,
        }
    })
}
