//! Which particle stands behind a word, and which would stand there behind another word.

use super::{digits_and_zeros, ends_in_consonant, spoken};

/// What may follow a particle inside the same word.
enum Rest {
    /// Nothing or one of these.
    Of(&'static [&'static str]),
    /// Anything: the particle is the stem of a verb.
    Any,
}

/// Particles with two forms: behind a final consonant, behind a vowel, and what may follow them.
const PAIRS: [(&str, &str, Rest); 11] = [
    ("은", "는", Rest::Of(&[""])),
    ("이", "가", Rest::Of(&[""])),
    ("을", "를", Rest::Of(&[""])),
    ("과", "와", Rest::Of(&["", "의", "는", "도", "만"])),
    (
        "으로",
        "로",
        Rest::Of(&["", "부터", "서", "써", "는", "도", "의", "만", "까지", "서의", "서는", "서도", "부터의"]),
    ),
    ("이나", "나", Rest::Of(&[""])),
    ("이며", "며", Rest::Of(&[""])),
    ("이란", "란", Rest::Of(&[""])),
    ("이랑", "랑", Rest::Of(&[""])),
    ("이라", "라", Rest::Of(&["는", "고", "며", "면", "도", "던"])),
    ("이었", "였", Rest::Any),
];

/// Particles with one form, and usual sequences of them.
const FIXED: [&str; 23] = [
    "의",
    "에",
    "에서",
    "에게",
    "도",
    "만",
    "까지",
    "부터",
    "처럼",
    "보다",
    "에는",
    "에서는",
    "에게는",
    "에도",
    "에서도",
    "에서의",
    "에게서",
    "께서",
    "인",
    "이다",
    "이자",
    "이고",
    "들",
];

/// Where the word that ends at `following` was `old` and becomes `new`: the number of bytes of `following` that
/// hold a particle in the form that suits `old` alone, and the form that suits `new`. `None` where no particle
/// follows or it stays as it is.
///
/// A particle must fill the rest of its word, alone or with others, and agree with `old`; anything else is
/// taken for a part of a longer word and left alone.
///
/// ```
/// use re_data::korean::refit_particle;
/// assert_eq!(refit_particle("세종", "세조", "은 왕이다."), Some(("은".len(), "는")));
/// assert_eq!(refit_particle("조선", "서울", "으로부터"), Some(("으로".len(), "로")));
/// assert_eq!(refit_particle("한국", "미국", "은행에서"), None);
/// ```
pub fn refit_particle(old: &str, new: &str, following: &str) -> Option<(usize, &'static str)> {
    let rest = word_rest(following);
    PAIRS.iter().find_map(|(with_final, without_final, continuation)| {
        let form = |word| form(word, with_final, without_final);
        let (before, after) = (form(old), form(new));
        let behind = rest.strip_prefix(before)?;
        let fits = match continuation {
            Rest::Of(known) => known.contains(&behind),
            Rest::Any => true,
        };
        (fits && before != after).then_some((before.len(), after))
    })
}

/// The form of a particle that fits `word`.
pub(super) fn form<'a>(word: &str, with_final: &'a str, without_final: &'a str) -> &'a str {
    // 으로 alone also loses its vowel behind ㄹ.
    let drops = with_final == "으로" && ends_in_rieul(word);
    if ends_in_consonant(word) && !drops { with_final } else { without_final }
}

/// Whether a word that ends at `following` ends there but for particles.
pub fn ends_with_particles(following: &str) -> bool {
    let rest = word_rest(following);
    let variable = |(with_final, without_final, continuation): &(&str, &str, Rest)| {
        [with_final, without_final].into_iter().filter_map(|form| rest.strip_prefix(*form)).any(|behind| {
            match continuation {
                Rest::Of(known) => known.contains(&behind),
                Rest::Any => true,
            }
        })
    };
    rest.is_empty() && !following.starts_with(char::is_alphanumeric)
        || FIXED.contains(&rest)
        || PAIRS.iter().any(variable)
}

/// The Hangul syllables that `text` begins with.
fn word_rest(text: &str) -> &str {
    let end = text.find(|c| !matches!(c, '가'..='힣')).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

/// Whether `word`, read aloud, ends in ㄹ: 서울, 2월 1일, 7 (칠), LG전자 URL (엘), Apple (애플).
fn ends_in_rieul(word: &str) -> bool {
    let word = spoken(word);
    let mut back = word.chars().rev();
    let (Some(last), before) = (back.next(), back.next()) else { return false };
    match last {
        '가'..='힣' => (last as u32 - '가' as u32) % 28 == 8,
        '0'..='9' => matches!(digits_and_zeros(word), (Some('1' | '7' | '8'), 0)),
        'L' | 'R' | 'l' => true,
        'e' => before == Some('l') && ends_in_consonant(word),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn particles_follow_the_new_word() {
        let refit = |old, new, following| {
            let (bytes, form) = refit_particle(old, new, following)?;
            Some(format!("{form}{}", &following[bytes..]))
        };
        let cases = [
            ("세종", "세조", "이 명했다", Some("가 명했다")),
            ("세조", "세종", "와의 사이", Some("과의 사이")),
            ("BBC", "KBS", "는 1", None),
            ("BBC", "조선", "는 1", Some("은 1")),
            ("세조", "세종", "라는 이름", Some("이라는 이름")),
            ("세종", "세조", "이었던", Some("였던")),
            ("세조", "세종", "였다.", Some("이었다.")),
            ("조선", "서울", "으로", Some("로")),
            ("서울", "조선", "로부터 온", Some("으로부터 온")),
            ("서울", "부산시", "로", None),
            ("2월 1일", "3월", "로", None),
            ("17", "13", "로", Some("으로")),
            ("Apple", "IBM", "로", Some("으로")),
            // Parts of longer words, or particles that do not agree with the word that was there.
            ("한국", "나라", "은행", None),
            ("서울", "나라", "가", None),
            ("나라", "한국", "가게에서", None),
            ("나라", "한국", "의 말", None),
            ("나라", "한국", "", None),
            ("나라", "한국", " 는", None),
        ];
        for (old, new, following, expected) in cases {
            assert_eq!(refit(old, new, following).as_deref(), expected, "{old} {new} {following}");
        }
    }

    #[test]
    fn words_end_with_particles_or_without() {
        for yes in ["", " 가", ", 나", "는", "와의 일", "에서도", "였다", "의)"] {
            assert!(ends_with_particles(yes), "{yes}");
        }
        for no in ["은행", "전자는", "2호", "Ltd", "가게"] {
            assert!(!ends_with_particles(no), "{no}");
        }
    }
}
