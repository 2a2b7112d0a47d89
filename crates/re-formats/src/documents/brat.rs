//! brat's standoff files: a text and its annotations.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::vec::IntoIter;

use re_data::text::quoted;
use re_data::{Document, Pair, Relation, files};

use super::raw::{RawDocument, RawMention};
use super::report::{Losses, Lost};
use super::writer::{Holds, Unfit, kind, name};
use super::{Source, plain};
use crate::error::{Error, Result};
use crate::read::place::Place;

/// What stands before an entity's id that is none of a knowledge base.
const ENTITY: &str = "entity:";

/// The texts and annotations of a folder.
pub(super) struct Brat {
    files: IntoIter<PathBuf>,
}

/// Whether annotations lie in a folder.
pub(super) fn is_there(folder: &Path) -> Result<bool> {
    Ok(files::entries(folder)?.iter().any(|path| plain::has_extension(path, "ann")))
}

impl Brat {
    pub(super) fn of_folder(folder: &Path) -> Result<Self> {
        Ok(Self { files: files::entries(folder)?.into_iter() })
    }

    /// A text with its annotations, by the name of either.
    pub(super) fn of_file(path: &Path) -> Self {
        Self { files: vec![path.with_extension("txt")].into_iter() }
    }
}

impl Source for Brat {
    fn next(&mut self) -> Result<Option<RawDocument>> {
        let Some(path) = self.files.next() else { return Ok(None) };
        let skipped = RawDocument { skipped: true, ..RawDocument::default() };
        if plain::has_extension(&path, "ann") {
            // It is read with its text.
            let text = path.with_extension("txt");
            if files::is_file(&text)? {
                return Ok(Some(skipped));
            }
            let id = plain::id_of(&path);
            let expected = format!("{} beside the annotations", text.display());
            return Err(Place::of_line(&path, 1, Some(&id)).error(None, "no text", expected));
        }
        if !plain::has_extension(&path, "txt") {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            return Ok(Some(RawDocument { unread: vec![format!("{name} in the folder")], ..skipped }));
        }
        let (id, text) = (plain::id_of(&path), plain::of_file(&path)?);
        let annotations = path.with_extension("ann");
        if !files::is_file(&annotations)? {
            return Ok(Some(RawDocument { path: Some(path), line: 1, id, text, ..RawDocument::default() }));
        }
        let lines = plain::of_file(&annotations)?;
        let (mentions, relations, unread) = Annotations::read(&lines, &text, &annotations, &id)?;
        let path = Some(annotations);
        Ok(Some(RawDocument {
            path,
            line: 1,
            id,
            text,
            mentions,
            relations,
            unread,
            ..RawDocument::default()
        }))
    }
}

/// What the lines of a file say.
struct Annotations<'l> {
    text: &'l str,
    path: &'l Path,
    id: &'l str,
    mentions: Vec<RawMention>,
    /// The mention of each annotation; `None` for one that is no mention.
    known: HashMap<&'l str, Option<usize>>,
    unread: Vec<String>,
}

type Read = (Vec<RawMention>, Vec<Relation>, Vec<String>);

impl<'l> Annotations<'l> {
    fn read(lines: &'l str, text: &'l str, path: &'l Path, id: &'l str) -> Result<Read> {
        let mut this =
            Self { text, path, id, mentions: Vec::new(), known: HashMap::new(), unread: Vec::new() };
        let lines =
            (1..).zip(lines.split('\n')).map(|(line, text)| (line, text.strip_suffix('\r').unwrap_or(text)));
        let lines: Vec<(u64, &str)> = lines.filter(|(_, text)| !text.trim().is_empty()).collect();
        // Lines may name what stands below them.
        for &(line, annotation) in &lines {
            match annotation.as_bytes().first() {
                Some(b'T') => this.mention(line, annotation)?,
                Some(b'E') => {
                    let name = annotation.split('\t').next().unwrap_or_default();
                    this.define(line, name, None)?;
                    this.unread.push("E lines (events)".to_owned());
                }
                _ => {}
            }
        }
        let mut relations = Vec::new();
        for &(line, annotation) in &lines {
            match annotation.as_bytes().first() {
                Some(b'T' | b'E') => {}
                Some(b'R') => relations.extend(this.relation(line, annotation)?),
                Some(b'N') => this.entity(line, annotation)?,
                Some(b'*' | b'A' | b'M' | b'#') => {}
                _ => {
                    let expected = "a line of brat, which begins with T, R, E, A, M, N, * or #";
                    return Err(this.place(line).error(None, quoted(annotation), expected));
                }
            }
        }
        for &(line, annotation) in &lines {
            match annotation.as_bytes().first() {
                Some(b'*') => this.same(line, annotation)?,
                Some(b'A' | b'M') => this.unread.push("A lines (attributes)".to_owned()),
                Some(b'#') => this.unread.push("# lines (notes)".to_owned()),
                _ => {}
            }
        }
        Ok((this.mentions, relations, this.unread))
    }

