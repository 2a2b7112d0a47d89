//! The confusion matrix as a table whose cells are coloured.

use maud::{Markup, html};
use re_data::metrics::Metrics;

use super::sentence::language;
use crate::analysis::confusion::Confusion;
use crate::number::{count, percent};

/// Pairs of labels in the list of mistakes.
const MISTAKES: usize = 12;
/// Shares from which on a cell is so strongly coloured that its text must change, in the dark scheme and in both.
const MEDIUM: f64 = 0.42;
const STRONG: f64 = 0.7;

/// The pairs of labels that are confused most often.
pub(super) fn mistakes(metrics: &Metrics) -> Markup {
    let confusion = Confusion::of(metrics);
    let mistakes = confusion.mistakes(MISTAKES);
    html! {
        h3 { "Most frequent mistakes" }
        @if mistakes.is_empty() {
            p.remark { "No row is wrong." }
        } @else {
            div.scroll { table {
                thead { tr {
                    th scope="col" { "Gold" }
                    th scope="col" { "Predicted" }
                    th.n scope="col" { "Rows" }
                    th.n scope="col" { "Of gold, %" }
                } }
                tbody { @for mistake in &mistakes { tr {
                    td lang=[language(mistake.gold)] { (mistake.gold) }
                    td lang=[language(mistake.predicted)] { (mistake.predicted) }
                    td.n { (count(mistake.rows as u64)) }
                    td.n { (percent(mistake.share)) }
                } } }
            } }
        }
    }
}

pub(super) fn matrix(metrics: &Metrics) -> Markup {
    let confusion = Confusion::of(metrics);
    let labels = &confusion.labels;
    html! {
        p.remark {
            "Gold labels in rows, predicted ones in columns, both by support. A cell says which percentage of the "
            "row's label was predicted as the column's; a cell's tooltip has the counts. "
            span.key.hit { "right" } " " span.key.miss { "wrong" }
        }
        div.scroll.matrix tabindex="0" role="region" aria-label="Confusion matrix" { table.confusion {
            thead { tr {
                th scope="col" { span.corner { "gold ↓ predicted →" } }
                @for label in labels { th scope="col" { span lang=[language(label)] { (label) } } }
            } }
            tbody {
                @for ((gold, &support), counts) in labels.iter().zip(&confusion.support).zip(&confusion.counts) { tr {
                    th scope="row" { span lang=[language(gold)] { (gold) } " " small { (count(support as u64)) } }
                    @for (predicted, &rows) in labels.iter().zip(counts) { (cell(gold, predicted, rows, support)) }
                } }
            }
        } }
    }
}

fn cell(gold: &str, predicted: &str, rows: usize, support: usize) -> Markup {
    if rows == 0 {
        return html! { td.same[gold == predicted] {} };
    }
    let share = rows as f64 / support.max(1) as f64;
    // The square root, so that a few per cent of a frequent label are seen at all.
    let strength = share.sqrt();
    let kind = if gold == predicted { "hit" } else { "miss" };
    let what = if gold == predicted { "right".to_owned() } else { format!("predicted as {predicted}") };
    let class = match share {
        share if share > STRONG => format!("{kind} strong"),
        share if share > MEDIUM => format!("{kind} medium"),
        _ => kind.to_owned(),
    };
    html! {
        td class=(class) style={ "--s:" (format!("{strength:.2}")) }
            title={ (gold) ": " (rows) " of " (support) " " (what) } {
            (rounded(share))
        }
    }
}

/// Whole percent; what is less than half of one is not nothing.
fn rounded(share: f64) -> String {
    let whole = (100.0 * share).round();
    if whole == 0.0 { "·".to_owned() } else { whole.to_string() }
}
