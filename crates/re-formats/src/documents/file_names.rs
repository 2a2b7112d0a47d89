//! Ids as names of files.

use super::writer::Unfit;

/// Longest name in bytes that every usual file system takes, with room for an extension.
const LONGEST: usize = 200;

/// The name, without extension, of the file of a document. What some system refuses in names is written as `%`
/// and two hexadecimal digits for each byte.
pub(super) fn of_id(id: &str) -> Result<String, Unfit> {
    let name = encoded(id);
    match name.len() <= LONGEST && !id.is_empty() {
        true => Ok(name),
        false => {
            let expected = "an id that can be the name of a file, up to 200 bytes";
            Err(Unfit { field: "id", found: id.to_owned(), expected })
        }
    }
}

/// The id of the document in a file of this name.
pub(super) fn to_id(name: &str) -> String {
    // A name that no document of this project has is an id as it is.
    decoded(name).filter(|id| encoded(id) == name).unwrap_or_else(|| name.to_owned())
}

fn encoded(id: &str) -> String {
    let last = id.chars().count().saturating_sub(1);
    let mut name = String::new();
    for (at, c) in id.chars().enumerate() {
        let refused = c.is_control()
            || "/\\:*?\"<>|%".contains(c)
            || at == 0 && matches!(c, '.' | '-' | ' ')
            || at == last && matches!(c, '.' | ' ');
        if refused {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                name.push_str(&format!("%{byte:02X}"));
            }
        } else {
            name.push(c);
        }
    }
    name
}

fn decoded(name: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = name.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte == b'%' {
            let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = rest.get(2..)?;
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_back_from_names() {
        for id in ["a", "a/b", "..", "-", ".x.", "a%2Fb", "가\u{1}", "100%", "a b", " ", "http://x?y=1"] {
            let name = of_id(id).unwrap_or_else(|_| panic!("{id}"));
            assert!(!name.contains(['/', '\\', ':']) && !name.starts_with(['.', '-']), "{name}");
            assert_eq!(to_id(&name), id);
        }
        // Names from elsewhere stay what they are.
        for name in ["100%", "%zz", "a%41", "%ff", "x%2"] {
            assert_eq!(to_id(name), name);
        }
        assert!(of_id(&"x".repeat(201)).is_err() && of_id("").is_err());
    }
}
