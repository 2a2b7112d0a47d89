//! Learning curves.

use maud::{Markup, html};

use super::svg::{Frame, Scale, px};
use crate::number::{count, percent};
use crate::report::Entry;
use crate::run::{Evaluated, Log, Step};

/// Colours in the style sheet.
const COLOURS: usize = 8;
/// Share of the past in the smoothed training loss.
const SMOOTHING: f64 = 0.9;
/// Points beyond which a line looks the same.
const POINTS: usize = 400;
/// Lines beyond which the loss before smoothing would hide everything.
const RAW_LINES: usize = 3;

struct Series<'a> {
    name: &'a str,
    log: &'a Log,
}

/// One line of a panel.
#[derive(Default)]
struct Line {
    points: Vec<(f64, f64)>,
    /// The same before smoothing.
    raw: Vec<(f64, f64)>,
    marks: Vec<Mark>,
}

struct Mark {
    at: (f64, f64),
    text: String,
    best: bool,
}

pub(super) fn section(entries: &[Entry]) -> Option<Markup> {
    let series: Vec<Series<'_>> = entries.iter().flat_map(series).collect();
    if series.is_empty() {
        return None;
    }
    let panels = [
        panel("Training loss", &series, |s| steps(s, series.len(), |step| step.loss, true)),
        panel("Validation loss", &series, |s| evaluations(s, |e| e.loss, |loss| format!("{loss:.3}"))),
        panel("Learning rate", &series, |s| steps(s, series.len(), |step| step.learning_rate, false)),
        panel("Validation accuracy, %", &series, |s| shares(s, |e| e.metrics.accuracy)),
        panel("micro-F1, %", &series, |s| shares(s, |e| e.metrics.micro_f1)),
        panel("macro-F1, %", &series, |s| shares(s, |e| e.metrics.macro_f1)),
    ];
    Some(html! {
        @if series.len() > 1 {
            ul.legend { @for (at, one) in series.iter().enumerate() { li {
                svg width="26" height="10" aria-hidden="true" {
                    path class=(class("line", at)) d="M1 5H25" {}
                }
                (one.name)
            } } }
        }
        div.panels { @for panel in panels.into_iter().flatten() { (panel) } }
        p.remark {
            "Training loss is smoothed (each point keeps " (format!("{:.0}", 100.0 * SMOOTHING)) " % of the past)"
            @if series.len() <= RAW_LINES { ", the faint line is the loss as logged" }
            ". A ring marks the evaluation that was best by the run's own metric."
        }
    })
}

/// The log of a run or, where it consists of several, theirs.
fn series(entry: &Entry) -> Vec<Series<'_>> {
    let own = std::iter::once(&entry.run).chain(entry.run.parts());
    let logged = own.filter_map(|run| run.log().map(|log| Series { name: run.name(), log }));
    logged.filter(|series| !series.log.is_empty()).collect()
}

fn steps(series: &Series<'_>, lines: usize, value: impl Fn(&Step) -> Option<f64>, smooth: bool) -> Line {
    let points: Vec<(f64, f64)> =
        series.log.steps.iter().filter_map(|step| Some((step.step as f64, value(step)?))).collect();
    if !smooth {
        return Line { points: thinned(&points), ..Line::default() };
    }
    let raw = if lines <= RAW_LINES { extremes(&points) } else { Vec::new() };
    Line { points: thinned(&smoothed(&points)), raw, marks: Vec::new() }
}

fn shares(series: &Series<'_>, value: impl Fn(&Evaluated) -> f64) -> Line {
    let text = |value: f64| format!("{} %", percent(value / 100.0));
    evaluations(series, |evaluated| Some(100.0 * value(evaluated)), text)
}

fn evaluations(
    series: &Series<'_>,
    value: impl Fn(&Evaluated) -> Option<f64>,
    text: impl Fn(f64) -> String,
) -> Line {
    let best = series.log.best().map(|best| best.step);
    let mut line = Line::default();
    for evaluated in &series.log.evaluations {
        let Some(value) = value(evaluated) else { continue };
        let at = (evaluated.step as f64, value);
        line.points.push(at);
        line.marks.push(Mark {
            at,
            text: format!("{}, step {}: {}", series.name, count(evaluated.step), text(value)),
            best: best == Some(evaluated.step),
        });
    }
    line
}

