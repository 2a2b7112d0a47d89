//! `re types`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use re_extract::types::{FoundType, entity_types};
use re_formats::write::EntityTypesWriter;

use crate::cleanup::Output;
use crate::data::{DataArgs, LeftOut, folder, model_first};
use crate::exit::about;
use crate::extraction::TaggingArgs;
use crate::model::ComputeArgs;
use crate::verbosity::Verbosity;

/// Rows that are in memory at a time.
const CHUNK: usize = 1024;

/// Give the entities of rows types, by a tagger
///
/// An entity has the type of the mention that the tagger finds at its place or, where it finds none just there, of the one
/// that shares most characters with it; `O` where it finds none at all. The file has an id and two types a line, separated by
/// tabs: --entity-types of other commands and `data.entity_types` of settings read it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  re types runs/tagger train.tsv --output entity_types.tsv
  re train typed.toml --set data.train=train.tsv --set data.entity_types=entity_types.tsv
  re types runs/tagger new.tsv --output types.tsv && re predict runs/typed new.tsv --entity-types types.tsv")]
pub struct Types {
    /// Folder of a token classifier, or of its run
    #[arg(value_parser = folder())]
    tagger: PathBuf,
    /// Files of rows; `-` is standard input
    #[arg(required = true)]
    rows: Vec<PathBuf>,
    /// File for the types; `-` is standard output
    #[arg(short, long, value_name = "FILE", default_value = "-", help_heading = "Writing the result")]
    output: PathBuf,
    #[command(flatten)]
    tagging: TaggingArgs,
    #[command(flatten)]
    compute: ComputeArgs,
    #[command(flatten)]
    data: DataArgs,
}

/// Entities by what the tagger says of them.
#[derive(Default)]
struct Counts {
    exact: usize,
    overlapping: usize,
    untyped: usize,
}

impl Types {
    pub fn run(self, verbosity: Verbosity) -> Result<()> {
        for rows in &self.rows {
            model_first(&self.tagger, rows)?;
        }
        self.data.check(self.rows.iter().map(PathBuf::as_path), [self.output.as_path()])?;
        let tagger = self.tagging.load(&self.tagger, &self.compute, verbosity)?;
        let mut writer = EntityTypesWriter::new(Output::create(&self.output)?, &self.output);
        let mut counts = Counts::default();
        for path in &self.rows {
            let (mut rows, mut progress) = self.data.open(path, &self.output, verbosity)?;
            rows.want_unique_ids();
            let mut left_out = LeftOut::default();
            loop {
                let chunk = re_data::stream::chunk(&mut rows, CHUNK)?;
                if chunk.is_empty() {
                    break;
                }
                let found = entity_types(&*tagger, &chunk).map_err(|error| about(&self.tagger, error))?;
                for (row, types) in chunk.iter().zip(found) {
                    match types {
                        Ok(types) => {
                            types.iter().for_each(|found| counts.add(found.as_ref()));
                            let kinds = types.each_ref().map(|found| Some(found.as_ref()?.kind.as_str()));
                            writer.write(row.id(), kinds)?;
                        }
                        Err(error) if self.data.lenient => left_out.add(&error),
                        Err(error) => return Err(about(path, error)),
                    }
                }
                progress.advance(chunk.len());
            }
            progress.finish();
            rows.print_notes(path, verbosity);
            left_out.print_notes(path, verbosity);
        }
        writer.finish()?.commit()?;
        let Counts { exact, overlapping, untyped } = counts;
        verbosity.note(format!(
            "{} entities: {exact} are mentions of the tagger, {overlapping} overlap one, {untyped} have no type",
            exact + overlapping + untyped
        ));
        Ok(())
    }
}

impl Counts {
    fn add(&mut self, found: Option<&FoundType>) {
        match found {
            Some(FoundType { is_exact: true, .. }) => self.exact += 1,
            Some(_) => self.overlapping += 1,
            None => self.untyped += 1,
        }
    }
}
