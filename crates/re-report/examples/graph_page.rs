//! `cargo run --package re-report --example graph_page -- PAGE.html DOCUMENTS [LIMIT]`: documents as a page, without libtorch.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use re_formats::documents::{DocumentReadOptions, DocumentReader};
use re_report::{GraphPage, GraphPageOptions};

fn main() -> ExitCode {
    page().map_or_else(
        |error| {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

fn page() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (output, input, limit) = match arguments.as_slice() {
        [output, input] => (output, input, None),
        [output, input, limit] => (output, input, Some(limit.parse().context("LIMIT is no number")?)),
        _ => bail!("expected PAGE.html DOCUMENTS [LIMIT]"),
    };
    let mut options = GraphPageOptions::default();
    if let Some(limit) = limit {
        options.documents = limit;
    }
    let mut page = GraphPage::new(options)?;
    for document in DocumentReader::open(input, &DocumentReadOptions::default())? {
        page.add(&document?);
    }
    if page.left_out() > 0 {
        eprintln!("note: {} documents are counted and not shown", page.left_out());
    }
    page.write(output)?;
    Ok(())
}
