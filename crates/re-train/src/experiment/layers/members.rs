//! Settings of the members of a vote, from other files and from tables.

use std::path::PathBuf;

use toml::{Table, Value};

use super::document::{self, Document, fault};
use super::{Encoders, Layers, merge};
use crate::error::Result;

/// Key of a member's complete settings.
const EXPERIMENT: &str = "experiment";
/// Key of the table that is laid over them.
const SETTINGS: &str = "settings";

impl Document {
    /// Puts the settings of the files that members name as `config` in their place; they lie on `below`, as this
    /// document itself does. True where one of them lies on the base of `below`.
    pub(super) fn read_members(&mut self, below: &Layers) -> Result<bool> {
        let mut table = std::mem::take(&mut self.table);
        let mut on_base = false;
        for member in members(&mut table) {
            let Some(config) = member.remove("config") else { continue };
            let Value::String(config) = config else {
                return fault("plan.members.config", &config, "the name of a TOML file, as a string");
            };
            let encoders = below.encoders.of_member(&name(member));
            let own = Layers { encoders, ..below.clone() }.file(self.beside(&config))?;
            on_base |= own.on_base;
            let mut experiment = own.table;
            own.encoders.put_into(&mut experiment);
            if let Some(Value::Table(settings)) = member.remove(SETTINGS) {
                merge(&mut experiment, settings);
            }
            member.insert(EXPERIMENT.to_owned(), Value::Table(experiment));
        }
        self.table = table;
        Ok(on_base)
    }
}

/// Makes the settings of all members complete: a table `settings` lies over those of the vote, `keys` over all.
pub(super) fn expand(table: &mut Table, keys: &Table, encoders: &Encoders) -> Result<()> {
    let mut vote = table.clone();
    vote.remove("plan");
    let mut names = Vec::new();
    for member in members(table) {
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

fn members(table: &mut Table) -> impl Iterator<Item = &mut Table> {
    let members = table.get_mut("plan").and_then(|plan| plan.get_mut("members"));
    let members = members.and_then(Value::as_array_mut).into_iter().flatten();
    members.filter_map(Value::as_table_mut)
}

fn name(member: &Table) -> String {
    member.get("member").and_then(Value::as_str).unwrap_or_default().to_owned()
}
