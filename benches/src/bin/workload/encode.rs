//! Workload A.

use std::time::Instant;

use anyhow::Result;
use clap::Args;
use re_benches::Bare;

use crate::inputs::{Inputs, Report, report};

#[derive(Debug, Args)]
pub struct Encode {
    #[command(flatten)]
    inputs: Inputs,
    /// Have the plain `tokenizers` crate tokenize the same strings, without looking for entities
    #[arg(long)]
    bare: bool,
}

impl Encode {
    pub fn run(&self) -> Result<Report> {
        let examples = self.inputs.data.read()?;
        let encoder = self.inputs.encoder()?;
        let mut seconds = Vec::new();
        let mut tokens = 0;
        if self.bare {
            let bare = Bare::new(&encoder)?;
            for _ in 0..2 {
                let strings = bare.strings(&encoder, &examples)?;
                let began = Instant::now();
                let rows = bare.encode(strings)?;
                seconds.push(began.elapsed().as_secs_f64());
                tokens = rows.iter().map(tokenizers::Encoding::len).sum();
            }
        } else {
            // The second pass finds every word in memory.
            for _ in 0..2 {
                let began = Instant::now();
                let (rows, counts) = encoder.encode_batch(&examples)?;
                seconds.push(began.elapsed().as_secs_f64());
                tokens = counts.tokens;
                drop(rows);
            }
        }
        let mut report = report("encode", examples.len());
        report.insert("tokens".to_owned(), tokens.into());
        let bytes: usize = examples.iter().map(|example| example.text().len()).sum();
        report.insert("bytes".to_owned(), bytes.into());
        report.insert("seconds".to_owned(), seconds.first().copied().into());
        report.insert("seconds_warm".to_owned(), seconds.last().copied().into());
        Ok(report)
    }
}
