//! Tables laid over each other.

use toml::{Table, Value};

/// Lays a table over another one, key by key.
pub(super) fn merge(below: &mut Table, above: Table) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) if !chooses_anew(below, &above) => {
                merge(below, above);
            }
            (_, value) => {
                below.insert(key, value);
            }
        }
    }
}

/// Whether `above` names another markup, plan or the like, whose settings are not those of the one below.
fn chooses_anew(below: &Table, above: &Table) -> bool {
    above.get("name").is_some_and(|name| below.get("name") != Some(name))
}
