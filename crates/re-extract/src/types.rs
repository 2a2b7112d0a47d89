//! Types for the entities of rows, from a tagger.

use std::collections::HashMap;

use re_data::{CharSpan, Document, Mention, PredictError, RelationExample, RowError, Tagger};

/// The type that a tagger gives an entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundType {
    /// The type.
    pub kind: String,
    /// Whether the mention that has it is exactly the entity. Else it overlaps it.
    pub is_exact: bool,
}

/// The types of both entities of a row; `None` where the tagger finds no mention there.
pub type FoundTypes = [Option<FoundType>; 2];

/// The types that a tagger gives the entities of rows: that of the mention with the span of the entity or, where there is none,
/// of the one that shares most characters with it, the first of several. Types that the rows have are not looked at.
///
/// Rows of one text are tagged once. A row whose text the tagger cannot read fails alone.
///
/// # Errors
/// [`PredictError`] where the tagger failed, and with it all rows.
pub fn entity_types(
    tagger: &dyn Tagger,
    rows: &[RelationExample],
) -> Result<Vec<Result<FoundTypes, RowError>>, PredictError> {
    let mut numbers = HashMap::new();
    let mut documents = Vec::new();
    let mut places: Vec<Result<usize, RowError>> = Vec::with_capacity(rows.len());
    for row in rows {
        places.push(match numbers.get(row.text()) {
            Some(number) => Ok(*number),
            None => Document::new(row.id(), row.text(), Vec::new())
                .map(|document| {
                    numbers.insert(row.text(), documents.len());
                    documents.push(document);
                    documents.len() - 1
                })
                .map_err(|error| RowError::new(row.id(), error)),
        });
    }
    let tagged = tagger.tag(&documents)?;
    if tagged.len() != documents.len() {
        let (found, expected) = (tagged.len(), documents.len());
        return Err(PredictError::model(format!("the tagger answered {found} texts, expected {expected}")));
    }
    let types = |(row, place): (&RelationExample, Result<usize, RowError>)| match tagged.get(place?) {
        Some(Ok(mentions)) => Ok(types_of(row, mentions)),
        Some(Err(error)) => Err(error.clone()),
        None => Ok([None, None]),
    };
    Ok(rows.iter().zip(places).map(types).collect())
}

fn types_of(row: &RelationExample, mentions: &[Mention]) -> FoundTypes {
    row.entities().each_ref().map(|entity| best(entity.span().to_chars(row.text())?, mentions))
}

fn best(span: CharSpan, mentions: &[Mention]) -> Option<FoundType> {
    let shared = |mention: &Mention| {
        let other = mention.span();
        span.end().min(other.end()).saturating_sub(span.start().max(other.start()))
    };
    let rank = |mention: &Mention| (mention.span() == span, shared(mention));
    let candidates = mentions.iter().filter(|mention| mention.kind().is_some() && shared(mention) > 0);
    let found = candidates.reduce(|best, other| if rank(other) > rank(best) { other } else { best })?;
    Some(FoundType { kind: found.kind()?.to_owned(), is_exact: found.span() == span })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use re_data::{ByteSpan, Entity};

    use super::*;

    /// Finds the mentions that it was given, in every text but one.
    struct Known(Vec<Mention>);

    impl Tagger for Known {
        fn kinds(&self) -> &[Arc<str>] {
            &[]
        }

        fn tag(&self, documents: &[Document]) -> Result<Vec<Result<Vec<Mention>, RowError>>, PredictError> {
            let found = |document: &Document| match document.text() {
                "나쁜 글" => Err(RowError::new(document.id(), "unreadable")),
                _ => Ok(self.0.clone()),
            };
            Ok(documents.iter().map(found).collect())
        }
    }

    fn row(id: &str, text: &str, spans: [(usize, usize); 2]) -> RelationExample {
        let entities = spans.map(|(start, length)| Entity::new(ByteSpan::with_len(start, length)));
        RelationExample::new(id, text, entities).unwrap()
    }

    #[test]
    fn the_mention_at_the_entity_gives_its_type_and_else_the_one_that_shares_most() {
        // Code points: 0..3 PS, 4..7 OG, 4..6 LC; the third has no type.
        let mention = |start, length| Mention::new(CharSpan::with_len(start, length));
        let mentions = vec![
            mention(0, 3).with_kind("PS"),
            mention(4, 3).with_kind("OG"),
            mention(4, 2).with_kind("LC"),
            mention(8, 2),
        ];
        let text = "이순신 조선사 배를";
        let rows = [
            row("exact", text, [(0, 9), (10, 6)]),
            row("overlapping", text, [(13, 6), (3, 3)]),
            row("none", text, [(20, 6), (0, 9)]),
            row("failed", "나쁜 글", [(0, 6), (7, 3)]),
        ];
        let found = entity_types(&Known(mentions), &rows).unwrap();
        let kind = |row: usize, entity: usize| -> Option<(String, bool)> {
            let types = found[row].as_ref().unwrap();
            types[entity].clone().map(|found| (found.kind, found.is_exact))
        };
        let expected = |kind: &str, exact| Some((kind.to_owned(), exact));
        assert_eq!((kind(0, 0), kind(0, 1)), (expected("PS", true), expected("LC", true)));
        assert_eq!((kind(1, 0), kind(1, 1)), (expected("OG", false), expected("PS", false)));
        assert_eq!((kind(2, 0), kind(2, 1)), (None, expected("PS", true)));
        assert!(found[3].is_err());
    }
}
