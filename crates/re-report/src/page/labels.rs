//! Figures of each label.

use maud::{Markup, html};
use re_data::metrics::{LabelMetrics, Metrics};

use super::sentence::language;
use crate::number::{count, percent};

/// Rows of a label below which its figures tell little.
const FEW: usize = 10;

pub(super) fn table(metrics: &Metrics) -> Markup {
    let labels = by_support(metrics);
    let few = labels.iter().filter(|label| label.support < FEW).count();
    let absent = metrics.per_label.len() - labels.len();
    html! {
        div.scroll { table.labels {
            thead { tr {
                th scope="col" { "Label" }
                th.n scope="col" { "Support" }
                th.n scope="col" { "Predicted" }
                th.n scope="col" { "Precision" }
                th.n scope="col" { "Recall" }
                th.n scope="col" { "F1" }
                th aria-hidden="true" {}
            } }
            tbody { @for label in &labels { tr.few[label.support < FEW] {
                th scope="row" lang=[language(&label.label)] { (label.label) }
                td.n { (count(label.support as u64)) }
                td.n { (count(label.predicted as u64)) }
                td.n { (defined(label.precision, label.predicted)) }
                td.n { (defined(label.recall, label.support)) }
                td.n { (percent(label.f1)) }
                td.bar aria-hidden="true" { span style={ "width:" (percent(label.f1)) "%" } {} }
            } } }
        } }
        p.remark {
            "In percent; a dash stands where no row counts."
            @if few > 0 {
                " Labels with fewer than " (FEW) " gold rows (" (few) ") are grey: their figures tell little."
            }
            @if absent > 0 {
                " " (absent) " of " (metrics.per_label.len()) " labels occur neither as gold nor as predicted."
            }
        }
    }
}

/// The labels that occur, the one with most gold rows first.
pub(super) fn by_support(metrics: &Metrics) -> Vec<&LabelMetrics> {
    let mut labels: Vec<_> =
        metrics.per_label.iter().filter(|label| label.support + label.predicted > 0).collect();
    labels.sort_by_key(|label| std::cmp::Reverse((label.support, label.predicted)));
    labels
}

/// A share, or a dash where there is nothing that it could be a share of.
fn defined(share: f64, of: usize) -> String {
    if of == 0 { "–".to_owned() } else { percent(share) }
}