    fn place(&self, line: u64) -> Place<'l> {
        Place::of_line(self.path, line, Some(self.id))
    }

    fn fault(&self, line: u64, found: &str, expected: &str) -> Error {
        self.place(line).error(None, quoted(found), expected)
    }

    fn define(&mut self, line: u64, name: &'l str, mention: Option<usize>) -> Result<()> {
        match self.known.insert(name, mention) {
            None => Ok(()),
            Some(_) => Err(self.fault(line, name, "an annotation with a name of its own")),
        }
    }

    fn target(&self, line: u64, name: &str) -> Result<Option<usize>> {
        let expected = "the name of a T or E line of this file";
        self.known.get(name).copied().ok_or_else(|| self.fault(line, name, expected))
    }

    fn mention(&mut self, line: u64, annotation: &'l str) -> Result<()> {
        let expected = "T1, a tab, TYPE START END, a tab and the text there";
        let mut fields = annotation.splitn(3, '\t');
        let (name, body) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        let surface = fields.next().map(str::to_owned);
        let parsed = body.split_once(' ').and_then(|(kind, offsets)| {
            let fragment = |offsets: &str| {
                let (start, end) = offsets.trim().split_once(' ')?;
                Some([start.parse().ok()?, end.trim_start().parse().ok()?])
            };
            let fragments: Option<Vec<[usize; 2]>> = offsets.split(';').map(fragment).collect();
            Some((kind, fragments?))
        });
        let Some((kind, fragments)) = parsed else { return Err(self.fault(line, annotation, expected)) };
        let (Some(&[start, _]), Some(&[_, end])) = (fragments.first(), fragments.last()) else {
            return Err(self.fault(line, annotation, expected));
        };
        let gaps = fragments.windows(2).all(|pair| match pair {
            &[[_, before], [after, _]] => self.is_space(before, after),
            _ => true,
        });
        if !gaps {
            self.unread.push("T lines with gaps (discontinuous mentions)".to_owned());
            return self.define(line, name, None);
        }
        self.define(line, name, Some(self.mentions.len()))?;
        // With fragments, a space stands for whatever was between them.
        let surface = surface.filter(|_| fragments.len() == 1);
        let (chars, kind) = ([start, end], Some(kind.to_owned()));
        self.mentions.push(RawMention { chars, surface, kind, line: Some(line), ..RawMention::default() });
        Ok(())
    }

    fn is_space(&self, start: usize, end: usize) -> bool {
        let between = self.text.chars().skip(start).take(end.saturating_sub(start));
        start <= end && between.into_iter().all(char::is_whitespace)
    }

    fn relation(&mut self, line: u64, annotation: &str) -> Result<Option<Relation>> {
        let expected = "R1, a tab, LABEL Arg1:T1 Arg2:T2";
        let body = annotation.split('\t').nth(1).unwrap_or_default();
        let parts: Vec<&str> = body.split(' ').filter(|part| !part.is_empty()).collect();
        let &[label, subject, object] = parts.as_slice() else {
            return Err(self.fault(line, annotation, expected));
        };
        let mut ends = [None; 2];
        for (end, (argument, usual)) in ends.iter_mut().zip([(subject, "Arg1"), (object, "Arg2")]) {
            let Some((role, name)) = argument.split_once(':') else {
                return Err(self.fault(line, annotation, expected));
            };
            if role != usual {
                self.unread.push(format!("the role {role} of relations"));
            }
            *end = self.target(line, name)?;
        }
        let [Some(subject), Some(object)] = ends else {
            self.unread.push("R lines of events or discontinuous mentions".to_owned());
            return Ok(None);
        };
        if subject == object {
            return Err(self.fault(line, annotation, "a relation of two mentions"));
        }
        Ok(Some(Relation::new(Pair { subject, object }, label)))
    }

    /// What a mention names, by its id in a knowledge base.
    fn entity(&mut self, line: u64, annotation: &str) -> Result<()> {
        let expected = "N1, a tab, Reference T1 BASE:ID";
        let body = annotation.split('\t').nth(1).unwrap_or_default();
        let parts: Vec<&str> = body.split(' ').filter(|part| !part.is_empty()).collect();
        let &[_, name, id] = parts.as_slice() else { return Err(self.fault(line, annotation, expected)) };
        let id = id.strip_prefix(ENTITY).unwrap_or(id);
        let target = self.target(line, name)?;
        match target.and_then(|mention| self.mentions.get_mut(mention)) {
            Some(mention) if mention.entity.is_none() => mention.entity = Some(id.to_owned()),
            _ => self.unread.push("N lines of events, or second ones of a mention".to_owned()),
        }
        Ok(())
    }

    /// Mentions of the same entity, where it has no id.
    fn same(&mut self, line: u64, annotation: &str) -> Result<()> {
        let body = annotation.split('\t').nth(1).unwrap_or_default();
        let mut names = body.split(' ').filter(|part| !part.is_empty());
        if names.next() != Some("Equiv") {
            self.unread.push("* lines that are no Equiv".to_owned());
            return Ok(());
        }
        let names: Vec<&str> = names.collect();
        let targets = names.iter().map(|name| self.target(line, name)).collect::<Result<Vec<_>>>()?;
        let free = |mention: &Option<usize>| {
            mention
                .and_then(|mention| self.mentions.get(mention))
                .is_some_and(|mention| mention.entity.is_none())
        };
        if !targets.iter().all(free) {
            self.unread.push("Equiv lines of events, or of mentions with an entity".to_owned());
            return Ok(());
        }
        for mention in targets.into_iter().flatten() {
            if let Some(mention) = self.mentions.get_mut(mention) {
                mention.entity = names.first().map(|&name| name.to_owned());
            }
        }
        Ok(())
    }
}

