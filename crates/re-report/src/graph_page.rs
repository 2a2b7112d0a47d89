//! Documents with their mentions and relations as a page of HTML.

mod card;
mod text;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use re_data::{Document, files};

use crate::error::{Error, Result};
use crate::number::count;
use crate::page::STYLE as BASE_STYLE;
use crate::page::language;
use text::shown;

const STYLE: &str = include_str!("graph_page/style.css");
const SCRIPT: &str = include_str!("graph_page/script.js");

/// How many colours there are for types; further types share them, and are told apart by their names.
const COLOURS: usize = 7;

/// How documents are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphPageOptions {
    /// Title of the page.
    pub title: String,
    /// Most documents that are shown, at least 1; the page says how many there are beside them.
    pub documents: usize,
}

impl Default for GraphPageOptions {
    fn default() -> Self {
        Self { title: "Relations in documents".to_owned(), documents: 200 }
    }
}

/// A page of HTML that shows documents: their mentions in colours by type, arcs for their relations, and a table of them.
///
/// It needs no other file and no network. Documents can be streamed: those beyond the limit are counted, and not kept.
///
/// ```
/// use re_data::{CharSpan, Document, Mention, Pair, Relation};
/// use re_report::{GraphPage, GraphPageOptions};
///
/// let mentions = [(0, 5), (12, 6)].map(|(start, len)| Mention::new(CharSpan::with_len(start, len)).with_kind("PERSON"));
/// let spouse = Relation::new(Pair { subject: 0, object: 1 }, "spouse").with_score(0.8);
/// let document = Document::new("7", "Marie loves Pierre.", mentions.into())?.with_relations(vec![spouse])?;
///
/// let mut page = GraphPage::new(GraphPageOptions::default())?;
/// page.add(&document);
/// assert!(page.to_html().starts_with("<!DOCTYPE html>"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct GraphPage {
    options: GraphPageOptions,
    shown: Vec<Document>,
    all: Counts,
}

/// How much there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Counts {
    documents: usize,
    mentions: usize,
    relations: usize,
}

impl Counts {
    fn add(&mut self, document: &Document) {
        self.documents += 1;
        self.mentions += document.mentions().len();
        self.relations += document.relations().len();
    }

    fn of(documents: &[Document]) -> Self {
        let mut counts = Self::default();
        documents.iter().for_each(|document| counts.add(document));
        counts
    }

    fn words(self) -> String {
        let Self { documents, mentions, relations } = self;
        format!(
            "{}, {} and {}",
            many(documents, "document"),
            many(mentions, "mention"),
            many(relations, "relation")
        )
    }
}

/// `1 relation`, `2 relations`.
fn many(number: usize, what: &str) -> String {
    format!("{} {what}{}", count(number as u64), if number == 1 { "" } else { "s" })
}

/// Names with how often they stand in the documents that are shown, the most frequent first, and the number of each.
#[derive(Debug, Default)]
struct Names<'d> {
    all: Vec<(Option<&'d str>, usize)>,
    numbers: HashMap<Option<&'d str>, usize>,
}

impl<'d> Names<'d> {
    fn of(names: impl Iterator<Item = Option<&'d str>>) -> Self {
        let mut counts: BTreeMap<Option<&str>, usize> = BTreeMap::new();
        names.for_each(|name| *counts.entry(name).or_default() += 1);
        let mut names: Vec<_> = counts.into_iter().collect();
        // What has no name stands last, whatever its number.
        names.sort_by_key(|(name, count)| (name.is_none(), std::cmp::Reverse(*count)));
        let numbers = names.iter().enumerate().map(|(number, (name, _))| (*name, number)).collect();
        Self { all: names, numbers }
    }

    fn number(&self, name: Option<&str>) -> usize {
        self.numbers.get(&name).copied().unwrap_or_default()
    }
}

/// What the documents on the page are told apart by.
struct Legend<'d> {
    kinds: Names<'d>,
    labels: Names<'d>,
}

impl Legend<'_> {
    /// Number of a mention's type, and the class of its colour.
    fn kind(&self, name: Option<&str>) -> (usize, String) {
        let number = self.kinds.number(name);
        (number, colour(number, name))
    }
}

/// The class of a type's colour; grey is that of mentions without a type.
fn colour(number: usize, name: Option<&str>) -> String {
    let number = if name.is_some() { number % COLOURS } else { COLOURS };
    format!("c{number}")
}

impl GraphPage {
    /// A page without documents.
    ///
    /// # Errors
    /// [`Error::Argument`] for a limit of 0 documents.
    pub fn new(options: GraphPageOptions) -> Result<Self> {
        if options.documents == 0 {
            let (name, found) = ("documents", "0".to_owned());
            return Err(Error::Argument { name, found, expected: "at least 1" });
        }
        Ok(Self { options, shown: Vec::new(), all: Counts::default() })
    }

