//! The table of runs that have extracted graphs from documents.

use re_extract::score::Agreement;

use super::group::Group;
use super::markdown::{cell, table};
use super::recorded::Recorded;
use crate::number::{count, percent};
use crate::run::{GraphScores, RowSet};

/// The table, with a heading; empty where no run has graphs.
pub(super) fn tables(groups: &[Group]) -> String {
    let runs = groups.iter().flat_map(|group| &group.runs);
    let lines: Vec<[String; 8]> = runs.flat_map(lines).collect();
    if lines.is_empty() {
        return String::new();
    }
    let head = [
        "run",
        "documents",
        "mentions: precision / recall / F1",
        "mentions: macro-F1",
        "relations, boundary: F1",
        "relations, strict: precision / recall / F1",
        "relations, strict: macro-F1",
        "relations right / found / true",
    ];
    let about = "### Graphs\n\nText in, graph out: what was found in documents, held against their own mentions and \
                 relations as SpERT does it, in percent; micro averages where nothing else stands there. Strict: both \
                 mentions' types must be right, too.\n\n";
    format!("{about}{}\n", table(head, lines.into_iter()))
}

fn lines(run: &Recorded) -> Vec<[String; 8]> {
    let line = |(rows, scores): &(RowSet, GraphScores)| {
        let three =
            |of: &Agreement| [of.micro.precision, of.micro.recall, of.micro.f1].map(percent).join(" / ");
        let strict = &scores.strict_relations;
        let counts = [strict.correct, strict.predicted, strict.gold].map(|number| count(number as u64));
        [
            format!("`{}`", cell(&run.path)),
            format!("{} {}", count(scores.documents as u64), rows.words()),
            three(&scores.mentions),
            percent(scores.mentions.macro_average.f1),
            percent(scores.relations.micro.f1),
            three(strict),
            percent(strict.macro_average.f1),
            counts.join(" / "),
        ]
    };
    run.graphs.iter().map(line).collect()
}
