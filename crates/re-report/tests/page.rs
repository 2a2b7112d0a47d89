//! The page on one run and on several.

#![allow(clippy::unwrap_used, reason = "tests may fail so")]

mod common;

use common::{LABELS, ROWS, Runs, predictions, probabilities, put};
use re_report::{Report, ReportOptions, RowSet};
use scraper::{Html, Selector};

fn page(report: &Report) -> Html {
    let text = report.to_html();
    let page = Html::parse_document(&text);
    assert!(page.errors.is_empty(), "{:?}", page.errors);
    let attributes = ["src", "srcset", "data", "action", "background", "poster"];
    for element in page.tree.values().filter_map(scraper::Node::as_element) {
        assert!(!["script", "link", "iframe", "object", "img"].contains(&element.name()), "{element:?}");
        assert!(
            element.attrs().all(|(name, _)| !attributes.contains(&name) && !name.starts_with("on")),
            "{element:?}"
        );
        assert!(element.attr("href").is_none_or(|href| href.starts_with('#')), "{element:?}");
    }
    assert!(!text.contains("NaN") && !text.contains("url("));
    page
}

fn texts(page: &Html, selector: &str) -> Vec<String> {
    let selector = Selector::parse(selector).unwrap();
    page.select(&selector).map(|element| element.text().collect::<String>()).collect()
}

fn new(runs: &[impl AsRef<std::path::Path>]) -> Report {
    Report::new(runs, &ReportOptions::default()).unwrap()
}

#[test]
fn one_run_shows_all_its_sides() {
    let runs = Runs::new();
    let report = new(&[runs.add("a", 7, |row| row % 5 == 0)]);
    assert_eq!(report.notes(), Vec::<String>::new());
    let page = page(&report);
    assert_eq!(texts(&page, "h1"), ["a"]);
    assert_eq!(texts(&page, "h2"), ["Overview", "Learning curves", "Predictions", "Settings"]);
    assert_eq!(
        texts(&page, "h3"),
        ["By label", "Most frequent mistakes", "Confusion matrix", "Most confident errors"]
    );
    // 24 of 30 rows are right.
    let figures = texts(&page, ".figures dd").concat();
    assert!(figures.contains("80.00"), "{figures}");
    // The loss is what the run itself says, not that of these probabilities.
    assert!(figures.contains("0.500cross entropy"), "{figures}");
    assert_eq!(texts(&page, ".panels figcaption").len(), 6);
    assert_eq!(texts(&page, ".dot.best title").len(), 4);
    assert_eq!(
        texts(&page, ".columns figcaption"),
        ["Confidence and accuracy", "Risk and coverage, %", "Accuracy by sentence length, %"]
    );
    assert_eq!(texts(&page, ".labels tbody th"), LABELS);
    assert_eq!(texts(&page, ".confusion tbody tr").len(), 3);
    assert!(texts(&page, ".settings").concat().contains("training.learning_rate1e-5"));
    // 0, 5, .., 25 are wrong; the later a row, the surer the answer.
    let ids = texts(&page, ".sentences .id");
    assert_eq!(ids, ["row-25", "row-20", "row-15", "row-10", "row-5", "row-0"]);
}

#[test]
fn no_relation_is_left_out_only_where_a_label_says_it() {
    let runs = Runs::new();
    let run = runs.add("a", 7, |_| false);
    let shown = |options: &ReportOptions| {
        let report = Report::new(&[&run], options).unwrap();
        texts(&page(&report), ".figures dd").concat()
    };
    let left_out = || shown(&ReportOptions::default()).contains("without 관계_없음, because of its name");
    assert!(left_out());
    // The settings of the run say it, and the caller has the last word.
    let config = std::fs::read_to_string(run.join("config.toml")).unwrap();
    let named = config.replace("[data]\n", "[data]\nno_relation = \"인물:배우자\"\n");
    std::fs::write(run.join("config.toml"), named).unwrap();
    assert!(shown(&ReportOptions::default()).contains("without 인물:배우자"));
    let none = ReportOptions { no_relation: Some("".into()), ..ReportOptions::default() };
    assert!(!shown(&none).contains("without"));
    std::fs::write(run.join("config.toml"), config).unwrap();
    for path in [runs.gold(), run.join("validation_probabilities.csv")] {
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, text.replace(LABELS[0], "인물:동료")).unwrap();
    }
    assert!(!left_out());
}

