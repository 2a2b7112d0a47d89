//! The report as a page of HTML.

mod calibration;
mod compare;
mod confusion;
mod curves;
mod errors;
mod labels;
mod lengths;
mod overview;
mod risk;
mod sentence;
mod settings;
mod svg;

use std::path::Path;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use re_data::files;

use crate::error::Result;
use crate::report::{Entry, Report};

pub(crate) use sentence::language;

/// Colours, fonts and tables of all pages.
pub(crate) const STYLE: &str = include_str!("page/style.css");

/// A section of the page, or nothing where there is nothing to show.
struct Section {
    /// Anchor on the page.
    id: String,
    title: String,
    body: Markup,
}

impl Report {
    /// The report as a page of HTML that needs no other file and no network.
    pub fn to_html(&self) -> String {
        html(self)
    }

    /// Writes the page to a file, which is visible only when it is complete, or to standard output where `path` is `-`.
    ///
    /// # Errors
    /// [`Error::Data`](crate::Error::Data) or [`Error::Io`](crate::Error::Io) where it cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        Ok(files::write(path, self.to_html())?)
    }
}

fn html(report: &Report) -> String {
    let title = report.options.title.clone().unwrap_or_else(|| title(&report.entries));
    let sections = sections(report);
    let notes = report.notes();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content=(concat!("re-report ", env!("CARGO_PKG_VERSION")));
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    p.kicker { "Relation extraction report" }
                    h1 { (title) }
                    nav aria-label="Sections" {
                        ul { @for section in &sections { li { a href={ "#" (section.id) } { (section.title) } } } }
                    }
                }
                main {
                    @if !notes.is_empty() {
                        aside.notes aria-label="What this report lacks" {
                            h2 { "What this report lacks" }
                            ul { @for note in &notes { li { (note) } } }
                        }
                    }
                    @for section in &sections {
                        section id=(section.id) { h2 { (section.title) } (section.body) }
                    }
                }
            }
        }
    };
    page.into_string()
}

fn title(entries: &[Entry]) -> String {
    match entries {
        [only] => only.run.name().to_owned(),
        [first, second] => format!("{} and {}", first.run.name(), second.run.name()),
        [first, others @ ..] => format!("{} and {} more runs", first.run.name(), others.len()),
        [] => String::new(),
    }
}

fn sections(report: &Report) -> Vec<Section> {
    let section = |id: &str, title: &str, body: Option<Markup>| {
        body.map(|body| Section { id: id.to_owned(), title: title.to_owned(), body })
    };
    let mut sections = vec![
        section("overview", "Overview", overview::section(report)),
        section("curves", "Learning curves", curves::section(&report.entries)),
        section("comparison", "Comparison", compare::section(report)),
    ];
    for (at, entry) in report.entries.iter().enumerate() {
        let title = if report.entries.len() == 1 { "Predictions" } else { entry.run.name() };
        sections.push(section(&format!("run-{}", at + 1), title, details(report, entry)));
    }
    sections.push(section("settings", "Settings", settings::section(&report.entries)));
    sections.into_iter().flatten().collect()
}

/// What one run's predictions look like.
fn details(report: &Report, entry: &Entry) -> Option<Markup> {
    let metrics = &entry.figures.as_ref()?.metrics;
    let scored = entry.scored.as_ref().ok();
    let plots = scored.map(|scored| [calibration::plot(scored), risk::plot(scored), lengths::plot(scored)]);
    Some(html! {
        div.columns {
            div { h3 { "By label" } (labels::table(metrics)) }
            div {
                (confusion::mistakes(metrics))
                @for plot in plots.into_iter().flatten().flatten() { (plot) }
            }
        }
        h3 { "Confusion matrix" }
        (confusion::matrix(metrics))
        @if let Some(scored) = scored { (errors::list(scored, report.options.sentences)) }
    })
}
