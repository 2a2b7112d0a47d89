//! Python's notation of a dict of strings and integers, as `repr` writes it. Nothing is evaluated.

use std::iter::Peekable;
use std::str::Chars;

use re_data::text::quoted;
use serde_json::{Map, Value};

/// The dict that `text` spells: keys are strings, values strings, integers or `None`; or what stands there instead.
pub(crate) fn parse(text: &str) -> Result<Map<String, Value>, String> {
    let mut literal = Literal { rest: text.chars().peekable() };
    literal.expect('{')?;
    let mut values = Map::new();
    while !literal.accept('}') {
        let key = literal.string()?;
        literal.expect(':')?;
        let value = literal.value()?;
        if values.insert(key.clone(), value).is_some() {
            return Err(format!("a dict with the key {} twice", quoted(&key)));
        }
        if !literal.accept(',') {
            literal.expect('}')?;
            break;
        }
    }
    match literal.next_solid() {
        None => Ok(values),
        Some(other) => Err(format!("a dict with {other:?} behind it")),
    }
}

/// What is left of a literal.
struct Literal<'t> {
    rest: Peekable<Chars<'t>>,
}

impl Literal<'_> {
    /// The next character that is no white space, which stays where it is.
    fn next_solid(&mut self) -> Option<char> {
        while self.rest.next_if(char::is_ascii_whitespace).is_some() {}
        self.rest.peek().copied()
    }

    fn accept(&mut self, wanted: char) -> bool {
        self.next_solid() == Some(wanted) && self.rest.next().is_some()
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        if self.accept(wanted) { Ok(()) } else { Err(self.unexpected(&format!("{wanted:?}"))) }
    }

    fn unexpected(&mut self, wanted: &str) -> String {
        match self.next_solid() {
            Some(other) => format!("{other:?} in place of {wanted}"),
            None => format!("an end in place of {wanted}"),
        }
    }

    fn value(&mut self) -> Result<Value, String> {
        match self.next_solid() {
            Some('\'' | '"') => self.string().map(Value::String),
            Some(first) if first.is_ascii_alphanumeric() || first == '-' => {
                let mut word = String::new();
                while let Some(next) = self.rest.next_if(|c| c.is_ascii_alphanumeric() || "+-._".contains(*c))
                {
                    word.push(next);
                }
                match (word.as_str(), word.parse::<i64>()) {
                    ("None", _) => Ok(Value::Null),
                    (_, Ok(number)) => Ok(Value::from(number)),
                    _ => Err(format!("{} in place of a string or an integer", quoted(&word))),
                }
            }
            _ => Err(self.unexpected("a string or an integer")),
        }
    }

    fn string(&mut self) -> Result<String, String> {
        let Some(quote) = self.next_solid().filter(|c| matches!(c, '\'' | '"')) else {
            return Err(self.unexpected("a string"));
        };
        self.rest.next();
        let mut string = String::new();
        loop {
            match self.rest.next() {
                None => return Err(format!("a string without its closing {quote}")),
                Some(c) if c == quote => return Ok(string),
                Some('\\') => self.escape(&mut string)?,
                Some(c) => string.push(c),
            }
        }
    }

    /// What stands for the escape sequence behind a backslash.
    fn escape(&mut self, string: &mut String) -> Result<(), String> {
        let Some(c) = self.rest.next() else { return Ok(()) };
        let meant = match c {
            '\\' | '\'' | '"' => c,
            '\n' => return Ok(()),
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            'x' => self.code(c, 2)?,
            'u' => self.code(c, 4)?,
            'U' => self.code(c, 8)?,
            '0'..='7' => self.octal(c),
            'N' => return Err("a character by its name (\\N), which is not supported".to_owned()),
            // Python keeps the backslash of a sequence that it does not know.
            _ => {
                string.push('\\');
                c
            }
        };
        string.push(meant);
        Ok(())
    }

    fn code(&mut self, kind: char, digits: usize) -> Result<char, String> {
        let mut code = String::new();
        while code.len() < digits
            && let Some(digit) = self.rest.next_if(char::is_ascii_hexdigit)
        {
            code.push(digit);
        }
        let character =
            u32::from_str_radix(&code, 16).ok().filter(|_| code.len() == digits).and_then(char::from_u32);
        character.ok_or_else(|| format!("the escape sequence \\{kind}{code}, which is no character"))
    }

    fn octal(&mut self, first: char) -> char {
        let mut code = first.to_digit(8).unwrap_or_default();
        for _ in 0..2 {
            let Some(digit) = self.rest.next_if(|c| c.is_digit(8)).and_then(|c| c.to_digit(8)) else { break };
            code = code * 8 + digit;
        }
        char::from_u32(code).unwrap_or_default()
    }
}

