//! Text from files: what of it belongs to a label, and how messages show it.

/// Most characters of a found text that a message shows.
const LONGEST: usize = 200;

/// Most characters of a value that a message shows in quotes.
const LONGEST_VALUE: usize = 60;

/// A text from outside as a message may show it: cut off where it is long, and with characters that would steer a terminal
/// or turn the direction of writing written as escapes.
///
/// ```
/// use re_data::text::brief;
/// assert_eq!(brief("per:title"), "per:title");
/// assert_eq!(brief("\u{1b}[31mred\n"), r"\u{1b}[31mred\n");
/// assert_eq!(brief(&"x".repeat(3_000_000)).chars().count(), 201);
/// ```
pub fn brief(text: &str) -> String {
    escaped(cut(text, LONGEST).chars(), &[]) + dots(text, LONGEST)
}

/// Characters with those written as escapes that would steer a terminal or turn the direction of writing, but for `kept`.
///
/// ```
/// use re_data::text::escaped;
/// assert_eq!(escaped("a\n\u{200f}\tb".chars(), &['\n']), "a\n\\u{200f}\\tb");
/// ```
pub fn escaped(text: impl Iterator<Item = char>, kept: &[char]) -> String {
    let mut shown = String::new();
    for c in text {
        if !kept.contains(&c) && (c.is_control() || turns_writing(c)) {
            shown.extend(c.escape_debug());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// A value in quotes as a message may show it: cut off where it is long, and with escapes as in Rust's string literals.
///
/// ```
/// use re_data::text::quoted;
/// assert_eq!(quoted("a\tb"), r#""a\tb""#);
/// assert_eq!(quoted(&"x".repeat(3_000_000)).chars().count(), 63);
/// ```
pub fn quoted(value: &str) -> String {
    format!("{:?}", format!("{}{}", cut(value, LONGEST_VALUE), dots(value, LONGEST_VALUE)))
}

fn cut(text: &str, longest: usize) -> &str {
    let end = text.char_indices().nth(longest).map_or(text.len(), |(end, _)| end);
    text.get(..end).unwrap_or_default()
}

fn dots(text: &str, longest: usize) -> &'static str {
    if cut(text, longest).len() < text.len() { "…" } else { "" }
}

/// The name without what cannot be seen at its edges: white space, control characters, byte order marks, zero-width
/// characters. Names of classes, of entity types and of columns are compared in this form, wherever they come from, as
/// two that look the same are meant to be the same.
///
/// ```
/// use re_data::text::trim_invisible;
/// assert_eq!(trim_invisible("\u{feff} per:title\u{a0}\r"), "per:title");
/// ```
pub fn trim_invisible(name: &str) -> &str {
    name.trim_matches(invisible)
}

fn invisible(c: char) -> bool {
    // Soft hyphen, Hangul fillers, Mongolian vowel separator, zero-width characters and what sits between words.
    let without_width = matches!(
        c,
        '\u{ad}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2064}'
            | '\u{206a}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
    );
    c.is_whitespace() || c.is_control() || turns_writing(c) || without_width
}

/// Marks of the direction of writing.
fn turns_writing(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_that_cannot_be_seen_are_no_part_of_a_name() {
        let edges = ['\u{feff}', '\u{200b}', '\u{200d}', '\u{2060}', '\u{a0}', '\u{3000}', '\u{85}', '\0'];
        for edge in edges.into_iter().chain("\r\n\t \u{200f}\u{ad}\u{3164}\u{2028}".chars()) {
            for name in [format!("{edge}a b"), format!("a b{edge}"), format!("{edge}{edge}a b {edge}")] {
                assert_eq!(trim_invisible(&name), "a b", "{name:?}");
            }
        }
        assert_eq!(trim_invisible("인물:나이"), "인물:나이");
        assert_eq!(trim_invisible(" \u{200b}"), "");
    }

    #[test]
    fn nothing_that_is_shown_steers_a_terminal() {
        for text in ["\u{1b}[2J", "\u{9b}2J", "a\u{202e}b", "\r", "\u{7}"] {
            for shown in [brief(text), quoted(text)] {
                assert!(!shown.chars().any(|c| c.is_control() || turns_writing(c)), "{shown:?}");
            }
        }
        assert_eq!(quoted(&"가".repeat(61)), format!("\"{}…\"", "가".repeat(60)));
    }
}
