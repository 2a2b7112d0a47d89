//! Swapping the names of both entities for others of the same type.

use std::collections::{HashMap, HashSet};

use rand::{Rng, RngExt};
use re_data::edit::Edit;
use re_data::korean::{ends_with_particles, refit_particle};
use re_data::{ByteSpan, RelationExample};

use super::Augmenter;

/// Longest remark in parentheses, in bytes, that a particle is looked for behind.
const LONGEST_REMARK: usize = 60;

/// Replaces the names of both entities by names of other entities of the same type.
///
/// An entity without a type gets the name of another one without. Elsewhere in the sentence the same name, standing
/// as a word of its own, is replaced as well, and a Korean particle behind it takes the form that suits the new
/// name. Rows whose entities overlap or have one name stay as they are, and so does an entity for which there is no
/// name that the sentence lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntitySwap {
    same_label: bool,
    /// Names that may stand for one another, each once, in the order of their first rows.
    names: HashMap<Group, Vec<String>>,
}

/// What entities whose names may stand for one another have in common: the type and, where asked for, role and label.
type Group = (Option<String>, Option<(usize, Option<String>)>);

impl EntitySwap {
    /// Swapping among the entities of `rows`: the training rows alone, so that no name comes from elsewhere.
    ///
    /// With `same_label`, names come only from entities in the same role of rows with the same label. Where types
    /// are coarse, that keeps sentences more plausible, and names as telling of the label as they are.
    pub fn new(rows: &[RelationExample], same_label: bool) -> Self {
        let mut swap = Self { same_label, names: HashMap::new() };
        let mut seen = HashSet::new();
        for row in rows {
            for number in 0..2 {
                let (group, name) = (swap.group(row, number), row.surface(number));
                if seen.insert((group.clone(), name)) {
                    swap.names.entry(group).or_default().push(name.to_owned());
                }
            }
        }
        swap
    }

    fn group(&self, row: &RelationExample, number: usize) -> Group {
        let kind = row.entities().get(number).and_then(|entity| entity.kind()).map(str::to_owned);
        (kind, self.same_label.then(|| (number, row.label().map(str::to_owned))))
    }

    /// A name for an entity that does not stand in the sentence yet and is not `other`.
    fn draw(
        &self,
        row: &RelationExample,
        number: usize,
        other: Option<&str>,
        random: &mut dyn Rng,
    ) -> Option<&str> {
        let names = self.names.get(&self.group(row, number)).filter(|names| !names.is_empty())?;
        let (before, from) = names.split_at_checked(random.random_range(0..names.len()))?;
        let mut names = from.iter().chain(before).map(String::as_str);
        names.find(|name| Some(*name) != other && !row.text().contains(name))
    }
}

impl Augmenter for EntitySwap {
    fn name(&self) -> &'static str {
        "entity_swap"
    }

    fn describe(&self) -> String {
        let names: usize = self.names.values().map(Vec::len).sum();
        let what = if self.same_label { "combinations of type, role and label" } else { "types" };
        format!("{names} names of {} {what}", self.names.len())
    }

    fn vary(&self, example: &RelationExample, random: &mut dyn Rng) -> Option<RelationExample> {
        let text = example.text();
        let [subject, object] = example.entities();
        if subject.span().overlaps(&object.span()) || example.surface(0) == example.surface(1) {
            return None;
        }
        let first = self.draw(example, 0, None, random);
        let second = self.draw(example, 1, first, random);
        let mut edits = Vec::new();
        for (number, name) in [(0, first), (1, second)] {
            let Some(name) = name else { continue };
            let old = example.surface(number);
            for span in mentions(example, number) {
                edits.push(Edit { span, text: name.to_owned() });
                // What stands there may be the other entity instead.
                let particle = particle(text, span.end(), old, name);
                let free = |edit: &Edit| ![subject, object].iter().any(|e| e.span().overlaps(&edit.span));
                edits.extend(particle.filter(free));
            }
        }
        if edits.is_empty() { None } else { example.edited(edits) }
    }
}

/// The entity, and where else its name stands as a word of its own, outside of both entities.
fn mentions(example: &RelationExample, number: usize) -> Vec<ByteSpan> {
    let (text, name) = (example.text(), example.surface(number));
    let entities = example.entities().each_ref().map(|entity| entity.span());
    let elsewhere = text.match_indices(name).filter_map(|(at, _)| {
        let span = ByteSpan::with_len(at, name.len());
        let begins = !text.get(..at)?.ends_with(char::is_alphanumeric);
        let ends = ends_with_particles(text.get(span.end()..)?);
        (begins && ends && !entities.iter().any(|entity| entity.overlaps(&span))).then_some(span)
    });
    entities.get(number).copied().into_iter().chain(elsewhere).collect()
}

/// The edit of the particle behind a name that ends at `end`, where it needs one.
fn particle(text: &str, end: usize, old: &str, new: &str) -> Option<Edit> {
    let behind = text.get(end..)?;
    let at = end + silent(behind);
    let (bytes, form) = refit_particle(old, new, text.get(at..)?)?;
    Some(Edit { span: ByteSpan::with_len(at, bytes), text: form.to_owned() })
}

