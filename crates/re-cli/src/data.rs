//! Flags for reading rows.

use std::collections::HashSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use clap::builder::{PathBufValueParser, PossibleValuesParser, TypedValueParser};
use re_data::error::with_causes;
use re_data::random::fnv1a;
use re_data::text::brief;
use re_data::{RelationExample, RowError, files};
use re_formats::read::{EntityTypes, ExampleReader, Format, ReadOptions, ReadReport};

use crate::exit::Usage;
use crate::progress::Progress;
use crate::verbosity::Verbosity;

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Reading rows")]
pub struct DataArgs {
    /// Layout of the rows [default: from the file's name, else from its content]
    #[arg(long, value_name = "FORMAT", value_parser = formats())]
    pub format: Option<Format>,
    /// Types of the entities: a file of row id and two types, tab-separated
    #[arg(long, value_name = "FILE")]
    pub entity_types: Option<PathBuf>,
    /// Leave malformed rows out and report them, instead of stopping at the first one
    #[arg(long)]
    pub lenient: bool,
}

/// Every layout by its name.
pub fn formats() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(Format::ALL.map(Format::name)).try_map(|name| name.parse::<Format>())
}

/// Where a file lies, whatever the name that leads there; `None` for standard output, devices and what is not there.
fn there(path: &Path) -> Result<Option<PathBuf>> {
    let there = if path == Path::new("-") { None } else { files::canonical(path)? };
    Ok(match there {
        Some(there) if files::is_file(&there)? => Some(there),
        _ => None,
    })
}

/// The same, or where a file would lie.
fn place(path: &Path) -> Result<Option<PathBuf>> {
    if path == Path::new("-") || files::exists(path)? {
        return there(path);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = files::canonical(folder)?;
    Ok(folder.zip(path.file_name()).map(|(folder, name)| folder.join(name)))
}

/// An argument that is a folder, which `-` never stands for.
pub fn folder() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| match path.to_str() {
        Some("-") => Err("expected a folder, not standard input or output (a folder of this name is ./-)"),
        _ => Ok(path),
    })
}

/// Makes sure that the model and the rows of a command line are not in each other's place.
pub fn model_first(model: &Path, rows: &Path) -> Result<()> {
    if files::is_file(model)? && files::is_dir(rows)? {
        let text = format!(
            "{} is a file and {} a folder: the model comes first, then the rows",
            model.display(),
            rows.display()
        );
        return Err(Usage(text).into());
    }
    Ok(())
}

/// Makes sure that standard input is read once, that no two outputs are the same file, and that no input is an output, whose
/// file would be lost.
pub fn check<'p>(
    inputs: impl IntoIterator<Item = &'p Path>,
    outputs: impl IntoIterator<Item = &'p Path>,
) -> Result<()> {
    let inputs: Vec<&Path> = inputs.into_iter().collect();
    let outputs: Vec<&Path> = outputs.into_iter().collect();
    let standard = Path::new("-");
    if inputs.iter().filter(|input| **input == standard).count() > 1 {
        return Err(Usage("only one file can be standard input".to_owned()).into());
    }
    if let [first, second] = outputs.as_slice()
        && (first == second || (place(first)?.is_some() && place(first)? == place(second)?))
    {
        let text = format!("{}: two outputs cannot be the same file", first.display());
        return Err(Usage(text).into());
    }
    let written = outputs.into_iter().map(there).collect::<Result<Vec<_>>>()?;
    for input in inputs {
        let read = there(input)?;
        if read.is_some() && written.contains(&read) {
            return Err(Usage(format!("{}: the output is the input", input.display())).into());
        }
    }
    Ok(())
}

impl DataArgs {
    /// [`check`], where the file of types is an input, too.
    pub fn check<'p>(
        &'p self,
        inputs: impl IntoIterator<Item = &'p Path>,
        outputs: impl IntoIterator<Item = &'p Path>,
    ) -> Result<()> {
        check(inputs.into_iter().chain(self.entity_types.as_deref()), outputs)
    }

    /// Opens a file of rows, with a progress display that keeps out of `output`.
    pub fn open(&self, path: &Path, output: &Path, verbosity: Verbosity) -> Result<(Rows, Progress)> {
        let (progress, input) = Progress::open(path, output, verbosity)?;
        Ok((self.rows(input, path)?, progress))
    }

    /// The rows of an input that is open.
    pub fn rows(&self, input: impl Read + Send + 'static, path: &Path) -> Result<Rows> {
        let options = ReadOptions { format: self.format, lenient: self.lenient, ..ReadOptions::default() };
        let reader = ExampleReader::new(input, path, &options)?;
        let types = self.entity_types.as_ref().map(EntityTypes::open).transpose()?;
        let types_count = self.entity_types.is_some();
        let repeated = Repeated::default();
        Ok(Rows { reader, types, untyped: 0, types_count, ids: None, repeated, ended: false })
    }

    /// Reads all rows of a file, and says what was met.
    pub fn read(&self, path: &Path, verbosity: Verbosity) -> Result<AllRows> {
        let (rows, progress) = self.open(path, Path::new(""), verbosity)?;
        let (examples, rows) = rows.read(progress)?;
        rows.print_notes(path, verbosity);
        Ok(AllRows { examples, format: rows.format() })
    }
}