#[test]
fn text_from_data_is_never_markup() {
    let runs = Runs::new();
    let run = runs.add("<i>run", 7, |row| row % 5 == 0);
    let page = page(&new(&[run]));
    assert_eq!(texts(&page, "h1"), ["<i>run"]);
    assert!(texts(&page, ".sentence")[0].starts_with("<script>alert(25)</script> 가나와 다라 & 마바"));
    assert_eq!(texts(&page, ".sentence mark.subject")[0], "가나");
    assert_eq!(texts(&page, ".sentence mark.object")[0], "다라");
    assert!(texts(&page, "td, th").contains(&LABELS[1].to_owned()));
}

#[test]
fn overlapping_entities_are_marked_both() {
    use re_data::{ByteSpan, Entity, RelationExample};
    let runs = Runs::new();
    let run = runs.add("a", 7, |row| row == 0);
    let mut examples = common::examples();
    let entity = |from, len| Entity::new(ByteSpan::with_len(from, len));
    let text = "가나다라마";
    examples[0] =
        RelationExample::new("row-0", text, [entity(0, 9), entity(6, 6)]).unwrap().with_label(LABELS[0]);
    re_formats::write::examples(runs.gold(), re_formats::read::Format::CompetitionTsv, &examples).unwrap();
    let page = page(&new(&[run]));
    assert_eq!(texts(&page, ".sentence"), [text]);
    assert_eq!(texts(&page, ".sentence mark"), ["가나", "다", "라"]);
    assert_eq!(texts(&page, ".sentence mark.subject.object"), ["다"]);
}

#[test]
fn several_runs_are_compared() {
    let runs = Runs::new();
    let [a, b] = [runs.add("a", 7, |row| row % 2 == 0), runs.add("b", 8, |row| row % 10 == 1)];
    let page = page(&new(&[&a, &b]));
    assert_eq!(texts(&page, "h2"), ["Overview", "Learning curves", "Comparison", "a", "b", "Settings"]);
    let row = texts(&page, "#comparison tbody tr.significant td");
    // Rows, A, B, difference; then only A right in rows 1, 11 and 21, only B in the 15 even ones.
    assert_eq!(row[..4], ["30", "50.00", "90.00", "−40.00"]);
    assert_eq!(row[5..8], ["3", "15", "60.00"]);
    // Two-sided binomial: 2 * (1 + 18 + 153 + 816) / 2^18.
    assert_eq!(row[8], "0.008");
    let differing: Vec<String> = texts(&page, "#comparison .settings tbody th");
    assert_eq!(differing, ["training.seed"]);
    assert!(texts(&page, "#comparison .remark").concat().contains("On 18 of the 30 rows"));
    assert_eq!(texts(&page, "#comparison .sentences > li").len(), 18);
    assert_eq!(texts(&page, ".legend li").len(), 2);
}

#[test]
fn three_runs_have_adjusted_p_values_and_the_order_of_rows_does_not_matter() {
    let runs = Runs::new();
    let folders: Vec<_> = [(1, "a"), (2, "b"), (3, "c")]
        .map(|(every, name)| runs.add(name, 7, |row| row % 4 < every))
        .into_iter()
        .collect();
    let path = folders[1].join("validation_probabilities.csv");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines[1..].reverse();
    std::fs::write(&path, lines.join("\n")).unwrap();
    let page = page(&new(&folders));
    let head = texts(&page, "#comparison thead th");
    assert!(head.contains(&"p, Holm".to_owned()), "{head:?}");
    let accuracies = texts(&page, "#overview td strong");
    assert_eq!(accuracies, ["73.33", "46.67", "23.33"]);
    // Wrong in 8, 16 and 23 rows, each in those of the one before too: p is 2 / 2^8, 2 / 2^15 and 2 / 2^7.
    let cells = texts(&page, "#comparison tbody tr.significant td");
    let pairs: Vec<&[String]> = cells.chunks(10).map(|row| &row[5..]).collect();
    let expected = [
        ["8", "0", "26.67", "0.008", "0.016"],
        ["15", "0", "50.00", "< 0.001", "< 0.001"],
        ["7", "0", "23.33", "0.016", "0.016"],
    ];
    assert_eq!(pairs, expected);
}

