//! The tables of runs.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use super::graphs;
use super::group::{Figures, Group, may_differ};
use super::markdown::{cell, html, table};
use super::published::{Found, Published};
use crate::number::count;
use crate::run::RowSet;

/// All tables; `link` is the way from the document to the folder of the runs.
pub(super) fn tables(groups: &[Group], published: &[Published], link: &str) -> String {
    let mut text = String::from("\n");
    if !published.is_empty() {
        text += "### Beside the report's numbers\n\n";
        text += "Accuracies in percent; the report's by checkpoint, on its validation rows / on the leaderboard. Those \
                 here are on validation rows.\n\n";
        text += &beside(groups, published);
        text.push('\n');
    }
    text += "### Runs\n\n";
    text += "Figures in percent, on validation rows where nothing else stands there; micro-F1 without no-relation. \
             Of several seeds: mean ± sample standard deviation.\n\n";
    text += &runs(groups, link);
    text.push('\n');
    text += &graphs::tables(groups);
    for group in groups {
        text += &checkpoints(group);
    }
    text += &settings(groups);
    text
}

fn beside(groups: &[Group], published: &[Published]) -> String {
    let lines = published.iter().map(|one| {
        let here = groups.iter().filter(|group| group.experiment() == one.example).map(|group| {
            let figures = group.figures();
            let accuracy = figures.accuracy().unwrap_or_else(|| "no validation rows".to_owned());
            format!("{accuracy} (`{}`{})", cell(&name(group)), seeds(figures.len()))
        });
        let here: Vec<String> = here.collect();
        [
            cell(&one.name),
            format!("`{}`", cell(&one.example)),
            cell(&one.what),
            one.results.iter().map(found).collect::<Vec<_>>().join("; "),
            if here.is_empty() { "no run yet".to_owned() } else { here.join("; ") },
        ]
    });
    table(["report", "example", "what", "report: validation / leaderboard", "here: accuracy"], lines)
}

fn seeds(runs: usize) -> String {
    if runs > 1 { format!(", {runs} seeds") } else { String::new() }
}

fn found(found: &Found) -> String {
    let number = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:?}"));
    let of = found.step.map(count).or_else(|| found.of.as_deref().map(cell));
    let of = of.map(|of| format!("{of}: ")).unwrap_or_default();
    format!("{of}{} / {}", number(found.validation), number(found.leaderboard))
}

fn runs(groups: &[Group], link: &str) -> String {
    let mut lines = Vec::new();
    for group in groups {
        let figures = group.figures();
        let [rows, accuracy, micro_f1, macro_f1] = measured(&figures);
        lines.push([
            links(group, link),
            cell(&in_short(group)),
            cell(&data(group)),
            group.seeds().join(", "),
            steps(group),
            rows,
            accuracy,
            micro_f1,
            macro_f1,
            known(group, |run| run.about.commit.as_deref()),
            known(group, |run| run.about.machine.as_deref()),
        ]);
        for (name, of, figures) in group.parts() {
            let [mut rows, accuracy, micro_f1, macro_f1] = measured(&figures);
            if of != RowSet::Validation {
                rows = format!("{rows} {}", of.words());
            }
            let none = String::new;
            let name = format!("↳ {}", cell(name));
            lines.push([
                name,
                none(),
                none(),
                none(),
                none(),
                rows,
                accuracy,
                micro_f1,
                macro_f1,
                none(),
                none(),
            ]);
        }
    }
    let head = [
        "run", "settings", "data", "seeds", "step", "rows", "accuracy", "micro-F1", "macro-F1", "commit",
        "machine",
    ];
    table(head, lines.into_iter())
}

fn measured(figures: &Figures<'_>) -> [String; 4] {
    let dash = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
    let rows: Vec<String> = figures.rows().into_iter().map(|rows| count(rows as u64)).collect();
    let rows = (!rows.is_empty()).then(|| rows.join(", "));
    [dash(rows), dash(figures.accuracy()), dash(figures.micro_f1()), dash(figures.macro_f1())]
}

/// The folders of the runs.
fn links(group: &Group, link: &str) -> String {
    let one = |path: &String| format!("[`{}`]({}/{}/)", cell(path), cell(link), path.replace(' ', "%20"));
    group.runs.iter().map(|run| one(&run.path)).collect::<Vec<_>>().join(", ")
}

fn name(group: &Group) -> String {
    group.runs.iter().map(|run| run.path.as_str()).collect::<Vec<_>>().join(", ")
}

