//! Statistics of documents.

use std::fmt::Write;
use std::path::Path;

use anyhow::Result;
use re_data::stats::DocumentStats;
use re_formats::documents::{DocumentFormat, DocumentReadReport};
use serde::Serialize;

use crate::bars::bar;
use crate::cleanup::Output;
use crate::documents::Documents;
use crate::output::ResultArgs;
use crate::progress::Progress;

/// What is written as JSON.
#[derive(Debug, Serialize)]
struct Found {
    #[serde(flatten)]
    stats: DocumentStats,
    format: DocumentFormat,
    read: DocumentReadReport,
}

/// Reads all documents and says what they look like.
pub fn describe(
    mut documents: Documents,
    path: &Path,
    mut progress: Progress,
    result: &ResultArgs,
    output: Output,
) -> Result<()> {
    let mut fault = None;
    // They are counted one by one, so that none is held.
    let read = documents.by_ref().map_while(|document| match document {
        Ok(document) => {
            progress.advance(1);
            Some(document)
        }
        Err(error) => {
            fault = Some(error);
            None
        }
    });
    let stats = DocumentStats::of(read);
    progress.finish();
    if let Some(error) = fault {
        return Err(error.into());
    }
    let found = Found { stats, format: documents.format(), read: documents.report().clone() };
    result.write_to(output, || text(path, &found), &found)
}

fn text(path: &Path, found: &Found) -> String {
    let Found { stats, format, read } = found;
    let mut text = format!("{}: {format}, {read}\n", path.display());
    let _ = writeln!(
        text,
        "{} documents repeat a text, {} an id; {} without mentions, {} without relations",
        stats.repeated_texts, stats.repeated_ids, stats.without_mentions, stats.without_relations
    );
    let lengths = [
        ("length in characters", &stats.characters),
        ("mentions a document", &stats.mentions_per_document),
        ("relations a document", &stats.relations_per_document),
        ("length of mentions in characters", &stats.mention_characters),
    ];
    for (name, lengths) in lengths {
        if let Some(lengths) = lengths {
            let _ = writeln!(text, "{name}: {}", super::describe(lengths));
        }
    }
    let none = "(none)".to_owned();
    let types =
        stats.types.iter().map(|(kind, count)| (kind.clone().unwrap_or_else(|| none.clone()), *count));
    text += &table(&format!("{} mentions by type", stats.mentions), types.collect());
    let _ = writeln!(
        text,
        "{} nested, {} crossing, {} repeated, {} with an entity",
        stats.nested, stats.crossing, stats.repeated_mentions, stats.with_entity
    );
    let labels = stats.typed_labels.iter().map(|(typed, count)| {
        let kind = |kind: &Option<String>| kind.clone().unwrap_or_else(|| none.clone());
        (format!("{}  {} -> {}", typed.label, kind(&typed.subject), kind(&typed.object)), *count)
    });
    text += &table(
        &format!("{} relations by label, and the types that they join", stats.relations),
        labels.collect(),
    );
    let _ = writeln!(
        text,
        "{} ordered pairs of mentions, {} of them with several relations",
        stats.pairs, stats.pairs_with_several
    );
    text
}

fn table(title: &str, rows: Vec<(String, usize)>) -> String {
    let mut text = format!("\n{title}\n");
    let most = rows.iter().map(|(_, count)| *count).max().unwrap_or_default();
    let all = rows.iter().map(|(_, count)| *count).sum::<usize>().max(1) as f64;
    for (name, count) in rows {
        let share = 100.0 * count as f64 / all;
        let _ = writeln!(text, "{count:7} {share:5.1} %  {}  {name}", bar(count, most));
    }
    text
}
