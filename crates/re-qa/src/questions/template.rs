//! A question with places for the subject.

use re_data::korean::with_particle;

/// Particles that a place may have: behind a final consonant, and behind a vowel.
const PARTICLES: [(&str, &str); 7] =
    [("은", "는"), ("이", "가"), ("을", "를"), ("과", "와"), ("으로", "로"), ("이라", "라"), ("아", "야")];

/// A question with places for the subject's surface form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Subject,
    SubjectWith(&'static str, &'static str),
}

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    /// What was found and what was expected.
    pub fn parse(text: &str) -> Result<Self, (String, String)> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('{') {
            let Some((place, after)) = behind.split_once('}') else {
                return Err((format!("{text:?}"), "a } for each {".to_owned()));
            };
            parts.push(plain(text, before)?);
            parts.push(subject(place)?);
            rest = after;
        }
        parts.push(plain(text, rest)?);
        if !parts.iter().any(|part| !matches!(part, Part::Text(_))) {
            return Err((format!("{text:?}"), "a question with a place {e1} for the subject".to_owned()));
        }
        Ok(Self { text: text.to_owned(), parts })
    }

    /// The template as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The question about `subject`.
    pub fn question(&self, subject: &str) -> String {
        let write = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Subject => subject.to_owned(),
            Part::SubjectWith(with_final, without_final) => with_particle(subject, with_final, without_final),
        };
        self.parts.iter().map(write).collect()
    }
}

fn plain(whole: &str, part: &str) -> Result<Part, (String, String)> {
    if part.contains('}') {
        return Err((format!("{whole:?}"), "a { for each }".to_owned()));
    }
    Ok(Part::Text(part.to_owned()))
}

fn subject(place: &str) -> Result<Part, (String, String)> {
    if place == "e1" {
        return Ok(Part::Subject);
    }
    let pair = place.strip_prefix("e1:").and_then(|pair| pair.split_once('/'));
    let known = pair.and_then(|pair| PARTICLES.into_iter().find(|known| *known == pair));
    known.map(|(with_final, without_final)| Part::SubjectWith(with_final, without_final)).ok_or_else(|| {
        let pairs: Vec<String> = PARTICLES.iter().map(|(a, b)| format!("{{e1:{a}/{b}}}")).collect();
        (format!("{{{place}}}"), format!("{{e1}} or, with a particle, one of {}", pairs.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_particle_fits_the_subject() {
        let ask = |template: &str, subject: &str| Template::parse(template).unwrap().question(subject);
        assert_eq!(ask("{e1:은/는} 몇 살인가요?", "이순신"), "이순신은 몇 살인가요?");
        assert_eq!(ask("{e1:은/는} 몇 살인가요?", "유재하(가수)"), "유재하(가수)는 몇 살인가요?");
        assert_eq!(ask("{e1:이라/라}는 사람", "BBC"), "BBC라는 사람");
        assert_eq!(ask("{e1:으로/로}", "서울"), "서울로");
        assert_eq!(ask("{e1}의 부모, {e1:과/와}", "세종"), "세종의 부모, 세종과");
        assert_eq!(ask("Who married {e1}?", "{e1}"), "Who married {e1}?", "a surface is never a template");
    }

    #[test]
    fn every_malformed_template_says_what_is_wrong() {
        let cases = [
            ("누구인가요?", "a place {e1}"),
            ("", "a place {e1}"),
            ("{e2}의 {e1}", "{e1} or, with a particle"),
            ("{e1:에서/에서}", "{e1:은/는}"),
            ("{e1:는/은}", "{e1:은/는}"),
            ("{e1:은}", "{e1:은/는}"),
            ("{e1은", "a } for each {"),
            ("{e1} 은}", "a { for each }"),
            ("}{e1}", "a { for each }"),
        ];
        for (text, expected) in cases {
            let (found, wanted) = Template::parse(text).unwrap_err();
            assert!(wanted.contains(expected), "{text}: {found}, {wanted}");
        }
    }
}
