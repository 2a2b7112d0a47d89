//! Risk against coverage.

use maud::{Markup, html};
use re_data::metrics::{RiskCoverage, RiskPoint};

use super::svg::{Frame, Scale, px};
use crate::gold::Scored;
use crate::number::{count, percent};

/// Shares of the answers that the table tells of.
const SHARES: [f64; 6] = [0.1, 0.25, 0.5, 0.75, 0.9, 1.0];

/// Most points that are drawn: more would lie on one another.
const POINTS: usize = 400;

pub(super) fn plot(scored: &Scored) -> Option<Markup> {
    let none = scored.labels().no_relation();
    // Of the pairs of documents hardly any is related, and those that are told to be are the answers.
    let (what, told) = match scored.pairs {
        true => ("predicted relations", "Relations"),
        false => ("answers", "Rows"),
    };
    let is_answer = |class: usize| !scored.pairs || none != Some(class);
    let rows = scored.rows().filter(|row| is_answer(row.prediction.class));
    let curve = RiskCoverage::of(rows.map(|row| (row.prediction.probability, row.right())));
    let all = curve.points.last()?;
    let drawn = drawn(&curve.points);
    let most = drawn.iter().map(|(_, risk)| *risk).fold(0.0, f64::max);
    let y = Scale::around([0.0, 100.0 * most], 5)?;
    let frame = Frame::new(460.0, 360.0, Scale::between(0.0, 100.0, 20.0), y);
    let percents: Vec<(f64, f64)> =
        drawn.iter().map(|(coverage, risk)| (100.0 * coverage, 100.0 * risk)).collect();
    let overall = px(frame.y.at(100.0 * all.risk));
    Some(html! {
        figure {
            figcaption { "Risk and coverage, %" }
            svg viewBox="0 0 460 364" role="img" aria-label="Risk against coverage" {
                (frame.axes(&format!("{what} kept, from the most probable one on")))
                (frame.x_ticks())
                path.ideal d={ "M" (px(frame.x.at(0.0))) " " (overall) "H" (px(frame.x.at(100.0))) } {}
                path.line.c0 d=(frame.path(&percents)) {}
                @for share in SHARES {
                    @if let Some(point) = curve.at(share) {
                        circle.point cx=(px(frame.x.at(100.0 * point.coverage))) cy=(px(frame.y.at(100.0 * point.risk))) r="3.5" {
                            title { (tooltip(point)) }
                        }
                    }
                }
            }
            div.scroll {
                table {
                    thead {
                        tr {
                            th.n scope="col" { "Kept, %" } th.n scope="col" { (told) }
                            th.n scope="col" { "Probability from" } th.n scope="col" { "Wrong, %" }
                        }
                    }
                    tbody {
                        @for share in SHARES {
                            @if let Some(point) = curve.at(share) {
                                tr {
                                    td.n { (percent(point.coverage)) }
                                    td.n { (count((point.coverage * curve.rows as f64).round() as u64)) }
                                    td.n { (format!("{:.3}", point.threshold)) }
                                    td.n { (percent(point.risk)) }
                                }
                            }
                        }
                    }
                }
            }
            p.remark {
                "Line: the share of wrong ones among the " (what) " kept. Dashes: all of them, " (percent(all.risk))
                " %. Area under the line " strong { (percent(curve.area)) " %" } ", of which "
                (percent(curve.excess_area)) " points are due to wrong ones that are more probable than right ones."
            }
        }
    })
}

/// Coverage and risk of the points that are drawn, as evenly spread as the scores allow.
fn drawn(points: &[RiskPoint]) -> Vec<(f64, f64)> {
    let step = points.len().div_ceil(POINTS).max(1);
    let last = points.len().saturating_sub(1);
    let kept = points.iter().enumerate().filter(|(at, _)| at % step == 0 || *at == last);
    kept.map(|(_, point)| (point.coverage, point.risk)).collect()
}

fn tooltip(point: &RiskPoint) -> String {
    format!(
        "probability from {:.3}: {} % kept, {} % of them wrong",
        point.threshold,
        percent(point.coverage),
        percent(point.risk)
    )
}
