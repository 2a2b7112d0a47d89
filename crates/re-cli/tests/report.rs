//! `re report`.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::*;

#[test]
fn runs_become_a_page() {
    let folder = Folder::new();
    let (run, page) = (trained().path("run"), folder.path("report.html"));
    assert_eq!(
        output(&["report", &run, "--output", &page, "--title", "A <small> run", "--resamples", "20"]),
        ""
    );
    let html = folder.read("report.html");
    assert!(html.starts_with("<!DOCTYPE html>") && html.contains("A &lt;small&gt; run"), "{html}");
    assert_eq!(
        output(&["report", &run, "--output", "-", "--title", "A <small> run", "--resamples", "20"]),
        html
    );
    let both = output(&["report", &run, &run, "--output", "-", "--resamples", "20"]);
    assert!(both.contains(&format!("{run} and {run}")) && both.contains("Significance"), "{both}");
}

#[test]
fn what_a_run_lacks_is_told() {
    let run = trained().path("run");
    let text = error(1, &["report", &run, "--output", "-", "--rows", "holdout"]);
    assert!(text.contains("holdout_probabilities.csv"), "{text}");
    assert!(error(2, &["report", &run, "--rows", "some"]).contains("validation, out-of-fold, holdout, test"));
    assert!(
        error(1, &["report", &run, "--output", "/absent/page.html"])
            .contains("/absent/page.html: access failed: No such file")
    );
    let text = error(1, &["report", &trained().path(""), "--output", "-"]);
    assert!(text.starts_with("error: "), "{text}");
}
