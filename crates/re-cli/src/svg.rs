//! Bar charts as SVG.

use std::fmt::Write;

const WIDTH: usize = 860;
/// Where bars begin; what stands left of it names them.
const LEFT: usize = 250;
const LINE: usize = 18;
/// Room behind the longest bar for its number.
const NUMBER: usize = 70;

/// Colours follow the reader's light or dark setting.
const STYLE: &str = "\
text { font: 12px system-ui, sans-serif; fill: #222 } .title { font-weight: 600; font-size: 14px } \
.bar { fill: #3b76c4 } .page { fill: #fff } \
@media (prefers-color-scheme: dark) { text { fill: #ddd } .bar { fill: #7aa7e0 } .page { fill: #1b1d21 } }";

/// One chart: a title, and bars with their names.
pub struct Chart {
    pub title: String,
    pub bars: Vec<(String, usize)>,
}

/// Draws charts below each other.
pub fn draw(charts: &[Chart]) -> String {
    let height: usize = charts.iter().map(|chart| (chart.bars.len() + 3) * LINE).sum();
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\">\n<style>{STYLE}</style>\n<rect class=\"page\" width=\"100%\" height=\"100%\"/>\n"
    );
    let mut y = 0;
    for chart in charts {
        y += 2 * LINE;
        let _ =
            writeln!(svg, "<text class=\"title\" x=\"16\" y=\"{}\">{}</text>", y - 6, escape(&chart.title));
        let most = chart.bars.iter().map(|(_, count)| *count).max().unwrap_or_default().max(1);
        for (name, count) in &chart.bars {
            let length = (WIDTH - LEFT - NUMBER) as f64 * *count as f64 / most as f64;
            let (middle, name) = (y + LINE - 5, escape(name));
            let _ = writeln!(
                svg,
                "<text x=\"{}\" y=\"{middle}\" text-anchor=\"end\">{name}</text>\
                 <rect class=\"bar\" x=\"{LEFT}\" y=\"{}\" width=\"{length:.1}\" height=\"{}\"/>\
                 <text x=\"{:.1}\" y=\"{middle}\">{count}</text>",
                LEFT - 8,
                y + 2,
                LINE - 4,
                LEFT as f64 + length + 6.0
            );
            y += LINE;
        }
        y += LINE;
    }
    svg + "</svg>\n"
}

/// Text for XML, without the control characters that it cannot hold.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_bar_fills_the_room_and_names_are_escaped() {
        let bars = vec![("a<b>&\u{1}".to_owned(), 10), ("half".to_owned(), 5), ("none".to_owned(), 0)];
        let svg = draw(&[
            Chart { title: "labels".to_owned(), bars },
            Chart { title: "empty".to_owned(), bars: vec![] },
        ]);
        assert!(svg.contains("a&lt;b&gt;&amp;\u{fffd}"), "{svg}");
        for width in ["width=\"540.0\"", "width=\"270.0\"", "width=\"0.0\""] {
            assert!(svg.contains(width), "{width}: {svg}");
        }
        assert!(svg.contains("height=\"162\"") && svg.ends_with("</svg>\n"), "{svg}");
    }
}