    /// Adds a document: it is shown, or counted where the limit is reached.
    pub fn add(&mut self, document: &Document) {
        self.all.add(document);
        if self.shown.len() < self.options.documents {
            self.shown.push(document.clone());
        }
    }

    /// How many documents were added and are only counted.
    pub fn left_out(&self) -> usize {
        self.all.documents - self.shown.len()
    }

    /// The page as HTML.
    pub fn to_html(&self) -> String {
        let mentions = self.shown.iter().flat_map(Document::mentions);
        let relations = self.shown.iter().flat_map(Document::relations);
        let legend = Legend {
            kinds: Names::of(mentions.map(re_data::Mention::kind)),
            labels: Names::of(relations.map(|relation| Some(relation.label()))),
        };
        let title = shown(&self.options.title);
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="generator" content=(concat!("re-report ", env!("CARGO_PKG_VERSION")));
                    // Whatever the texts hold, nothing is fetched, sent or embedded.
                    meta http-equiv="Content-Security-Policy"
                        content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
                    title { (title) }
                    style { (PreEscaped(BASE_STYLE)) (PreEscaped(STYLE)) }
                }
                body.graphs {
                    header {
                        p.kicker { "Relation extraction" }
                        h1 { bdi { (title) } }
                        (self.extent())
                    }
                    (self.filters(&legend))
                    main id="documents" {
                        @for (number, document) in self.shown.iter().enumerate() {
                            (card::card(number + 1, document, &legend))
                        }
                    }
                    div.tip id="tip" role="tooltip" hidden {}
                    script { (PreEscaped(SCRIPT)) }
                }
            }
        };
        page.into_string()
    }

    /// Writes the page to a file, which is visible only when it is complete, or to standard output where `path` is `-`.
    ///
    /// # Errors
    /// [`Error::Data`] where it cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        Ok(files::write(path, self.to_html())?)
    }

    /// How much there is, and how much of it is on the page.
    fn extent(&self) -> Markup {
        html! {
            @if self.left_out() == 0 {
                p.lead { (self.all.words()) "." }
            } @else {
                p.lead.part {
                    strong { "The first " (count(self.shown.len() as u64)) " of " (many(self.all.documents, "document")) " are shown" }
                    ", with " (Counts::of(&self.shown).words_within()) ". There are "
                    (many(self.all.mentions, "mention")) " and " (many(self.all.relations, "relation")) " in all."
                }
            }
        }
    }

    /// What the script shows and hides by; hidden where there is no script.
    fn filters(&self, legend: &Legend<'_>) -> Markup {
        let scores = self.shown.iter().flat_map(Document::relations).filter_map(re_data::Relation::score);
        let boxes = |group: &str, title: &str, names: &Names<'_>, swatch: bool| {
            html! {
                fieldset data-group=(group) {
                    legend { (title) }
                    @if names.all.len() > 1 {
                        span.all {
                            button type="button" data-set="all" aria-label={ "All of: " (title) } { "All" }
                            button type="button" data-set="none" aria-label={ "None of: " (title) } { "None" }
                        }
                    }
                    div.choices {
                        @for (number, (name, times)) in names.all.iter().enumerate() {
                            label {
                                input type="checkbox" checked value=(number);
                                @if swatch { span class={ "swatch " (colour(number, *name)) } aria-hidden="true" {} }
                                @match name {
                                    Some(name) => { bdi lang=[language(name)] { (shown(name)) } }
                                    None => { i { "no type" } }
                                }
                                " " small { (count(*times as u64)) }
                            }
                        }
                    }
                }
            }
        };
        html! {
            section.filters id="filters" hidden aria-label="What is shown" {
                @if !legend.kinds.all.is_empty() { (boxes("kinds", "Types of mentions", &legend.kinds, true)) }
                @if !legend.labels.all.is_empty() { (boxes("labels", "Relations", &legend.labels, false)) }
            }
            div.controls id="controls" hidden {
                @if scores.count() > 0 {
                    label.slider {
                        "Probability at least "
                        input type="range" id="threshold" min="0" max="1" step="0.01" value="0";
                        output id="least" for="threshold" { "0 %" }
                    }
                }
                @if !legend.labels.all.is_empty() {
                    label { input type="checkbox" id="related"; " Only documents with relations that are shown" }
                }
                p.state id="state" role="status" {}
            }
        }
    }
}

impl Counts {
    fn words_within(self) -> String {
        format!("{} and {}", many(self.mentions, "mention"), many(self.relations, "relation"))
    }
}
