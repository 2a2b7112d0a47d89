//! RDF 1.1 N-Triples.

use std::collections::HashSet;
use std::fmt::Write as _;

use re_data::Document;

use super::entities::{Entities, Entity};
use super::{EntityScope, GraphOptions};
use crate::documents::{Losses, Lost};
use crate::error::{Error, Result};

const RDF: &str = "http://www.w3.org/1999/02/22-rdf-syntax-ns#";
const LABEL: &str = "<http://www.w3.org/2000/01/rdf-schema#label>";
const SOURCE: &str = "<http://purl.org/dc/elements/1.1/source>";
const FLOAT: &str = "<http://www.w3.org/2001/XMLSchema#float>";

/// Refuses a base that makes no absolute IRIs.
pub(super) fn check_base(base: &str) -> Result<()> {
    let scheme = base.split_once(':').map_or("", |(scheme, _)| scheme);
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let unfit = |c: char| c <= ' ' || c.is_control() || "<>\"{}|^`\\".contains(c);
    if is_scheme && base.ends_with(['/', '#', ':']) && !base.contains(unfit) {
        return Ok(());
    }
    Err(Error::Data(re_data::Error::Argument {
        name: "base",
        found: base.to_owned(),
        expected: "an absolute IRI that ends in /, # or :, such as http://example.org/",
    }))
}

pub(super) fn document(document: &Document, options: &GraphOptions, losses: &mut Losses) -> String {
    let entities = Entities::counted(document, true, losses);
    let base = &options.base;
    let of_document = format!("{base}document/{}", encoded(document.id()));
    let kind = |kind: &str| format!("<{base}type/{}>", encoded(kind));
    let mut triples = String::new();
    let mut put = |subject: &str, predicate: &str, object: &str| {
        let _ = writeln!(triples, "{subject} {predicate} {object} .");
    };
    let is_a = format!("<{RDF}type>");
    let node = format!("<{of_document}>");
    put(&node, &is_a, &format!("<{base}terms/Document>"));
    put(&node, LABEL, &literal(document.id()));
    if let Some(source) = document.source() {
        put(&node, SOURCE, &literal(source));
    }
    let iris: Vec<String> =
        entities.all.iter().map(|entity| format!("<{}>", iri(entity, &of_document, options))).collect();
    for (entity, iri) in entities.all.iter().zip(&iris) {
        put(iri, &format!("<{base}terms/document>"), &node);
        let mut said = HashSet::new();
        for &number in &entity.mentions {
            let types = document.mentions().get(number).and_then(|mention| mention.kind());
            if let Some(name) = types.filter(|name| said.insert((true, *name))) {
                put(iri, &is_a, &kind(name));
            }
            let surface = document.surface(number);
            if said.insert((false, surface)) {
                put(iri, LABEL, &literal(surface));
            }
        }
    }
    let mut said = HashSet::new();
    for (number, relation) in document.relations().iter().enumerate() {
        let Some([subject, object]) = entities.ends(relation.pair()) else { continue };
        let (Some(subject), Some(object)) = (iris.get(subject), iris.get(object)) else { continue };
        let predicate = format!("<{base}relation/{}>", encoded(relation.label()));
        let new = said.insert((subject, relation.label(), object));
        if new {
            put(subject, &predicate, object);
        }
        match relation.score() {
            Some(score) => {
                let statement = format!("<{of_document}/relation/{number}>");
                put(&statement, &is_a, &format!("<{RDF}Statement>"));
                put(&statement, &format!("<{RDF}subject>"), subject);
                put(&statement, &format!("<{RDF}predicate>"), &predicate);
                put(&statement, &format!("<{RDF}object>"), object);
                put(&statement, &format!("<{base}terms/score>"), &format!("\"{score}\"^^{FLOAT}"));
                put(&statement, &format!("<{base}terms/document>"), &node);
            }
            // RDF has sets of triples: two relations of the same entities are one.
            None => losses.add(Lost::Relation, usize::from(!new)),
        }
    }
    triples
}

fn iri(entity: &Entity<'_>, of_document: &str, options: &GraphOptions) -> String {
    match (entity.id, options.entities) {
        (Some(id), EntityScope::Corpus) => format!("{}entity/{}", options.base, encoded(id)),
        (Some(id), EntityScope::Document) => format!("{of_document}/entity/{}", encoded(id)),
        (None, _) => {
            let (kind, surface) = (entity.kind.unwrap_or_default(), entity.surface);
            format!("{of_document}/name/{}/{}", encoded(kind), encoded(surface))
        }
    }
}

/// A part of an IRI: the bytes of all but letters, digits, `-`, `.`, `_` and `~` as `%` and two digits.
fn encoded(part: &str) -> String {
    let mut shown = String::with_capacity(part.len());
    for byte in part.bytes() {
        match byte {
            b'-' | b'.' | b'_' | b'~' => shown.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => shown.push(char::from(byte)),
            _ => {
                let _ = write!(shown, "%{byte:02X}");
            }
        }
    }
    shown
}

fn literal(text: &str) -> String {
    let mut shown = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => shown.push_str("\\\""),
            '\\' => shown.push_str("\\\\"),
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            _ if character.is_control() => {
                let _ = write!(shown, "\\u{:04X}", u32::from(character));
            }
            _ => shown.push(character),
        }
    }
    shown + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_an_absolute_iri() {
        for base in ["http://example.org/", "urn:x-re:", "https://한국.kr/a#"] {
            check_base(base).unwrap();
        }
        for base in [
            "",
            "example.org/",
            "http://example.org",
            "1a:/",
            "http://a b/",
            "http://a>/",
            ":",
            "http://a\n/",
        ] {
            let error = check_base(base).unwrap_err().to_string();
            assert!(error.contains("expected an absolute IRI that ends in"), "{error}");
        }
    }

    #[test]
    fn parts_of_iris_hold_any_text() {
        assert_eq!(encoded("per:a/b c.d~é%"), "per%3Aa%2Fb%20c.d~%C3%A9%25");
        assert_eq!(literal("a\"b\\c\n\0"), r#""a\"b\\c\n\u0000""#);
    }
}
