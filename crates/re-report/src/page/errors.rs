//! The errors of which a model was surest.

use maud::{Markup, html};

use super::sentence::{language, legend, marked};
use crate::gold::{Row, Scored};
use crate::number::{count, percent};

pub(super) fn list(scored: &Scored, most: usize) -> Markup {
    let gold = |row: &Row<'_>| scored.labels().name(row.gold).unwrap_or_default();
    let share = |share: f32| html! { span.n { (percent(share.into())) " %" } };
    let mut wrong: Vec<Row<'_>> = scored.rows().filter(|row| !row.right()).collect();
    let all = wrong.len();
    wrong.sort_by(|a, b| b.prediction.probability.total_cmp(&a.prediction.probability));
    wrong.truncate(most);
    html! {
        h3 { "Most confident errors" }
        @if wrong.is_empty() {
            p.remark { "No row is wrong." }
        } @else {
            p.remark {
                (wrong.len()) " of " (count(all as u64))
                " wrong rows, the surest first: mistakes of the model, or labels to look at again. "
                (legend())
            }
            ol.sentences { @for row in &wrong { li {
                (marked(row.example))
                p.answer {
                    span.id { (row.example.id()) }
                    span { "gold " b lang=[language(gold(row))] { (gold(row)) } " " (share(row.gold_probability())) }
                    span {
                        "predicted "
                        b.wrong lang=[language(row.prediction.label)] { (row.prediction.label) } " "
                        (share(row.prediction.probability))
                    }
                }
            } } }
        }
    }
}