/// The settings that people look for first.
fn in_short(group: &Group) -> String {
    let model = group.runs.first().map(|run| &run.settings.known.model);
    let mut parts = Vec::new();
    if let Some(model) = model.filter(|model| !model.folder.as_os_str().is_empty()) {
        let layers = model.layers.map(|layers| format!(", {layers} layers")).unwrap_or_default();
        parts.push(format!("{}{layers}", last(&model.folder)));
    }
    let named = |key: &str, what: &str| group.setting(key).map(|text| format!("{what}{text}"));
    let plan = named("plan.name", "plan ").filter(|plan| plan != "plan single");
    let head_rate = named("training.head_learning_rate", ", head ").unwrap_or_default();
    parts.extend(named("markup.name", "markup "));
    parts.extend(named("head", "head ").or_else(|| named("head.name", "head ")));
    parts.extend(named("training.learning_rate", "learning rate ").map(|rate| rate + &head_rate));
    parts.extend(named("training.batch_size", "batch "));
    parts.extend(named("training.label_smoothing", "label smoothing "));
    parts.extend(plan);
    parts.join("; ")
}

fn data(group: &Group) -> String {
    let Some(data) = group.runs.first().map(|run| &run.settings.known.data) else { return String::new() };
    let mut parts: Vec<String> = data.train().map(last).into_iter().collect();
    parts.extend(data.additional.iter().map(|path| format!("+ {}", last(path))));
    parts.push(match (data.validation(), data.val_size) {
        (Some(path), _) => format!("validated on {}", last(path)),
        (None, share) if share > 0.0 => format!("{} % set aside", (1000.0 * share).round() / 10.0),
        _ => "all trained on".to_owned(),
    });
    parts.extend(data.fold.as_ref().map(|fold| format!("fold {} of {}", fold.number, fold.of)));
    parts.join(", ")
}

fn last(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// Steps of the models, in the order of the seeds, and of the whole trainings.
fn steps(group: &Group) -> String {
    let all = group.runs.first().map_or(0, |run| run.settings.known.training.steps);
    let chosen: Vec<String> = group.runs.iter().filter_map(|run| run.summary.step).map(count).collect();
    match (chosen.is_empty(), all) {
        (true, 0) => "–".to_owned(),
        (true, all) => count(all),
        (false, 0) => chosen.join("; "),
        (false, all) => format!("{} of {}", chosen.join("; "), count(all)),
    }
}

/// What the runs say about themselves, each thing once.
fn known<'a>(group: &'a Group, what: impl Fn(&'a super::recorded::Recorded) -> Option<&'a str>) -> String {
    let texts: BTreeSet<&str> = group.runs.iter().filter_map(what).collect();
    let texts: Vec<String> = texts.into_iter().map(cell).collect();
    if texts.is_empty() { "not recorded".to_owned() } else { texts.join("; ") }
}

fn checkpoints(group: &Group) -> String {
    let checkpoints = group.checkpoints();
    if checkpoints.is_empty() {
        return String::new();
    }
    let commands: BTreeSet<&str> = group.runs.iter().filter_map(|run| run.about.command.as_deref()).collect();
    let commands: String = commands.into_iter().map(|command| format!("```sh\n{command}\n```\n\n")).collect();
    let lines = checkpoints.iter().map(|(step, figures)| {
        let [rows, accuracy, micro_f1, macro_f1] = measured(figures);
        [count(*step), rows, accuracy, micro_f1, macro_f1]
    });
    let table = table(["step", "rows", "accuracy", "micro-F1", "macro-F1"], lines);
    format!(
        "<details><summary>{}: checkpoints</summary>\n\n{commands}{table}\n</details>\n\n",
        html(&name(group))
    )
}

/// The settings of all groups: what they share once, what they do not group by group.
fn settings(groups: &[Group]) -> String {
    let texts = |group: &Group| -> Vec<(String, String)> {
        let first = group.runs.first();
        let all = first.iter().flat_map(|run| run.settings.iter()).filter(|(key, _)| !may_differ(key));
        all.map(|(key, text)| (key.to_owned(), text.to_owned())).collect()
    };
    let all: Vec<Vec<(String, String)>> = groups.iter().map(texts).collect();
    let shared = |setting: &&(String, String)| all.iter().all(|settings| settings.contains(setting));
    let listed = |settings: Vec<&(String, String)>| {
        settings
            .iter()
            .map(|(key, text)| format!("`{key} = {}`", text.replace('`', "'")))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mut text = String::from("<details><summary>Settings</summary>\n\n");
    let common: Vec<_> = all.first().into_iter().flatten().filter(shared).collect();
    if !common.is_empty() {
        let _ = writeln!(text, "Of all runs: {}.\n", listed(common));
    }
    for (group, settings) in groups.iter().zip(&all) {
        let own: Vec<_> = settings.iter().filter(|setting| !shared(setting)).collect();
        if !own.is_empty() {
            let _ = writeln!(text, "- `{}`: {}.", name(group), listed(own));
        }
    }
    text.truncate(text.trim_end().len());
    text + "\n\n</details>\n\n"
}