pub(super) fn text(document: &Document, losses: &mut Losses) -> Result<String, Unfit> {
    Holds { mentions: true, entities: true, relations: true, ..Holds::default() }.count(document, losses);
    plain::check_mark(document.text())?;
    Ok(document.text().to_owned())
}

pub(super) fn annotations(document: &Document, losses: &mut Losses) -> String {
    let unfit = |c: char| c.is_whitespace() || c.is_control();
    let mut lines = String::new();
    for (number, mention) in document.mentions().iter().enumerate() {
        let kind = name(kind(mention, losses), unfit, losses);
        let (offsets, surface) = fragments(mention.span().start(), document.surface(number));
        lines.push_str(&format!("T{}\t{kind} {offsets}\t{surface}\n", number + 1));
    }
    for (number, relation) in document.relations().iter().enumerate() {
        let label = name(relation.label(), unfit, losses);
        let Pair { subject, object } = relation.pair();
        lines.push_str(&format!("R{}\t{label} Arg1:T{} Arg2:T{}\n", number + 1, subject + 1, object + 1));
    }
    for (number, mention) in document.mentions().iter().enumerate() {
        let Some(entity) = mention.entity() else { continue };
        if entity.contains(unfit) {
            losses.add(Lost::Entity, 1);
            continue;
        }
        let based = entity.find(':').is_some_and(|at| at > 0) && !entity.starts_with(ENTITY);
        let base = if based { "" } else { ENTITY };
        let (number, surface) = (number + 1, one_line(document.surface(number)));
        lines.push_str(&format!("N{number}\tReference T{number} {base}{entity}\t{surface}\n"));
    }
    lines
}

/// Offsets and text of a mention; brat has a fragment for each of its lines.
fn fragments(start: usize, surface: &str) -> (String, String) {
    let length = surface.chars().count();
    if surface.starts_with('\n') || surface.ends_with('\n') || !surface.contains('\n') {
        return (format!("{start} {}", start + length), one_line(surface));
    }
    let (mut at, mut offsets, mut lines) = (start, Vec::new(), Vec::new());
    for line in surface.split('\n') {
        let end = at + line.chars().count();
        if end > at {
            offsets.push(format!("{at} {end}"));
            lines.push(one_line(line));
        }
        at = end + 1;
    }
    (offsets.join(";"), lines.join(" "))
}

fn one_line(text: &str) -> String {
    text.replace(|c: char| c.is_whitespace() || c.is_control(), " ")
}
