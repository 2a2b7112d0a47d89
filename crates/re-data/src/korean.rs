//! Korean particles, whose form depends on how the word before them ends when read aloud.

mod particle;

pub use particle::{ends_with_particles, refit_particle};

/// `word` with the particle that fits: `with_final` after a final consonant, `without_final` after a vowel; 로 of the
/// pair 으로 and 로 also after ㄹ.
///
/// ```
/// use re_data::korean::with_particle;
/// assert_eq!(with_particle("이순신", "과", "와"), "이순신과");
/// assert_eq!(with_particle("세종(世宗)", "은", "는"), "세종(世宗)은");
/// assert_eq!(with_particle("BBC", "이", "가"), "BBC가");
/// assert_eq!(with_particle("서울", "으로", "로"), "서울로");
/// ```
pub fn with_particle(word: &str, with_final: &str, without_final: &str) -> String {
    format!("{word}{}", particle::form(word, with_final, without_final))
}

/// Whether `word`, read aloud in Korean, ends in a final consonant.
///
/// Hangul tells it exactly. Digits are read in Sino-Korean (`10` = 십, `3` = 삼), capitals of an abbreviation
/// by their names (`LG` = 엘지), other Latin words by their spelling, which is an approximation. Closing
/// quotes and punctuation are not read, nor is a remark in parentheses behind a word (`세종(世宗)`).
/// A word that ends in a script without a rule here, such as Han, counts as ending in a vowel.
pub fn ends_in_consonant(word: &str) -> bool {
    let word = spoken(word);
    let Some(last) = word.chars().next_back() else { return false };
    match last {
        // Syllables are ordered by their finals in groups of 28, the first without one.
        '가'..='힣' => !(last as u32 - '가' as u32).is_multiple_of(28),
        'ㄱ'..='ㅎ' => true,
        'ん' | 'ン' => true,
        '0'..='9' => digits_end_in_consonant(word),
        'a'..='z' | 'A'..='Z' => latin_ends_in_consonant(word),
        _ => false,
    }
}

/// The part of a word whose end is heard.
fn spoken(word: &str) -> &str {
    let silent = |c: char| !c.is_alphanumeric();
    let mut word = word.trim_end();
    loop {
        let closed = word.trim_end_matches(|c| silent(c) && !matches!(c, ')' | '）' | ']'));
        let remark = match closed.chars().next_back() {
            Some(')') => closed.rfind('('),
            Some('）') => closed.rfind('（'),
            Some(']') => closed.rfind('['),
            _ => return closed,
        };
        let before = remark.and_then(|at| closed.get(..at)).unwrap_or_default();
        word = if before.chars().any(|c| !silent(c)) {
            before
        } else {
            // The parentheses hold the whole word, or close nothing: only they are silent.
            return closed.trim_end_matches(silent);
        };
    }
}

/// The last digit of the number at the end of `word` that is not 0, and the number of zeros behind it.
fn digits_and_zeros(word: &str) -> (Option<char>, usize) {
    let number = word.trim_end_matches(|c: char| c.is_ascii_digit() || c == ',');
    let digits = word.get(number.len()..).unwrap_or_default().replace(',', "");
    let heard = digits.trim_end_matches('0');
    (heard.chars().next_back(), digits.len() - heard.len())
}

/// 영 일 이 삼 사 오 육 칠 팔 구, and behind zeros 십 백 천 만 ... 조.
fn digits_end_in_consonant(word: &str) -> bool {
    let decimal = word.trim_end_matches(|c: char| c.is_ascii_digit() || c == ',').ends_with('.');
    match digits_and_zeros(word) {
        (Some(last), 0) => matches!(last, '1' | '3' | '6' | '7' | '8'),
        // Of 십, 백, 천, 만, 억, 조 and 경 only 조 has none, and 십조, 백조 and 천조 end in it.
        (Some(_), zeros) if !decimal => !(12..16).contains(&zeros),
        // 영
        _ => true,
    }
}

fn latin_ends_in_consonant(word: &str) -> bool {
    let letters = word.trim_start_matches(|c: char| !c.is_ascii_alphabetic());
    let letters = letters.rsplit(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or(letters);
    let mut back = letters.chars().rev();
    let (Some(last), before) = (back.next(), back.next()) else { return false };
    if last.is_ascii_uppercase() {
        return matches!(last, 'L' | 'M' | 'N' | 'R');
    }
    let vowel = |c: Option<char>| c.is_some_and(|c| "aeiouyAEIOUY".contains(c));
    let before_that = back.next();
    match last {
        'l' | 'm' | 'n' => true,
        'g' => before == Some('n'),
        // 북, 넷, 톱: one short vowel and a stop; 게이트, 마이크로소프트 otherwise.
        'k' | 'p' | 't' | 'c' | 'b' => vowel(before) && (!vowel(before_that) || before_that == before),
        // 애플, 크롬, 아이폰
        'e' => match before {
            Some('l') => !vowel(before_that),
            Some('m' | 'n') => vowel(before_that),
            _ => false,
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_sound_decides() {
        let consonant = [
            "이순신",
            "유관순",
            "세종(世宗)",
            "'조선'",
            "“한글”",
            "(주)한국",
            "1",
            "2013",
            "10",
            "1,000",
            "제3",
            "IBM",
            "apple",
            "Facebook",
            "Beijing",
            "iPhone",
            "갤럭시 S10",
            "3.0",
            "0",
            "ㄱ",
            "(삼성)",
            "Chrome",
            "100,000,000",
            "10,000,000,000,000,000",
        ];
        let vowel = [
            "나라",
            "BBC",
            "LG",
            "Microsoft",
            "2",
            "2014",
            "세조(世祖)",
            "《토지》",
            "카페",
            "",
            "李舜臣",
            "ABC-TV",
            "Spotify",
            "5,000,000,000,002",
            "Ω",
            ")",
            "()",
            "Galaxy",
            "1,000,000,000,000",
            "10,000,000,000,000",
            "1,000,000,000,000,000",
            "서울특별시[1]",
            "경기도 (북한)",
            "5000조",
        ];
        for word in consonant {
            assert!(ends_in_consonant(word), "{word}");
        }
        for word in vowel {
            assert!(!ends_in_consonant(word), "{word}");
        }
        assert_eq!(with_particle("'고양이'", "과", "와"), "'고양이'와");
    }
}
