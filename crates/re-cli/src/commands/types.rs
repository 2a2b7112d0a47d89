//! `re types`.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use re_data::error::with_causes;
use re_extract::types::entity_types;
use re_formats::write::EntityTypesWriter;

use crate::cleanup::Output;
use crate::data::{DataArgs, folder, model_first};
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
        let tagger = self.tagging.load(&self.tagger, &self.compute.settings(), verbosity)?;
        let mut writer = EntityTypesWriter::new(Output::create(&self.output)?, &self.output);
        let (mut counts, mut failed) = (Counts::default(), 0);
        for path in &self.rows {
            let (mut rows, mut progress) = self.data.open(path, &self.output, verbosity)?;
            rows.want_unique_ids();
            loop {
                let chunk = re_data::stream::chunk(&mut rows, CHUNK)?;
                if chunk.is_empty() {
                    break;
                }
                for (row, types) in chunk.iter().zip(entity_types(&tagger, &chunk)?) {
                    match types {
                        Ok(types) => {
                            types
                                .iter()
                                .for_each(|found| counts.add(found.as_ref().map(|found| found.is_exact)));
                            let [subject, object] = &types;
                            let kinds = [subject, object]
                                .map(|found| found.as_ref().map(|found| found.kind.as_str()));
                            writer.write(row.id(), kinds)?;
                        }
                        Err(error) if self.data.lenient => {
                            failed += 1;
                            verbosity.note(format!("{}: left out: {}", path.display(), with_causes(&error)));
                        }
                        Err(error) => bail!("{}: {}", path.display(), with_causes(&error)),
                    }
                }
                progress.advance(chunk.len());
            }
            progress.finish();
            rows.print_notes(path, verbosity);
        }
        writer.finish()?.commit()?;
        let Counts { exact, overlapping, untyped } = counts;
        let left_out = if failed > 0 { format!("; {failed} rows left out") } else { String::new() };
        verbosity.note(format!(
            "{} entities: {exact} are mentions of the tagger, {overlapping} overlap one, {untyped} have no type{left_out}",
            exact + overlapping + untyped
        ));
        Ok(())
    }
}

impl Counts {
    fn add(&mut self, is_exact: Option<bool>) {
        match is_exact {
            Some(true) => self.exact += 1,
            Some(false) => self.overlapping += 1,
            None => self.untyped += 1,
        }
    }
}
