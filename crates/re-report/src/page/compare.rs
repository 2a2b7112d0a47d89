//! Runs beside each other.

use maud::{Markup, html};
use re_ensemble::significance::p_text;

use super::labels::by_support;
use super::sentence::{language, legend, marked};
use super::settings;
use crate::analysis::compare::{Dispute, Named, Pair, disputes, pairs};
use crate::number::{count, percent, points};
use crate::report::{Entry, Report};

/// p value below which a difference counts as one.
const SIGNIFICANT: f64 = 0.05;

pub(super) fn section(report: &Report) -> Option<Markup> {
    let runs = report.compared();
    let with_figures: Vec<&Entry> = report.entries.iter().filter(|entry| entry.figures.is_some()).collect();
    if report.entries.len() < 2 && runs.len() < 2 {
        return None;
    }
    Some(html! {
        (settings::differences(&report.entries))
        @if runs.len() > 1 { (significance(&runs, report)) }
        @if with_figures.len() > 1 {
            h3 { "F1 by label" }
            (by_label(&with_figures))
        }
        @if runs.len() > 1 { (disagreements(&runs, report.options.sentences)) }
    })
}

fn significance(runs: &[Named<'_>], report: &Report) -> Markup {
    let bootstrap = &report.options.bootstrap;
    let (pairs, apart) = match pairs(runs, bootstrap) {
        Ok(found) => found,
        Err(error) => return html! { p.remark { "The runs cannot be compared: " (error) } },
    };
    html! {
        h3 { "Significance" }
        @if !pairs.is_empty() {
            div.scroll { table {
                thead { tr {
                    th scope="col" { "A" }
                    th scope="col" { "B" }
                    th.n scope="col" { "Rows" }
                    th.n scope="col" { "A, %" }
                    th.n scope="col" { "B, %" }
                    th.n scope="col" { "A − B, points" }
                    th.n scope="col" { (format!("{:.0} % interval", 100.0 * bootstrap.level)) }
                    th.n scope="col" { "Only A right" }
                    th.n scope="col" { "Only B right" }
                    th.n scope="col" { "Differ, %" }
                    th.n scope="col" { "p" }
                    @if pairs.len() > 1 { th.n scope="col" { "p, Holm" } }
                } }
                tbody { @for pair in &pairs { (row(pair, runs, pairs.len() > 1)) } }
            } }
            p.remark {
                "On the rows that both have. Intervals: paired bootstrap over sentences, " (count(bootstrap.resamples.into()))
                " resamples. p: exact McNemar test" @if pairs.len() > 1 { ", and adjusted for the number of pairs (Holm)" }
                ". Bold: below " (SIGNIFICANT) "."
            }
        }
        @for reason in &apart { p.remark { (reason) "." } }
    }
}

fn row(pair: &Pair, runs: &[Named<'_>], adjusted: bool) -> Markup {
    let name = |at: usize| runs.get(at).map(|run| run.0).unwrap_or_default();
    let comparison = &pair.comparison;
    let (difference, p) = (&comparison.difference, comparison.mcnemar_p);
    let decisive = if adjusted { pair.adjusted_p } else { p };
    html! {
        tr.significant[decisive < SIGNIFICANT] {
            th scope="row" { (name(pair.runs.0)) }
            th scope="row" { (name(pair.runs.1)) }
            td.n { (count(comparison.rows as u64)) }
            td.n { (percent(comparison.accuracy_a.value)) }
            td.n { (percent(comparison.accuracy_b.value)) }
            td.n.decisive { (points(difference.value)) }
            td.n.quiet { (points(difference.low)) " to " (points(difference.high)) }
            td.n { (count(comparison.only_a)) }
            td.n { (count(comparison.only_b)) }
            td.n { (percent(pair.disagreement)) }
            td.n { (p_text(p)) }
            @if adjusted { td.n.decisive { (p_text(pair.adjusted_p)) } }
        }
    }
}

fn by_label(entries: &[&Entry]) -> Markup {
    let metrics: Vec<_> =
        entries.iter().filter_map(|entry| entry.figures.as_ref()).map(|f| &f.metrics).collect();
    let mut names: Vec<(&str, usize)> = Vec::new();
    for label in metrics.iter().flat_map(|metrics| by_support(metrics)) {
        match names.iter_mut().find(|(name, _)| *name == label.label) {
            Some((_, support)) => *support = (*support).max(label.support),
            None => names.push((&label.label, label.support)),
        }
    }
    names.sort_by_key(|(_, support)| std::cmp::Reverse(*support));
    let figures = |name: &str| -> Vec<Option<(f64, usize)>> {
        let label = |m: &&re_data::metrics::Metrics| {
            m.per_label.iter().find(|label| label.label == name).map(|l| (l.f1, l.support))
        };
        metrics.iter().map(label).collect()
    };
    html! {
        div.scroll { table.labels {
            thead { tr {
                th scope="col" { "Label" }
                th.n scope="col" { "Support" }
                @for entry in entries { th.n scope="col" { (entry.run.name()) } }
                @if entries.len() == 2 { th.n scope="col" { "Difference, points" } }
            } }
            tbody { @for (name, support) in &names {
                @let found = figures(name);
                @let best = found.iter().flatten().map(|(f1, _)| *f1).fold(0.0, f64::max);
                tr {
                    th scope="row" lang=[language(name)] { (name) }
                    td.n { (count(*support as u64)) @if other_support(&found, *support) { "*" } }
                    @for one in &found { @match one {
                        Some((f1, _)) => { td.n.best[best > 0.0 && *f1 == best] { (percent(*f1)) } }
                        None => { td.n { "–" } }
                    } }
                    @if let [Some((a, _)), Some((b, _))] = found.as_slice() { td.n { (points(a - b)) } }
                    @else if entries.len() == 2 { td.n { "–" } }
                }
            } }
        } }
        p.remark {
            "In percent, the best of each label in bold. An asterisk: the runs have other numbers of rows, the largest "
            "is shown."
        }
    }
}

fn other_support(found: &[Option<(f64, usize)>], support: usize) -> bool {
    found.iter().flatten().any(|(_, other)| *other != support)
}

fn disagreements(runs: &[Named<'_>], most: usize) -> Markup {
    let (disputed, rows, shown) = disputes(runs, most);
    if rows == 0 {
        return Markup::default();
    }
    html! {
        h3 { "Disagreements" }
        p.remark {
            "On " (count(disputed as u64)) " of the " (count(rows as u64))
            " rows that all have, some are right and others wrong. "
            @if !shown.is_empty() { "These are the " (shown.len()) " on which both sides are surest. " (legend()) }
        }
        ol.sentences { @for dispute in &shown { li {
            (marked(dispute.example))
            p.answer {
                span.id { (dispute.example.id()) }
                span { "gold " b lang=[language(gold(runs, dispute))] { (gold(runs, dispute)) } }
            }
            ul.answers { @for ((name, _), answer) in runs.iter().zip(&dispute.answers) { li {
                @if answer.right() { span.right { "✓" } } @else { span.wrong { "✗" } }
                " " (name) ": "
                b lang=[language(answer.prediction.label)] { (answer.prediction.label) } " "
                span.n { (percent(answer.prediction.probability.into())) " %" }
            } } }
        } } }
    }
}

fn gold<'a>(runs: &[Named<'a>], dispute: &Dispute<'_>) -> &'a str {
    let first = runs.first().zip(dispute.answers.first());
    first.and_then(|((_, scored), answer)| scored.labels().name(answer.gold)).unwrap_or_default()
}
