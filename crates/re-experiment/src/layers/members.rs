//! Settings of the members of a vote, from other files and from tables.

use std::path::PathBuf;

use toml::{Table, Value};

use super::document::{self, fault};
use super::encoders::Encoders;
use super::table::merge;
use crate::error::Result;

/// Key of a member's complete settings.
pub(super) const EXPERIMENT: &str = "experiment";
/// Key of the table that is laid over them.
pub(super) const SETTINGS: &str = "settings";

/// Makes the settings of all members complete: a table `settings` lies over those of the vote, `keys` over all.
pub(super) fn expand(table: &mut Table, keys: &Table, encoders: &Encoders) -> Result<()> {
    let mut vote = table.clone();
    vote.remove("plan");
    let mut names = Vec::new();
    for member in all(table) {
        names.push(name(member));
        match (member.remove(SETTINGS), member.get_mut(EXPERIMENT)) {
            (None, None) => continue,
            (None, Some(Value::Table(experiment))) => merge(experiment, keys.clone()),
            (Some(Value::Table(settings)), None) => {
                let mut experiment = vote.clone();
                encoders.of_member(&name(member)).put_into(&mut experiment);
                merge(&mut experiment, settings);
                merge(&mut experiment, keys.clone());
                member.insert(EXPERIMENT.to_owned(), Value::Table(experiment));
            }
            (Some(other), _) => {
                return fault("plan.members.settings", &other, "a table, not beside experiment");
            }
            (None, Some(other)) => return fault("plan.members.experiment", other, "a table"),
        }
        let name = name(member);
        if let Some(Value::Table(experiment)) = member.get_mut(EXPERIMENT) {
            expand(experiment, keys, &Encoders::default())?;
            let source = PathBuf::from(format!("member {name}"));
            document::experiment(experiment.clone()).map_err(|fault| fault.into_error(&source, None))?;
        }
    }
    encoders.check(&names)
}

/// The tables of all members.
pub(super) fn all(table: &mut Table) -> impl Iterator<Item = &mut Table> {
    let members = table.get_mut("plan").and_then(|plan| plan.get_mut("members"));
    let members = members.and_then(Value::as_array_mut).into_iter().flatten();
    members.filter_map(Value::as_table_mut)
}

/// What a member is called.
pub(super) fn name(member: &Table) -> String {
    member.get("member").and_then(Value::as_str).unwrap_or_default().to_owned()
}
