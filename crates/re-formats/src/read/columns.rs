//! Columns of files of predictions: their names alone tell what such a file holds, whatever the classes are called.

use std::borrow::Cow;

/// Names of columns that are not those of a class.
const TAKEN: [&str; 6] = ["id", "label", "pred_label", "probability", "probs", "pred"];

/// Name of the column with the probabilities of a class: that of the class or, where another column could have it,
/// `p(NAME)`.
pub(crate) fn column_of(class: &str) -> Cow<'_, str> {
    if taken(class) { format!("p({class})").into() } else { class.into() }
}

/// The class whose probabilities stand in a column.
pub(super) fn class_of(column: &str) -> &str {
    inside(column).filter(|class| taken(class)).unwrap_or(column)
}

/// Whether it is the name of another column, or what stands for one.
fn taken(mut name: &str) -> bool {
    while let Some(inner) = inside(name) {
        name = inner;
    }
    TAKEN.contains(&name)
}

fn inside(name: &str) -> Option<&str> {
    name.strip_prefix("p(")?.strip_suffix(')')
}

/// What the header of a file of predictions says that it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Class ids alone.
    Submission,
    /// Ids and labels.
    Labels,
    /// Ids and the probabilities of all classes.
    Probabilities,
    /// A submission of KLUE-RE, which has labels and the probabilities of all classes.
    KlueSubmission,
    /// Ids, and labels with something else beside them, or probabilities of classes with such names: files of older versions
    /// and of other programs give classes no other names.
    Either,
}

impl Kind {
    pub(super) fn of(header: &[String]) -> Option<Self> {
        let names: Vec<&str> = header.iter().map(String::as_str).collect();
        let labelled = names.contains(&"label") || names.contains(&"pred_label");
        match names.as_slice() {
            ["pred"] => Some(Self::Submission),
            ["id", "pred_label", "probs"] => Some(Self::KlueSubmission),
            ["id", "label" | "pred_label"] | ["id", "label", "probability"] => Some(Self::Labels),
            ["id", ..] if labelled => Some(Self::Either),
            ["id", ..] => Some(Self::Probabilities),
            names if labelled && names.contains(&"id") => Some(Self::Labels),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_come_back_from_their_columns() {
        for class in TAKEN.into_iter().chain(["x", "p(x)", "p(id)", "p(p(id))", "p(", "p()", "P(id)", "ids"])
        {
            let column = column_of(class);
            assert_eq!(class_of(&column), class);
            assert!(!TAKEN.contains(&column.as_ref()), "{column}");
        }
        assert_eq!(column_of("per:title"), "per:title");
        assert_eq!(column_of("label"), "p(label)");
        // A name of any depth takes no stack.
        assert!(!taken(&format!("{}x{}", "p(".repeat(1 << 20), ")".repeat(1 << 20))));
    }
}