/// All rows of a file.
pub struct AllRows {
    pub examples: Vec<RelationExample>,
    pub format: Format,
}

/// The rows of a file, one after the other.
pub struct Rows {
    reader: ExampleReader<'static>,
    types: Option<EntityTypes>,
    untyped: usize,
    types_count: bool,
    /// Hashes of the ids so far, where repeated ones matter: two of ten million ids have the same one with a probability
    /// of 3 in a million.
    ids: Option<HashSet<u64>>,
    repeated: Repeated,
    /// Whether it was said that no row is left.
    ended: bool,
}

/// Rows whose id has stood before.
#[derive(Default)]
struct Repeated {
    count: usize,
    first: Option<String>,
}

impl Iterator for Rows {
    type Item = re_formats::Result<RelationExample>;

    fn next(&mut self) -> Option<Self::Item> {
        let example = match self.reader.next() {
            Some(Ok(example)) => example,
            None => return self.nothing_left().map(Err),
            fault => return fault,
        };
        let example = match self.types.as_ref().and_then(|types| types.get(example.id())) {
            Some(types) => example.with_entity_types(types.clone()),
            None => example,
        };
        if let Some(ids) = &mut self.ids
            && !ids.insert(fnv1a(example.id().as_bytes()))
        {
            self.repeated.count += 1;
            self.repeated.first.get_or_insert_with(|| brief(example.id()));
        }
        self.untyped += usize::from(example.entities().iter().any(|entity| entity.kind().is_none()));
        Some(Ok(example))
    }
}

impl Rows {
    /// All rows, and what was met.
    pub fn read(mut self, mut progress: Progress) -> Result<(Vec<RelationExample>, Self)> {
        let counted = self.by_ref().inspect(|row| progress.advance(usize::from(row.is_ok())));
        let examples = counted.collect::<re_formats::Result<_>>();
        progress.finish();
        Ok((examples?, self))
    }

    /// The first fault, once, of a file of which every record was left out: it is of another kind than was thought.
    fn nothing_left(&mut self) -> Option<re_formats::Error> {
        let report = self.reader.report();
        let first = report.rejected.first.first().filter(|_| report.rows == 0)?;
        if std::mem::replace(&mut self.ended, true) {
            return None;
        }
        let mut fault = first.clone();
        fault.expected += &format!("; all {} records are malformed, and none is left", report.rejected.count);
        Some(re_formats::Error::Record(Box::new(fault)))
    }

    /// What was met so far.
    pub fn report(&self) -> &ReadReport {
        self.reader.report()
    }

    /// The layout that is read.
    pub fn format(&self) -> Format {
        self.reader.format()
    }

    /// Says what was met while reading, where that is worth knowing.
    pub fn print_notes(&self, path: &Path, verbosity: Verbosity) {
        let report = self.report();
        let text = format!("{}: {report}", path.display());
        if report.rows == 0 || report.repaired.count + report.rejected.count > 0 || self.hides_a_label() {
            verbosity.note(text);
        } else {
            verbosity.detail(text);
        }
        for fault in &report.rejected.first {
            verbosity.detail(format!("left out: {fault}"));
        }
        if let Some(first) = &self.repeated.first {
            let (path, count) = (path.display(), self.repeated.count);
            verbosity.note(format!("{path}: {count} rows have duplicate ids, the first: {first}"));
        }
        self.print_type_notes(path, verbosity);
    }

    /// Whether a word that stands for no label may be meant as one. A file in the competition's layout that has it on all
    /// rows is a test file.
    fn hides_a_label(&self) -> bool {
        let ReadReport { rows, blind, .. } = self.report();
        blind.count > 0 && (blind.count < *rows || self.reader.format() != Format::CompetitionTsv)
    }

    /// Repeated ids are reported.
    pub fn want_unique_ids(&mut self) {
        self.ids = Some(HashSet::new());
    }

    /// Where types matter, although no file of them was given, rows without are reported.
    pub fn want_types(&mut self, matter: bool) {
        self.types_count |= matter;
    }

    /// Says how many rows have no types, where types matter.
    pub fn print_type_notes(&self, path: &Path, verbosity: Verbosity) {
        if self.types_count && self.untyped > 0 {
            verbosity.note(format!("{}: {} rows without entity types", path.display(), self.untyped));
        }
    }
}

/// Rows that a model cannot answer.
#[derive(Default)]
pub struct LeftOut {
    count: usize,
    first: Option<String>,
}

impl LeftOut {
    pub fn add(&mut self, error: &RowError) {
        self.count += 1;
        self.first.get_or_insert_with(|| with_causes(error));
    }

    pub fn print_notes(&self, input: &Path, verbosity: Verbosity) {
        if let Some(first) = &self.first {
            verbosity.note(format!("{}: {} rows left out, the first: {first}", input.display(), self.count));
        }
    }
}