#[test]
fn runs_without_common_rows_or_labels_are_said_to_be_apart() {
    let runs = Runs::new();
    let [a, b] = [runs.add("a", 7, |_| false), runs.add("b", 7, |_| false)];
    // The same ids, other texts.
    let other: Vec<_> = common::examples()
        .into_iter()
        .map(|e| {
            let [x, y] = e.entities().clone();
            re_data::RelationExample::new(e.id(), format!("{}.", e.text()), [x, y])
                .unwrap()
                .with_label(e.label().unwrap())
        })
        .collect();
    let path = runs.path().join("other.tsv");
    re_formats::write::examples(&path, re_formats::read::Format::CompetitionTsv, &other).unwrap();
    put(&b, "config.toml", &common::config(&path, 7));
    let report = new(&[&a, &b]);
    let text = texts(&page(&report), "#comparison .remark").concat();
    assert!(text.contains("a and b are not compared: they have no row in common."), "{text}");
}

#[test]
fn a_composed_run_is_compared_with_its_parts() {
    let runs = Runs::new();
    let whole = runs.add("vote", 7, |row| row % 10 == 0);
    std::fs::remove_file(whole.join("metrics.jsonl")).unwrap();
    for (name, every) in [("vote/m-10", 3), ("vote/m-9", 2)] {
        runs.add(name, 7, |row| row % every == 0);
    }
    std::fs::create_dir(whole.join("checkpoint-20")).unwrap();
    // The last vote is what the whole predicts; its folder has the predictions alone.
    std::fs::create_dir(whole.join("vote")).unwrap();
    let file = "validation_probabilities.csv";
    std::fs::copy(whole.join(file), whole.join("vote").join(file)).unwrap();
    let evaluation = common::evaluation(&probabilities(|row| row % 3 == 0));
    let mut summary = common::summary(&evaluation);
    summary["parts"] = serde_json::json!([{"name": "member <1>", "evaluation": evaluation}]);
    summary["notes"] = serde_json::json!(["12 rows & more"]);
    put(&whole, "summary.json", &summary.to_string());
    let report = new(&[whole]);
    let page = page(&report);
    assert_eq!(texts(&page, ".legend li"), ["m-9", "m-10"]);
    assert_eq!(texts(&page, "#overview .part th"), ["member <1>"]);
    assert!(texts(&page, "#overview .remark").concat().contains("12 rows & more"));
    let pairs = texts(&page, "#comparison h3 + .scroll tbody tr th:not([lang])");
    assert_eq!(pairs, ["vote", "m-9", "vote", "m-10", "m-9", "m-10"]);
    // The summary contradicts the predictions.
    assert!(report.notes().concat().contains("accuracy of 90.00 % on 30 rows, the run itself says 66.67 %"));
}