/// Bytes between a name and its particle: closing quotes, and a remark in parentheses (`《토지》는`, `세종(世宗)은`).
fn silent(behind: &str) -> usize {
    let quotes =
        |text: &str| text.len() - text.trim_start_matches(['\'', '"', '’', '”', '』', '》', '」', '>']).len();
    let first = quotes(behind);
    let rest = behind.get(first..).unwrap_or_default();
    let remark = match rest.strip_prefix('(').and_then(|inside| inside.find(')')) {
        Some(length) if length <= LONGEST_REMARK => length + 2,
        _ => 0,
    };
    first + remark + quotes(rest.get(remark..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::tests::row;
    use re_data::random::stream;

    fn typed(text: &str, kinds: [Option<&str>; 2]) -> RelationExample {
        row(text).with_entity_types(kinds.map(|kind| kind.map(str::to_owned)))
    }

    fn swap(row: &RelationExample, names: &[RelationExample]) -> Option<RelationExample> {
        EntitySwap::new(names, false).vary(row, &mut stream(7, "test", 0))
    }

    const PERSON: [Option<&str>; 2] = [Some("P"), Some("P")];

    #[test]
    fn names_particles_and_other_mentions_change_together() {
        let row = typed("[세종]은 <최만리>와 다퉜다. 세종이 이겼고 세종대왕은 '최만리'를 보냈다.", PERSON);
        let varied = swap(&row, &[typed("[세조] <한명회>", [Some("P"), Some("Q")])]).unwrap();
        // Only 세조 has the type, and both entities may not get the same name.
        assert_eq!(varied.text(), "세조는 최만리와 다퉜다. 세조가 이겼고 세종대왕은 '최만리'를 보냈다.");
        let names = [typed("[세조] <김종직>", PERSON)];
        let varied = swap(&row, &names).unwrap();
        let expected = [
            "세조는 김종직과 다퉜다. 세조가 이겼고 세종대왕은 '김종직'을 보냈다.",
            "김종직은 세조와 다퉜다. 김종직이 이겼고 세종대왕은 '세조'를 보냈다.",
        ];
        assert!(expected.contains(&varied.text()), "{}", varied.text());
        let surfaces = [varied.surface(0), varied.surface(1)];
        assert!(surfaces == ["세조", "김종직"] || surfaces == ["김종직", "세조"], "{surfaces:?}");
        assert_eq!((varied.id(), varied.entities()[0].kind()), (row.id(), Some("P")));
    }

    #[test]
    fn particles_behind_quotes_and_remarks_change_too() {
        let names = [typed("[세조] <조선>", [Some("P"), Some("C")])];
        let cases = [
            ("'[세종]'은 <고려>에", "'세조'는 조선에"),
            ("[세종](世宗)은 <고려>와의", "세조(世宗)는 조선과의"),
            ("[세종](재위 <고려>)은", "세조(재위 조선)는"),
            ("[세종]은행 <고려>대학교", "세조은행 조선대학교"),
            ("[세종]<은> 왕", "세조조선 왕"),
        ];
        for (text, expected) in cases {
            assert_eq!(swap(&typed(text, [Some("P"), Some("C")]), &names).unwrap().text(), expected);
        }
    }

    #[test]
    fn names_come_from_the_same_type_alone() {
        let untyped = [typed("[세조] <조선>", [None, Some("C")])];
        let row = typed("[세종]은 <고려>의", [Some("P"), None]);
        let varied = swap(&row, &untyped).unwrap();
        assert_eq!(varied.text(), "세종은 세조의");
        assert_eq!(swap(&typed("[세종]은 <고려>의", PERSON), &untyped), None);
        assert_eq!(EntitySwap::new(&untyped, false).describe(), "2 names of 2 types");
    }

    #[test]
    fn names_come_from_the_same_role_and_label_where_asked_for() {
        let labelled = |text, label: &str| typed(text, PERSON).with_label(label);
        let rows = [
            labelled("[세조] <한명회>", "신하"),
            labelled("[문종] <단종>", "자녀"),
            labelled("[세종]과 <문종>은", "자녀"),
        ];
        let swap = EntitySwap::new(&rows, true);
        assert_eq!(swap.describe(), "6 names of 4 combinations of type, role and label");
        for index in 0..20 {
            let varied = swap.vary(&rows[2], &mut stream(7, "test", index)).unwrap();
            // 문종 stands in the sentence already.
            assert_eq!(varied.text(), "세종과 단종은");
        }
    }

    #[test]
    fn rows_that_cannot_be_swapped_stay() {
        let names = [typed("[세조] <조선>", PERSON)];
        for text in ["[세종 <대왕>]은", "[세종 <대]왕>은", "[세종]과 <세종>은"] {
            assert_eq!(swap(&typed(text, PERSON), &names), None, "{text}");
        }
        // Every other name stands in the sentence already.
        assert_eq!(swap(&typed("[세종]과 <고려>, 세조와 조선", PERSON), &names), None);
    }
}
