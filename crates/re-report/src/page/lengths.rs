//! Accuracy by sentence length.

use maud::{Markup, html};
use re_ensemble::{Estimate, wilson};

use super::svg::{Frame, Scale, px};
use crate::analysis::lengths::{LengthBin, by_length};
use crate::gold::Scored;
use crate::number::{count, percent};

const BINS: usize = 8;

pub(super) fn plot(scored: &Scored) -> Option<Markup> {
    let rows = scored.rows().map(|row| (row.example.text().chars().count(), row.right()));
    let bins = by_length(rows, BINS);
    let estimate = |bin: &LengthBin| wilson(bin.right, bin.rows, 0.95).ok().map(|found| (*bin, found));
    let bins: Vec<(LengthBin, Estimate)> = bins.iter().filter_map(estimate).collect();
    let all: usize = bins.iter().map(|(bin, _)| bin.rows).sum();
    let accuracy = bins.iter().map(|(bin, _)| bin.right).sum::<usize>() as f64 / all.max(1) as f64;
    let ends = bins.iter().flat_map(|(_, found)| [100.0 * found.low, 100.0 * found.high]);
    let y = Scale::around(ends, 5)?;
    let frame = Frame::new(460.0, 360.0, Scale::between(0.0, bins.len() as f64, 1.0), y);
    let below = |pixels: f64| px(frame.floor() + pixels);
    let overall = px(frame.y.at(100.0 * accuracy));
    Some(html! {
        figure {
            figcaption { "Accuracy by sentence length, %" }
            svg viewBox="0 0 460 384" role="img" aria-label="Accuracy by sentence length" {
                (frame.axes(""))
                path.ideal d={ "M" (px(frame.x.at(0.0))) " " (overall) "H" (px(frame.x.at(bins.len() as f64))) } {}
                @for (at, (bin, found)) in bins.iter().enumerate() {
                    @let x = px(frame.x.at(at as f64 + 0.5));
                    @let [low, value, high] = [found.low, found.value, found.high].map(|share| px(frame.y.at(100.0 * share)));
                    g {
                        title { (tooltip(bin, found)) }
                        path.whisker d={ "M" (x) " " (low) "V" (high) } {}
                        circle.point cx=(x) cy=(value) r="4" {}
                    }
                    g.axis {
                        text x=(x) y=(below(16.0)) text-anchor="middle" { (range(bin)) }
                        text x=(x) y=(below(32.0)) text-anchor="middle" { (count(bin.rows as u64)) }
                    }
                }
                g.axis { text.label x="450" y=(below(54.0)) text-anchor="end" { "characters; below, rows" } }
            }
            p.remark {
                "Points: accuracy with 95 % intervals, in ranges of about equally many rows. Dashes: all rows, "
                (percent(accuracy)) " %."
            }
        }
    })
}

fn range(bin: &LengthBin) -> String {
    if bin.shortest == bin.longest {
        bin.shortest.to_string()
    } else {
        format!("{}–{}", bin.shortest, bin.longest)
    }
}

fn tooltip(bin: &LengthBin, found: &Estimate) -> String {
    format!(
        "{} characters: {} rows, accuracy {} % ({}–{})",
        range(bin),
        count(bin.rows as u64),
        percent(found.value),
        percent(found.low),
        percent(found.high)
    )
}