#[test]
fn models_of_folds_are_compared_on_the_rows_of_the_whole_alone() {
    let runs = Runs::new();
    let whole = runs.add("folds", 7, |_| false);
    let path = whole.join("validation_probabilities.csv");
    let lines = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = lines.lines().collect();
    for (fold, rows) in [("fold-1", 1..11), ("fold-2", 11..21)] {
        let part = runs.add(&format!("folds/{fold}"), 7, |_| false);
        std::fs::remove_file(part.join("summary.json")).unwrap();
        let text = format!("{}\n{}\n", lines[0], lines[rows].join("\n"));
        put(&part, "validation_probabilities.csv", &text);
    }
    put(&whole, "validation_probabilities.csv", &format!("{}\n{}\n", lines[0], lines[21..].join("\n")));
    std::fs::remove_file(whole.join("summary.json")).unwrap();
    // Gold labels of the whole's rows alone will do.
    let gold = runs.path().join("some.tsv");
    re_formats::write::examples(&gold, re_formats::read::Format::CompetitionTsv, &common::examples()[20..])
        .unwrap();
    let options = ReportOptions { gold: vec![gold], ..Default::default() };
    assert!(Report::new(&[&whole], &options).unwrap().to_html().contains("10 validation rows"));
    let found = page(&new(&[&whole]));
    assert_eq!(
        texts(&found, "h2"),
        ["What this report lacks", "Overview", "Learning curves", "Predictions", "Settings"]
    );
    assert_eq!(texts(&found, ".legend li"), ["folds", "fold-1", "fold-2"]);

    // As training writes it: a fold has predicted its own rows and those that the whole is validated on.
    let fold = whole.join("fold-1");
    let config = common::config(&runs.gold(), 7).replace("lenient", "fold = { number = 1, of = 2 }\nlenient");
    put(&fold, "config.toml", &config);
    let wrong = probabilities(|row| row == 25);
    common::predictions(&fold, "holdout_probabilities.csv", &wrong);
    let found = page(&new(&[whole]));
    assert_eq!(texts(&found, "#comparison h3 + .scroll tbody th:not([lang])"), ["folds", "fold-1"]);
    assert_eq!(texts(&found, "#comparison tbody td")[..3], ["10", "100.00", "90.00"]);
}

#[test]
fn what_a_run_says_of_its_test_rows_is_shown() {
    let runs = Runs::new();
    let run = runs.add("a", 7, |_| false);
    let mut summary = common::summary(&common::evaluation(&probabilities(|_| false)));
    summary["test_evaluation"] = common::evaluation(&probabilities(|row| row < 15));
    put(&run, "summary.json", &summary.to_string());
    common::predictions(&run, "test_probabilities.csv", &probabilities(|row| row < 15));
    let found = page(&new(&[&run]));
    assert_eq!(texts(&found, "#overview tbody th"), ["a", "on the test rows"]);
    assert_eq!(texts(&found, "#overview tbody strong"), ["100.00", "50.00"]);
    // The gold labels of the test rows are not known here: what the run itself says stands.
    let options = ReportOptions { rows: Some(RowSet::Test), ..Default::default() };
    let found = page(&Report::new(&[run], &options).unwrap());
    assert!(texts(&found, ".figures dd").concat().contains("50.00"));
}

#[test]
fn a_training_that_asks_only_whether_there_is_a_relation_is_scored_so() {
    let runs = Runs::new();
    let run = runs.add("related", 7, |_| false);
    let labels = std::sync::Arc::new(re_data::LabelSet::new(["관계_없음", "related"]).unwrap());
    let ids = (0..ROWS).map(|row| format!("row-{row}")).collect();
    let values = (0..ROWS).flat_map(|row| if row % 3 == 0 { [0.8, 0.2] } else { [0.3, 0.7] }).collect();
    let predicted = re_data::Probabilities::new(ids, labels, values).unwrap();
    common::predictions(&run, "validation_probabilities.csv", &predicted);
    let config = common::config(&runs.gold(), 7).replace("lenient", "target = \"related\"\nlenient");
    put(&run, "config.toml", &config);
    std::fs::remove_file(run.join("summary.json")).unwrap();
    let page = page(&new(&[run]));
    assert_eq!(texts(&page, ".labels tbody th"), ["related", "관계_없음"]);
    assert!(texts(&page, ".figures dd").concat().contains("100.00"));
    assert!(texts(&page, ".remark").concat().contains("No row is wrong."));
}

#[test]
fn other_rows_can_be_chosen() {
    let runs = Runs::new();
    let run = runs.add("a", 7, |_| false);
    common::predictions(&run, "test_probabilities.csv", &probabilities(|row| row < 15));
    let options = ReportOptions {
        rows: Some(RowSet::Test),
        gold: vec![runs.gold()],
        title: Some("Test <rows>".into()),
        sentences: 3,
        ..Default::default()
    };
    let report = Report::new(&[run], &options).unwrap();
    let page = page(&report);
    assert_eq!(texts(&page, "h1"), ["Test <rows>"]);
    assert!(texts(&page, ".lead").concat().starts_with("30 test rows"));
    assert!(texts(&page, ".figures dd").concat().contains("50.00"));
    assert_eq!(texts(&page, ".sentences > li").len(), 3);
}

