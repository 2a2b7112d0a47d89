//! The figures that a reader wants first.

use maud::{Markup, html};
use re_data::LabelSet;
use re_data::metrics::{Metrics, Reliability};
use re_ensemble::wilson;

use crate::gold::Scored;
use crate::number::{count, percent};
use crate::report::{Entry, Figures, Report};
use crate::run::{Evaluation, Reason, RowSet};

/// Bins of the calibration error.
pub(super) const BINS: usize = 10;

pub(super) fn section(report: &Report) -> Option<Markup> {
    let level = report.options.bootstrap.level;
    let rows: Vec<Line> = report.entries.iter().flat_map(|entry| lines(entry, level)).collect();
    let single = match report.entries.as_slice() {
        [only] => Some(only),
        _ => None,
    };
    if rows.is_empty() && single.is_none() {
        return None;
    }
    Some(html! {
        @if let Some(entry) = single { (headline(entry, report)) }
        @if single.is_none() || rows.len() > 1 { (table(&rows, level)) }
        @for entry in &report.entries {
            @for note in entry.run.summary().map(|summary| summary.notes.as_slice()).unwrap_or_default() {
                p.remark { @if single.is_none() { (entry.run.name()) ": " } (note) }
            }
        }
    })
}

/// One line of the table.
struct Line {
    name: String,
    part: bool,
    rows: String,
    step: Option<u64>,
    metrics: Metrics,
    interval: String,
    loss: Option<f64>,
    calibration_error: Option<f64>,
}

fn lines(entry: &Entry, level: f64) -> Vec<Line> {
    let mut found = Vec::new();
    if let Some(Figures { metrics, loss, step }) = &entry.figures {
        found.push(Line {
            name: entry.run.name().to_owned(),
            part: false,
            rows: format!("{} {}", count(metrics.rows as u64), entry.rows.words()),
            step: *step,
            interval: interval(metrics, level),
            metrics: metrics.clone(),
            loss: *loss,
            calibration_error: entry.scored.as_ref().ok().and_then(calibration_error),
        });
    }
    let Some(summary) = entry.run.summary() else { return found };
    let told = |name: &str, rows: RowSet, evaluation: &Evaluation| Line {
        name: name.to_owned(),
        part: true,
        rows: format!("{} {}", count(evaluation.metrics.rows as u64), rows.words()),
        step: None,
        interval: interval(&evaluation.metrics, level),
        metrics: evaluation.metrics.clone(),
        loss: Some(evaluation.loss),
        calibration_error: None,
    };
    let by_part = summary.parts.iter().any(|part| part.rows == RowSet::Test);
    let tested = summary.test_evaluation.as_ref().filter(|_| entry.rows != RowSet::Test && !by_part);
    found.extend(tested.map(|evaluation| told("on the test rows", RowSet::Test, evaluation)));
    found.extend(summary.parts.iter().map(|part| told(&part.name, part.rows, &part.evaluation)));
    found
}

fn calibration_error(scored: &Scored) -> Option<f64> {
    let rows = scored.rows().map(|row| (f64::from(row.prediction.probability), row.right()));
    Reliability::of(rows, BINS).map(|reliability| reliability.error)
}

/// Wilson's interval of the accuracy, in percent.
fn interval(metrics: &Metrics, level: f64) -> String {
    // Mentions have no confusion matrix.
    if metrics.confusion.is_empty() {
        return String::new();
    }
    let right = metrics.confusion.diag().sum();
    match wilson(right, metrics.rows, level) {
        Ok(found) => format!("{}–{}", percent(found.low), percent(found.high)),
        Err(_) => String::new(),
    }
}

