//! One document on the page.

use maud::{Markup, PreEscaped, html};
use re_data::{Document, Relation};

use super::text::{MOST_OPEN, Part, Parts, parts, shown};
use super::{Legend, many};
use crate::number::percent;
use crate::page::language;

/// Most characters of a type that stand behind each of its mentions.
const TAG: usize = 14;

pub(super) fn card(number: usize, document: &Document, legend: &Legend<'_>) -> Markup {
    let relations = document.relations();
    let parts = parts(document);
    let deepest = parts.levels.iter().max().copied().unwrap_or_default();
    html! {
        article.document id={ "d" (number) } aria-labelledby={ "t" (number) } {
            h2 id={ "t" (number) } { bdi { (shown(document.id())) } }
            p.facts {
                (many(document.mentions().len(), "mention")) ", " (many(relations.len(), "relation"))
                @if let Some(source) = document.source() { ", from " bdi { (shown(source)) } }
            }
            @if parts.undrawn > 0 {
                p.remark {
                    (many(parts.undrawn, "mention")) " not drawn: more than " (MOST_OPEN) " stand over the same characters."
                }
            }
            div.drawing {
                p.text dir="auto" lang=[language(document.text())] style={ "--deepest:" (deepest) } {
                    (text(document, legend, &parts))
                }
            }
            @if !relations.is_empty() {
                details open {
                    summary { "Relations " span.quiet { (relations.len()) } }
                    div.scroll tabindex="0" role="region" aria-label={ "Relations of " (shown(document.id())) } {
                        table {
                            thead { tr {
                                th scope="col" { "Subject" }
                                th scope="col" { "Relation" }
                                th scope="col" { "Object" }
                                th.n scope="col" { "Probability, %" }
                            } }
                            tbody { @for relation in relations { (row(document, relation, legend)) } }
                        }
                    }
                }
            }
        }
    }
}

/// The text, with an element for each mention, or several where mentions overlap.
fn text(document: &Document, legend: &Legend<'_>, parts: &Parts<'_>) -> Markup {
    let mut related = vec![0; document.mentions().len()];
    for relation in document.relations() {
        let pair = relation.pair();
        for end in [pair.subject, pair.object] {
            related.get_mut(end).into_iter().for_each(|count| *count += 1);
        }
    }
    // The last piece of a mention carries its type.
    let mut last = vec![0; parts.levels.len()];
    for (at, part) in parts.all.iter().enumerate() {
        if let Part::Open { mention, .. } = part {
            last.get_mut(*mention).into_iter().for_each(|last| *last = at);
        }
    }
    let mut text = String::new();
    for (at, part) in parts.all.iter().enumerate() {
        match *part {
            Part::Text(piece) => text.push_str(&html! { (shown(piece)) }.into_string()),
            Part::Close => text.push_str("</span>"),
            Part::Open { mention: number, first } => {
                let Some(mention) = document.mentions().get(number) else { continue };
                let (kind, colour) = legend.kind(mention.kind());
                let level = parts.levels.get(number).copied().unwrap_or(1);
                let tag = mention.kind().filter(|_| last.get(number) == Some(&at)).map(tag);
                let label = first.then(|| {
                    let surface = shown(document.surface(number));
                    let kind = mention.kind().map_or("no type".into(), shown);
                    let score = mention.score().map(|score| format!(", {} %", percent(score.into())));
                    let relations = many(related.get(number).copied().unwrap_or_default(), "relation");
                    format!("{surface}, {kind}{}, {relations}", score.unwrap_or_default())
                });
                let entity = mention.entity().filter(|_| first).map(shown);
                let opened = html! {
                    span class={ "m " (colour) } data-m=(number) data-k=(kind) data-tag=[tag] data-entity=[entity]
                        style={ "--level:" (level) } role=[first.then_some("group")] tabindex=[first.then_some("0")] aria-label=[label] {}
                };
                text.push_str(opened.into_string().trim_end_matches("</span>"));
            }
        }
    }
    PreEscaped(text)
}

/// A type as it stands behind a mention.
fn tag(kind: &str) -> String {
    let kind = shown(kind);
    match kind.char_indices().nth(TAG) {
        Some((end, _)) => kind.get(..end).unwrap_or_default().to_owned() + "…",
        None => kind.into_owned(),
    }
}

fn row(document: &Document, relation: &Relation, legend: &Legend<'_>) -> Markup {
    let pair = relation.pair();
    let label = relation.label();
    let end = |number: usize| {
        let kind = document.mentions().get(number).and_then(|mention| mention.kind());
        let (_, colour) = legend.kind(kind);
        html! {
            bdi.surface lang=[language(document.surface(number))] { (shown(document.surface(number))) }
            @if let Some(kind) = kind { " " span class={ "type " (colour) } { bdi { (shown(kind)) } } }
        }
    };
    html! {
        tr data-subject=(pair.subject) data-object=(pair.object) data-label=(legend.labels.number(Some(label)))
            data-score=[relation.score()] {
            td { (end(pair.subject)) }
            td { bdi.label lang=[language(label)] { (shown(label)) } }
            td { (end(pair.object)) }
            td.n { @match relation.score() { Some(score) => (percent(score.into())), None => span.quiet { "none" } } }
        }
    }
}
