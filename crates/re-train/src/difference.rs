//! Where settings differ from those with which something was made.

use serde_json::Value;

/// A key whose value has changed; `null` stands for a value that is not there.
#[derive(Debug, PartialEq)]
pub struct Difference {
    /// Path of the key, such as `training.learning_rate`.
    pub key: String,
    /// What it was.
    pub old: Value,
    /// What it is.
    pub new: Value,
}

/// The first key, in the order of `old`, whose value is another one in `new`.
pub fn first(old: &Value, new: &Value) -> Option<Difference> {
    at("", old, new)
}

fn at(path: &str, old: &Value, new: &Value) -> Option<Difference> {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match (old, new) {
        (Value::Object(a), Value::Object(b)) => {
            let missing = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key)));
            let of = |map: &serde_json::Map<String, Value>, key: &String| {
                map.get(key).cloned().unwrap_or_default()
            };
            missing.into_iter().find_map(|key| at(&below(key), &of(a, key), &of(b, key)))
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().find_map(|(number, (a, b))| at(&format!("{path}[{number}]"), a, b))
        }
        _ if old == new => None,
        _ => Some(Difference { key: path.to_owned(), old: old.clone(), new: new.clone() }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_path_of_the_changed_key_is_named() {
        let old = json!({"a": 1, "b": {"c": [1, {"d": 2}]}});
        assert_eq!(first(&old, &old), None);
        let named = |new| first(&old, &new).map(|difference| difference.key);
        assert_eq!(named(json!({"a": 1, "b": {"c": [1, {"d": 3}]}})).as_deref(), Some("b.c[1].d"));
        assert_eq!(named(json!({"a": 1, "b": {"c": [1]}})).as_deref(), Some("b.c"));
        assert_eq!(named(json!({"a": 1})).as_deref(), Some("b"));
        assert_eq!(named(json!({"a": 1, "b": {"c": [1, {"d": 2}]}, "e": 0})).as_deref(), Some("e"));
    }
}