/// `text` as a Python string literal.
pub(crate) fn quote(text: &str) -> String {
    // As repr: double quotes only where they save escapes.
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push(quote);
    for c in text.chars() {
        match c {
            '\\' => literal.push_str("\\\\"),
            '\n' => literal.push_str("\\n"),
            '\r' => literal.push_str("\\r"),
            '\t' => literal.push_str("\\t"),
            _ if c == quote => literal.extend(['\\', c]),
            _ if c != ' ' && (c.is_control() || c.is_whitespace()) => match u32::from(c) {
                code @ ..=0xff => literal.push_str(&format!("\\x{code:02x}")),
                code @ ..=0xffff => literal.push_str(&format!("\\u{code:04x}")),
                code => literal.push_str(&format!("\\U{code:08x}")),
            },
            _ => literal.push(c),
        }
    }
    literal.push(quote);
    literal
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn dicts_as_python_writes_them() {
        let ok = |text: &str| Value::Object(parse(text).unwrap());
        assert_eq!(
            ok("{'word': '비틀즈', 'start_idx': 24, 'end_idx': 26, 'type': 'ORG'}"),
            json!({"word": "비틀즈", "start_idx": 24, "end_idx": 26, "type": "ORG"})
        );
        assert_eq!(ok(" { } "), json!({}));
        assert_eq!(ok("{\"a\":-1,'b':None,}"), json!({"a": -1, "b": null}));
        assert_eq!(ok(r#"{'a': "it's", 'b': 'it\'s "x"'}"#), json!({"a": "it's", "b": "it's \"x\""}));
        assert_eq!(
            ok(r"{'a': '\\ \n\r\t\a\b\f\v \x41\u00e9\U0001f600 \101\0 \d'}"),
            json!({"a": "\\ \n\r\t\u{7}\u{8}\u{c}\u{b} Aé😀 A\0 \\d"})
        );
        assert_eq!(ok("{'a': 'x\\\ny'}"), json!({"a": "xy"}));
    }

    #[test]
    fn what_is_no_dict_is_told() {
        let fault = |text: &str| parse(text).unwrap_err();
        for (text, found) in [
            ("", "an end in place of '{'"),
            ("['a']", "'[' in place of '{'"),
            ("{'a'", "an end in place of ':'"),
            ("{'a': 1", "an end in place of '}'"),
            ("{'a': 1 'b': 2}", "'\\'' in place of '}'"),
            ("{a: 1}", "'a' in place of a string"),
            ("{'a': x}", "\"x\" in place of a string or an integer"),
            ("{'a': 1.5}", "\"1.5\" in place of"),
            ("{'a': 99999999999999999999}", "\"99999999999999999999\" in place of"),
            ("{'a': __import__('os')}", "'_' in place of"),
            ("{'a': [1]}", "'[' in place of a string or an integer"),
            ("{'a': ", "an end in place of a string or an integer"),
            ("{'a': 'x", "a string without its closing '"),
            ("{'a': 'x\\", "a string without its closing '"),
            ("{'a': 1} x", "a dict with 'x' behind it"),
            ("{'a': 1, 'a': 2}", "the key \"a\" twice"),
            ("{'a': '\\u12'}", "the escape sequence \\u12,"),
            ("{'a': '\\ud800'}", "\\ud800, which is no character"),
            ("{'a': '\\N{DASH}'}", "a character by its name"),
        ] {
            assert!(fault(text).contains(found), "{text}: {}", fault(text));
        }
    }

    #[test]
    fn strings_are_quoted_as_repr_quotes_them() {
        // As Python 3.11 prints them.
        for (text, literal) in [
            ("가", "'가'"),
            ("it's", "\"it's\""),
            ("it's \"x\"", r#"'it\'s "x"'"#),
            ("a\\b\n\r\t\u{0}\u{a0}\u{3000}", r"'a\\b\n\r\t\x00\xa0\u3000'"),
        ] {
            assert_eq!(quote(text), literal);
        }
    }

    proptest! {
        #[test]
        fn what_is_quoted_is_parsed(text in any::<String>()) {
            let dict = parse(&format!("{{'a': {}}}", quote(&text))).unwrap();
            prop_assert_eq!(&dict["a"], &text);
        }

        #[test]
        fn nothing_makes_the_parser_panic(text in "[{}'\":,\\\\xuUN0-9a ]{0,30}") {
            let _ = parse(&text);
        }
    }
}