#[test]
fn runs_of_one_name_are_told_apart_and_the_page_is_the_same_each_time() {
    let runs = Runs::new();
    let folders = [runs.add("x/run", 7, |_| false), runs.add("y/run", 8, |row| row == 3)];
    let report = new(&folders);
    assert_eq!(report.to_html(), new(&folders).to_html());
    let page = page(&report);
    let names = texts(&page, "#overview tbody th");
    assert_eq!(names, folders.map(|folder| folder.display().to_string()));
}

#[test]
fn the_page_is_written_whole() {
    let runs = Runs::new();
    let report = new(&[runs.add("a", 7, |_| false)]);
    let path = runs.path().join("report.html");
    report.write(&path).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), report.to_html());
    let mut names = std::fs::read_dir(runs.path()).unwrap().map(|entry| entry.unwrap().path());
    assert!(names.all(|path| path.extension().is_none_or(|extension| extension != "part")));
    #[cfg(unix)]
    {
        // The file that a link leads to is replaced, not the link.
        let link = runs.path().join("link.html");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        report.write(&link).unwrap();
        assert!(link.is_symlink());
    }
    let error = report.write(runs.path().join("none/report.html")).unwrap_err().to_string();
    assert!(error.contains("none/report.html: "), "{error}");
}

#[test]
fn the_committed_run_has_a_page() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../results/mbert_baseline-seed7");
    let page = page(&new(&[folder]));
    assert_eq!(texts(&page, ".confusion tbody tr").len(), 41);
}

#[test]
fn a_run_on_documents_shows_the_risk_of_its_relations() {
    let runs = Runs::new();
    let folder = runs.add("pairs", 7, |_| false);
    let document = |number: usize| {
        format!(
            "{{\"id\": \"d{number}\", \"text\": \"Ann met Bob\", \"mentions\": [{{\"start\": 0, \"end\": 3}}, \
             {{\"start\": 8, \"end\": 11}}], \"relations\": [{{\"subject\": 0, \"object\": 1, \"label\": \"met\"}}]}}\n"
        )
    };
    put(runs.path(), "documents.jsonl", &(0..4).map(document).collect::<String>());
    let train = runs.path().join("documents.jsonl");
    put(
        &folder,
        "config.toml",
        &format!("[data]\ntrain = {train:?}\nval_size = 0.3\n[data.pairs]\nnegatives = 3.0\n"),
    );
    std::fs::remove_file(folder.join("summary.json")).unwrap();
    // Of each document both directions; three of four relations are told right, and one pair is related wrongly.
    let ids = (0..4).flat_map(|number| [format!("d{number}#0-1"), format!("d{number}#1-0")]);
    let met = [0.9, 0.1, 0.8, 0.1, 0.7, 0.6, 0.2, 0.1];
    let values = met.into_iter().flat_map(|met: f32| [1.0 - met, met]).collect();
    let labels = std::sync::Arc::new(re_data::LabelSet::new(["no_relation", "met"]).unwrap());
    let said = re_data::Probabilities::new(ids.collect(), labels, values).unwrap();
    predictions(&folder, "validation_probabilities.csv", &said);

    let lacking = new(&[&folder]).notes();
    assert!(lacking.iter().any(|note| note.contains("graph.json")), "{lacking:?}");
    put(&folder, "graph.json", "{}");
    let page = page(&new(&[&folder]));
    assert!(texts(&page, ".columns figcaption").contains(&"Risk and coverage, %".to_owned()));
    let remarks = texts(&page, ".remark").concat();
    assert!(
        remarks.contains("among the predicted relations kept. Dashes: all of them, 25.00 %"),
        "{remarks}"
    );
}
