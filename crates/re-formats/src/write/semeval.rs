//! SemEval-2010 Task 8: numbered sentences with tagged entities.

use re_data::RelationExample;

use crate::read::semeval::{COMMENT, TAGS};

/// What the layout cannot hold.
pub(super) struct Unfit {
    pub(super) field: &'static str,
    pub(super) found: String,
    pub(super) expected: &'static str,
}

/// The lines of an example, or the field that they cannot hold.
pub(super) fn block(example: &RelationExample) -> Result<String, Unfit> {
    let check = |field, value: &str, fits: bool, expected| {
        if fits { Ok(()) } else { Err(Unfit { field, found: value.to_owned(), expected }) }
    };
    let one_line = |value: &str| {
        !value.trim_ascii().is_empty()
            && !value.contains(['\t', '\n', '\r'])
            && !value.trim_ascii_start().starts_with(COMMENT)
    };
    check("id", example.id(), one_line(example.id()), "no tab or line break in it, and not a comment")?;
    let tagless = TAGS.as_flattened().iter().all(|tag| !example.text().contains(tag));
    check("text", example.text(), tagless, "none of the tags <e1>, </e1>, <e2>, </e2> in it")?;
    let mut block = format!("{}\t\"{}\"\r\n", example.id(), tagged(example));
    if let Some(label) = example.label() {
        check("label", label, one_line(label), "no tab or line break in it, and not a comment")?;
        block.push_str(&format!("{label}\r\n{COMMENT}\r\n\r\n"));
    }
    Ok(block)
}

/// The text with its tags, on one line.
fn tagged(example: &RelationExample) -> String {
    let mut tags: Vec<(usize, &str)> = Vec::with_capacity(4);
    for (entity, [open, close]) in example.entities().iter().zip(TAGS) {
        tags.extend([(entity.span().start(), open), (entity.span().end(), close)]);
    }
    // Where one entity ends and the other begins, the end comes first.
    tags.sort_by_key(|(at, tag)| (*at, !tag.starts_with("</")));
    let (mut line, mut written) = (String::new(), 0);
    for (at, tag) in tags {
        line.push_str(example.text().get(written..at).unwrap_or_default());
        line.push_str(tag);
        written = at;
    }
    line.push_str(example.text().get(written..).unwrap_or_default());
    line.replace(['\n', '\r'], " ")
}
