//! Scales and axes of the plots.

use maud::{Markup, html};

use crate::number;

/// From values to pixels.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    pub low: f64,
    pub high: f64,
    step: f64,
    pixels: (f64, f64),
}

impl Scale {
    /// A scale whose ends are round numbers around all `values`, with about `ticks` ticks; `None` without a finite
    /// value.
    pub fn around(values: impl IntoIterator<Item = f64>, ticks: usize) -> Option<Self> {
        let (low, high) = values
            .into_iter()
            .filter(|value| value.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        if low > high {
            return None;
        }
        // A single value needs some room around it.
        let room = if low == high { if low == 0.0 { 1.0 } else { low.abs() * 0.1 } } else { 0.0 };
        // What is never negative has no axis below 0.
        let lowest = if low < 0.0 { f64::NEG_INFINITY } else { 0.0 };
        let (low, high) = ((low - room).max(lowest), high + room);
        let step = round_up((high - low) / ticks.max(1) as f64);
        Some(Self {
            low: (low / step).floor() * step,
            high: (high / step).ceil() * step,
            step,
            pixels: (0.0, 1.0),
        })
    }

    /// A scale with the given ends.
    pub fn between(low: f64, high: f64, step: f64) -> Self {
        Self { low, high, step, pixels: (0.0, 1.0) }
    }

    /// A scale from 0 to exactly `high`, with ticks at about `ticks` round numbers.
    pub fn up_to(high: f64, ticks: usize) -> Self {
        let high = if high > 0.0 { high } else { 1.0 };
        Self::between(0.0, high, round_up(high / ticks.max(1) as f64))
    }

    /// The same scale for an axis between two pixels.
    #[must_use]
    pub fn to(self, from: f64, to: f64) -> Self {
        Self { pixels: (from, to), ..self }
    }

    /// Where a value lies, in pixels.
    pub fn at(&self, value: f64) -> f64 {
        let (from, to) = self.pixels;
        from + (value - self.low) / (self.high - self.low) * (to - from)
    }

    /// Values of the ticks with their texts.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        let last = ((self.high - self.low) / self.step + 1e-9).floor() as usize;
        let value = |at| self.low + at as f64 * self.step;
        (0..=last).map(|at| (value(at), number::tick(value(at), self.step))).collect()
    }
}

/// The next of 1, 2 and 5 times a power of ten.
fn round_up(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| step <= factor * power * (1.0 + 1e-9));
    factor.unwrap_or(10.0) * power
}

/// A plot area with its axes.
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    pub height: f64,
    pub x: Scale,
    pub y: Scale,
}

/// Room for the texts of the axes: left, top, right, bottom.
const MARGINS: (f64, f64, f64, f64) = (46.0, 8.0, 10.0, 34.0);

impl Frame {
    /// A frame of the given size around both scales.
    pub fn new(width: f64, height: f64, x: Scale, y: Scale) -> Self {
        let (left, top, right, bottom) = MARGINS;
        Self { height, x: x.to(left, width - right), y: y.to(height - bottom, top) }
    }

    /// Horizontal lines with their values, and what the horizontal axis counts.
    pub fn axes(&self, x_label: &str) -> Markup {
        let (left, right) = self.x.pixels;
        html! {
            g.axis {
                @for (value, text) in self.y.ticks() {
                    @let y = px(self.y.at(value));
                    line x1=(px(left)) x2=(px(right)) y1=(y) y2=(y) {}
                    text x=(px(left - 6.0)) y=(y) dy="0.32em" text-anchor="end" { (text) }
                }
                text.label x=(px(right)) y=(px(self.height - 3.0)) text-anchor="end" { (x_label) }
            }
        }
    }

    /// Values below the horizontal axis.
    pub fn x_ticks(&self) -> Markup {
        let (bottom, _) = self.y.pixels;
        html! {
            g.axis {
                @for (value, text) in self.x.ticks() {
                    text x=(px(self.x.at(value))) y=(px(bottom + 14.0)) text-anchor="middle" { (text) }
                }
            }
        }
    }

    /// Lower end of the plot area, in pixels.
    pub fn floor(&self) -> f64 {
        self.y.pixels.0
    }

    /// `M x y L x y ...` through the points.
    pub fn path(&self, points: &[(f64, f64)]) -> String {
        let at = |&(x, y): &(f64, f64)| format!("{} {}", px(self.x.at(x)), px(self.y.at(y)));
        let points: Vec<String> = points.iter().map(at).collect();
        format!("M{}", points.join("L"))
    }
}

/// A coordinate: a tenth of a pixel is as fine as anyone sees.
pub fn px(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(scale: &Scale) -> Vec<String> {
        scale.ticks().into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn scales_end_in_round_numbers() {
        assert_eq!(texts(&Scale::around([61.5, 70.9], 4).unwrap()), ["60", "65", "70", "75"]);
        assert_eq!(texts(&Scale::around([0.0, 1e-4], 4).unwrap()), ["0", "5e−5", "1e−4"]);
        assert_eq!(texts(&Scale::around([1.0, 1600.0], 4).unwrap()), ["0", "500", "1,000", "1,500", "2,000"]);
    }

    #[test]
    fn a_single_value_has_room_and_none_has_no_scale() {
        let scale = Scale::around([5.0], 4).unwrap();
        assert!(scale.low < 5.0 && scale.high > 5.0);
        assert!(Scale::around([f64::NAN, f64::INFINITY], 4).is_none());
        assert_eq!(texts(&Scale::around([0.0, 0.0], 2).unwrap()), ["0", "0.5", "1.0"]);
    }

    #[test]
    fn values_lie_between_the_pixels() {
        let scale = Scale::between(0.0, 10.0, 5.0).to(100.0, 0.0);
        assert_eq!([0.0, 5.0, 10.0].map(|value| scale.at(value)), [100.0, 50.0, 0.0]);
        assert_eq!((px(3.04), px(-0.26)), ("3".to_owned(), "-0.3".to_owned()));
    }
}
