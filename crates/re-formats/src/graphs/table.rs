//! A row for each relation.

use std::io;

use re_data::Document;

use crate::documents::writer::Holds;
use crate::documents::{Losses, Lost};
use crate::write::{delimited, fault};

const COLUMNS: [&str; 15] = [
    "document",
    "subject",
    "subject_start",
    "subject_end",
    "subject_type",
    "subject_entity",
    "subject_score",
    "relation",
    "object",
    "object_start",
    "object_end",
    "object_type",
    "object_entity",
    "object_score",
    "score",
];

pub(super) fn header() -> String {
    COLUMNS.join(",") + "\n"
}

pub(super) fn rows(document: &Document, losses: &mut Losses) -> io::Result<String> {
    let holds = Holds {
        mentions: true,
        mention_scores: true,
        entities: true,
        relations: true,
        relation_scores: true,
        source: false,
    };
    holds.count(document, losses);
    let mut unrelated = vec![true; document.mentions().len()];
    let mut rows = delimited(Vec::new(), b',');
    for relation in document.relations() {
        let pair = relation.pair();
        let mut row = vec![document.id().to_owned()];
        for (number, behind) in
            [(pair.subject, relation.label().to_owned()), (pair.object, score(relation.score()))]
        {
            let Some(mention) = document.mentions().get(number) else { continue };
            unrelated.get_mut(number).into_iter().for_each(|unrelated| *unrelated = false);
            row.extend([
                document.surface(number).to_owned(),
                mention.span().start().to_string(),
                mention.span().end().to_string(),
                mention.kind().unwrap_or_default().to_owned(),
                mention.entity().unwrap_or_default().to_owned(),
                score(mention.score()),
                behind,
            ]);
        }
        rows.write_record(row).map_err(fault)?;
    }
    losses.add(Lost::Mention, unrelated.into_iter().filter(|unrelated| *unrelated).count());
    let bytes = rows.into_inner().map_err(csv::IntoInnerError::into_error)?;
    String::from_utf8(bytes).map_err(io::Error::other)
}

fn score(score: Option<f32>) -> String {
    score.map(|score| score.to_string()).unwrap_or_default()
}
