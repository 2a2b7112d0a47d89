//! Special tokens that stand in a sentence as text.

use std::fmt;

/// As many rows are named in a message.
const NAMED: usize = 5;

/// Rows in whose own text special tokens stand, where the tokenizer reads them as if the row were written with them: markers
/// of the markup, or tokens with a role such as `[SEP]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TokensInText {
    /// Number of rows.
    pub rows: usize,
    /// The first few rows, by their ids, with the tokens in them.
    pub first: Vec<(String, Vec<String>)>,
}

impl TokensInText {
    /// Counts a row that holds `tokens`; nothing where it holds none.
    pub(crate) fn count<'a>(&mut self, id: &str, tokens: impl Iterator<Item = &'a str>) {
        let mut tokens = tokens.peekable();
        if tokens.peek().is_some() {
            self.rows += 1;
            if self.first.len() < NAMED {
                self.first.push((id.to_owned(), tokens.map(str::to_owned).collect()));
            }
        }
    }

    /// Adds rows that come behind these.
    pub fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.first.extend(other.first);
        self.first.truncate(NAMED);
    }
}

impl fmt::Display for TokensInText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = if self.rows == 1 { "1 row holds" } else { &format!("{} rows hold", self.rows) };
        write!(f, "{rows} special tokens in the text itself, which are read as such:")?;
        for (at, (id, tokens)) in self.first.iter().enumerate() {
            write!(f, "{} {id} ({})", if at > 0 { "," } else { "" }, tokens.join(" "))?;
        }
        if self.rows > self.first.len() { f.write_str(", and more") } else { Ok(()) }
    }
}

/// Tokens that the tokenizer reads in a sentence's own text as it reads those that a row is written with.
#[derive(Debug, Clone)]
pub(crate) struct LiteralTokens {
    tokens: Vec<String>,
    /// Characters that they begin with.
    first: Vec<char>,
}

impl LiteralTokens {
    pub(crate) fn new(tokens: impl IntoIterator<Item = String>) -> Self {
        let mut tokens: Vec<String> = tokens.into_iter().filter(|token| !token.is_empty()).collect();
        tokens.sort_unstable();
        tokens.dedup();
        let mut first: Vec<char> = tokens.iter().filter_map(|token| token.chars().next()).collect();
        first.dedup();
        Self { tokens, first }
    }

    /// Those that `text` holds.
    pub(crate) fn within<'a>(&'a self, text: &'a str) -> impl Iterator<Item = &'a str> {
        // Few sentences hold even one of the characters.
        let begins = self.first.iter().any(|&first| text.contains(first));
        let tokens = if begins { self.tokens.as_slice() } else { &[] };
        tokens.iter().map(String::as_str).filter(move |token| text.contains(token))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rows_are_named() {
        let mut all = TokensInText::default();
        all.count("0", [].into_iter());
        all.count("1", ["[ENT]", "[SEP]"].into_iter());
        let all_but = "special tokens in the text itself, which are read as such:";
        assert_eq!(all.to_string(), format!("1 row holds {all_but} 1 ([ENT] [SEP])"));
        for id in 2..8 {
            let mut more = TokensInText::default();
            more.count(&id.to_string(), ["<s>"].into_iter());
            all.add(more);
        }
        let named = "1 ([ENT] [SEP]), 2 (<s>), 3 (<s>), 4 (<s>), 5 (<s>), and more";
        assert_eq!(all.to_string(), format!("7 rows hold {all_but} {named}"));
    }

    #[test]
    fn tokens_are_found_wherever_they_stand() {
        let tokens = LiteralTokens::new(["[SEP]", "<s>", "[SEP]", ""].map(String::from));
        let found = |text| tokens.within(text).collect::<Vec<_>>();
        assert_eq!(found("a[SEP]b <s> [SEP]"), ["<s>", "[SEP]"]);
        assert_eq!(found("[sep] < s>"), Vec::<&str>::new());
        assert_eq!(found("가나"), Vec::<&str>::new());
    }
}