/// Which label micro-F1 leaves out, and whether that is a guess.
fn left_out(entry: &Entry, report: &Report, metrics: &Metrics) -> String {
    // What the run itself has measured follows its own settings.
    let named = report.options.no_relation.as_ref().filter(|_| entry.scored.is_ok());
    let said = named.or(entry.run.no_relation());
    let Ok(labels) = LabelSet::new(metrics.per_label.iter().map(|label| label.label.as_str())) else {
        return String::new();
    };
    match (said, labels.no_relation_name()) {
        (Some(choice), _) => choice.among(&labels).map(|name| format!("without {name}")).unwrap_or_default(),
        (None, Some(name)) => format!("without {name}, because of its name"),
        (None, None) => String::new(),
    }
}

fn headline(entry: &Entry, report: &Report) -> Markup {
    let level = report.options.bootstrap.level;
    let Some(Figures { metrics, loss, step }) = &entry.figures else {
        return html! { p.lead { "This run has no evaluation yet." } };
    };
    let steps = entry.run.settings().map(|settings| settings.known.training.steps).filter(|steps| *steps > 0);
    let figure = |name: &str, value: String, detail: &str| {
        html! { div { dt { (name) } dd { (value) @if !detail.is_empty() { small { (detail) } } } } }
    };
    html! {
        dl.figures {
            (figure("Accuracy, %", percent(metrics.accuracy),
                &format!("{} at {:.0} %", interval(metrics, level), 100.0 * level)))
            (figure("micro-F1, %", percent(metrics.micro_f1), &left_out(entry, report, metrics)))
            (figure("macro-F1, %", percent(metrics.macro_f1), "mean of the labels"))
            @if let Some(auprc) = metrics.auprc { (figure("AUPRC, %", percent(auprc), "mean of the labels")) }
            @if let Some(error) = entry.scored.as_ref().ok().and_then(calibration_error) {
                (figure("Calibration error, %", percent(error), &format!("{BINS} bins")))
            }
            @if let Some(loss) = loss { (figure("Loss", format!("{loss:.3}"), "cross entropy, nats")) }
        }
        p.lead {
            (count(metrics.rows as u64)) " " (entry.rows.words()) " rows"
            @if let Some(step) = step {
                ", model of step " (count(*step))
                @if let Some(steps) = steps { " of " (count(steps)) }
            }
            @match entry.run.summary().map(|summary| summary.reason) {
                Some(Reason::EarlyStopping) => { ", stopped early" }
                Some(Reason::Interrupted) => { ", interrupted" }
                Some(Reason::Completed) | None => {}
            }
            "."
        }
    }
}

fn table(rows: &[Line], level: f64) -> Markup {
    let known = |value: Option<String>| value.unwrap_or_else(|| "–".to_owned());
    let (auprc, calibration) = (
        rows.iter().any(|row| row.metrics.auprc.is_some()),
        rows.iter().any(|row| row.calibration_error.is_some()),
    );
    html! {
        div.scroll { table {
            thead { tr {
                th scope="col" { "Run" }
                th scope="col" { "Rows" }
                th.n scope="col" { "Step" }
                th.n scope="col" { "Accuracy, %" }
                th.n scope="col" { (format!("{:.0} % interval", 100.0 * level)) }
                th.n scope="col" { "micro-F1" }
                th.n scope="col" { "macro-F1" }
                @if auprc { th.n scope="col" { "AUPRC" } }
                th.n scope="col" { "Loss" }
                @if calibration { th.n scope="col" { abbr title="expected calibration error" { "ECE" } } }
            } }
            tbody { @for row in rows { tr.part[row.part] {
                th scope="row" { (row.name) }
                td { (row.rows) }
                td.n { (known(row.step.map(count))) }
                td.n { strong { (percent(row.metrics.accuracy)) } }
                td.n.quiet { (row.interval) }
                td.n { (percent(row.metrics.micro_f1)) }
                td.n { (percent(row.metrics.macro_f1)) }
                @if auprc { td.n { (known(row.metrics.auprc.map(percent))) } }
                td.n { (known(row.loss.map(|loss| format!("{loss:.3}")))) }
                @if calibration { td.n { (known(row.calibration_error.map(percent))) } }
            } } }
        } }
    }
}
