//! The reliability diagram.

use maud::{Markup, html};
use re_data::metrics::{Reliability, ReliabilityBin};
use re_ensemble::wilson;

use super::overview::BINS;
use super::svg::{Frame, Scale, px};
use crate::gold::Scored;
use crate::number::{count, percent, points};

/// Height of the histogram below the diagram.
const HISTOGRAM: f64 = 46.0;

pub(super) fn plot(scored: &Scored) -> Option<Markup> {
    let rows = scored.rows().map(|row| (f64::from(row.prediction.probability), row.right()));
    let found = Reliability::of(rows, BINS)?;
    let share = |step| Scale::between(0.0, 1.0, step);
    let frame = Frame::new(460.0, 360.0, share(0.2), share(0.2));
    let most = found.bins.iter().map(|bin| bin.rows).max().unwrap_or_default().max(1) as f64;
    let bins = (0..).zip(&found.bins).filter(|(_, bin)| bin.rows > 0);
    let top = 372.0;
    Some(html! {
        figure {
            figcaption { "Confidence and accuracy" }
            svg viewBox="0 0 460 440" role="img" aria-label="Reliability diagram" {
                (frame.axes("probability of the predicted label"))
                (frame.x_ticks())
                path.ideal d=(frame.path(&[(0.0, 0.0), (1.0, 1.0)])) {}
                @for (at, bin) in bins {
                    @let (left, right) = (frame.x.at(edge(at)), frame.x.at(edge(at + 1)));
                    @let (x, width) = (px(left + 2.0), px(right - left - 4.0));
                    @let y = frame.y.at(bin.accuracy());
                    @let bar = HISTOGRAM * bin.rows as f64 / most;
                    g {
                        title { (tooltip(at, bin)) }
                        rect.share x=(x) y=(px(y)) width=(width) height=(px(frame.floor() - y)) {}
                        (whisker(&frame, (left + right) / 2.0, bin))
                        path.claim d={ "M" (x) " " (px(frame.y.at(bin.confidence))) "h" (width) } {}
                        rect.number x=(x) y=(px(top + HISTOGRAM - bar)) width=(width) height=(px(bar)) {}
                    }
                }
                g.axis {
                    text x="40" y=(px(top + 10.0)) text-anchor="end" { (count(most as u64)) }
                    text x="40" y=(px(top + HISTOGRAM)) text-anchor="end" { "0" }
                    text.label x="450" y=(px(top + HISTOGRAM + 16.0)) text-anchor="end" { "rows" }
                }
            }
            p.remark {
                "Bars: accuracy of the rows in each range of probability, with 95 % intervals. Strokes: their "
                "mean probability, which equals the accuracy of a calibrated model. Expected calibration error "
                strong { (percent(found.error)) " %" } "; mean probability " (percent(found.confidence))
                " %, accuracy " (percent(found.accuracy)) " % (" (points(found.confidence - found.accuracy)) " points)."
            }
        }
    })
}

fn edge(at: u32) -> f64 {
    f64::from(at) / BINS as f64
}

fn whisker(frame: &Frame, x: f64, bin: &ReliabilityBin) -> Markup {
    let Ok(found) = wilson(bin.right, bin.rows, 0.95) else { return Markup::default() };
    let (low, high) = (frame.y.at(found.low), frame.y.at(found.high));
    html! { path.whisker d={ "M" (px(x)) " " (px(low)) "V" (px(high)) } {} }
}

fn tooltip(at: u32, bin: &ReliabilityBin) -> String {
    format!(
        "probability {:.1} to {:.1}: {} rows, accuracy {} %, mean probability {} %",
        edge(at),
        edge(at + 1),
        count(bin.rows as u64),
        percent(bin.accuracy()),
        percent(bin.confidence)
    )
}
