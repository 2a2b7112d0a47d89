//! Sentences with their entities marked.

use maud::{Markup, html};
use re_data::RelationExample;

/// The sentence with both entities marked; where they overlap, the shared stretch belongs to both.
pub(super) fn marked(example: &RelationExample) -> Markup {
    let text = example.text();
    let spans = example.entities().each_ref().map(|entity| entity.span().range());
    let mut cuts: Vec<usize> = spans.iter().flat_map(|span| [span.start, span.end]).collect();
    cuts.extend([0, text.len()]);
    cuts.sort_unstable();
    cuts.dedup();
    let pieces =
        cuts.iter().zip(cuts.iter().skip(1)).filter_map(|(&from, &to)| Some((from, text.get(from..to)?)));
    html! {
        p.sentence lang=[language(text)] {
            @for (from, piece) in pieces {
                @match spans.each_ref().map(|span| span.contains(&from)) {
                    [false, false] => { (piece) }
                    [true, false] => { mark.subject title="subject" { (piece) } }
                    [false, true] => { mark.object title="object" { (piece) } }
                    [true, true] => { mark.subject.object title="subject and object" { (piece) } }
                }
            }
        }
    }
}

/// What the marks mean.
pub(super) fn legend() -> Markup {
    html! { mark.subject { "subject" } " " mark.object { "object" } }
}

/// The language of a text, where its letters tell: fonts draw Han characters otherwise in Korean than elsewhere.
pub(crate) fn language(text: &str) -> Option<&'static str> {
    text.chars().any(|c| ('가'..='힣').contains(&c)).then_some("ko")
}