/// Exponential moving average, without the pull of the start towards 0.
fn smoothed(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let (mut sum, mut weight) = (0.0, 0.0);
    let next = |&(step, value): &(f64, f64)| {
        sum = SMOOTHING * sum + (1.0 - SMOOTHING) * value;
        weight = SMOOTHING * weight + (1.0 - SMOOTHING);
        (step, sum / weight)
    };
    points.iter().map(next).collect()
}

/// Points at equal distances, the last one among them.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let every = points.len().div_ceil(POINTS).max(1);
    let mut kept: Vec<_> = points.iter().rev().step_by(every).copied().collect();
    kept.reverse();
    kept
}

/// The lowest and the highest point of each stretch, so that no spike is lost.
fn extremes(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= 2 * POINTS {
        return points.to_vec();
    }
    let stretch = |points: &[(f64, f64)]| {
        let by_value = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let mut ends: Vec<_> = [points.iter().min_by(by_value), points.iter().max_by(by_value)]
            .into_iter()
            .flatten()
            .copied()
            .collect();
        ends.sort_by(|a, b| a.0.total_cmp(&b.0));
        ends
    };
    points.chunks(points.len().div_ceil(POINTS)).flat_map(stretch).collect()
}

fn panel(title: &str, series: &[Series<'_>], line: impl Fn(&Series<'_>) -> Line) -> Option<Markup> {
    let lines: Vec<Line> = series.iter().map(line).collect();
    let all = || lines.iter().flat_map(|line| line.points.iter().chain(&line.raw)).copied();
    let last = all().map(|(x, _)| x).reduce(f64::max)?;
    let frame = Frame::new(380.0, 230.0, Scale::up_to(last, 4), Scale::around(all().map(|(_, y)| y), 5)?);
    Some(html! {
        figure {
            figcaption { (title) }
            svg viewBox="0 0 380 230" role="img" aria-label=(format!("{title} over steps")) {
                (frame.axes("step"))
                (frame.x_ticks())
                @for (at, line) in lines.iter().enumerate() {
                    @if line.raw.len() > 1 { path class=(class("line raw", at)) d=(frame.path(&line.raw)) {} }
                    @if line.points.len() > 1 { path class=(class("line", at)) d=(frame.path(&line.points)) {} }
                    @for mark in &line.marks {
                        @let (x, y) = mark.at;
                        @let (kind, radius) = if mark.best { ("dot best", "4.5") } else { ("dot", "2.5") };
                        circle class=(class(kind, at)) cx=(px(frame.x.at(x))) cy=(px(frame.y.at(y))) r=(radius) {
                            title { (mark.text) @if mark.best { " (best)" } }
                        }
                    }
                }
            }
        }
    })
}

/// Colours come again after the last one, with other dashes.
fn class(kind: &str, at: usize) -> String {
    format!("{kind} c{} d{}", at % COLOURS, (at / COLOURS).min(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smoothing_starts_at_the_first_value() {
        let points = smoothed(&[(1.0, 4.0), (2.0, 4.0), (3.0, 0.0)]);
        assert!((points[0].1 - 4.0).abs() < 1e-12 && (points[1].1 - 4.0).abs() < 1e-12);
        assert!(points[2].1 < 4.0 && points[2].1 > 2.0);
    }

    #[test]
    fn long_lines_are_thinned_and_keep_their_ends_and_spikes() {
        let mut points: Vec<(f64, f64)> = (0..5000).map(|step| (f64::from(step), 1.0)).collect();
        points[1234].1 = 9.0;
        let thin = thinned(&points);
        assert!(thin.len() <= POINTS && thin.last() == points.last());
        let raw = extremes(&points);
        assert!(raw.len() <= 2 * POINTS && raw.contains(&(1234.0, 9.0)));
        assert_eq!(thinned(&points[..3]).len(), 3);
    }
}
