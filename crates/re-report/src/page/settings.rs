//! The settings of the runs, and where they differ.

use std::collections::BTreeSet;

use maud::{Markup, html};

use crate::report::Entry;
use crate::run::Settings;

pub(super) fn section(entries: &[Entry]) -> Option<Markup> {
    let known = known(entries);
    if known.is_empty() {
        return None;
    }
    Some(html! {
        @for (name, settings) in &known {
            details open[known.len() == 1] {
                summary { "Settings of " (name) }
                div.scroll { table.settings { tbody { @for (key, text) in settings.iter() { tr {
                    th scope="row" { code { (key) } }
                    td { (text) }
                } } } } }
            }
        }
    })
}

fn known(entries: &[Entry]) -> Vec<(&str, &Settings)> {
    entries.iter().filter_map(|entry| Some((entry.run.name(), entry.run.settings()?))).collect()
}

/// The settings in which runs differ.
pub(super) fn differences(entries: &[Entry]) -> Markup {
    let known = known(entries);
    if known.len() < 2 {
        return Markup::default();
    }
    let keys: BTreeSet<&str> =
        known.iter().flat_map(|(_, settings)| settings.iter().map(|(key, _)| key)).collect();
    let differs = |key: &&str| {
        let mut texts = known.iter().map(|(_, settings)| settings.get(key));
        let first = texts.next();
        texts.any(|text| Some(text) != first)
    };
    // Members have all settings of a training each, beside which those of the runs themselves would be lost.
    let (of_members, own): (Vec<&str>, Vec<&str>) =
        keys.into_iter().filter(differs).partition(|key| key.starts_with("plan.members["));
    html! {
        h3 { "Settings that differ" }
        @if own.is_empty() && of_members.is_empty() {
            p.remark { "The runs have the same settings." }
        }
        @if !own.is_empty() { (table(&known, &own)) }
        @if !of_members.is_empty() {
            details { summary { "Settings of members that differ" } (table(&known, &of_members)) }
        }
    }
}

fn table(known: &[(&str, &Settings)], keys: &[&str]) -> Markup {
    html! {
        div.scroll { table.settings {
            thead { tr {
                th scope="col" { "Setting" }
                @for (name, _) in known { th scope="col" { (name) } }
            } }
            tbody { @for key in keys { tr {
                th scope="row" { code { (key) } }
                @for (_, settings) in known { td { (settings.get(key).unwrap_or("–")) } }
            } } }
        } }
    }
}
