//! `re vote` and `re advise`.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::fmt::Write;

use common::*;
use serde_json::Value;

const A: &str = "id,no_relation,spouse\n1,0.875,0.125\n2,0.25,0.75\n3,0.375,0.625\n";
/// The same rows and labels in other orders.
const B: &str = "id,spouse,no_relation\n3,0,1\n1,0.375,0.625\n2,0.5,0.5\n";

fn members() -> (Folder, String, String) {
    let folder = Folder::new();
    let (a, b) = (folder.file("a.csv", A), folder.file("b.csv", B));
    (folder, a, b)
}

/// A few hundred labelled rows, and probabilities that are right on all rows but each `wrong`-th.
fn corpus(folder: &Folder, wrong: &[usize]) -> (String, Vec<String>) {
    let mut gold = String::new();
    let mut files = vec![String::from("id,no_relation,spouse\n"); wrong.len()];
    for row in 0..200 {
        let spouse = row % 2 == 1;
        let label = if spouse { "spouse" } else { "no_relation" };
        writeln!(gold, "{row}\tMarie loves Pierre {row}.\tMarie\t0\t4\tPierre\t12\t17\t{label}").unwrap();
        for (file, every) in files.iter_mut().zip(wrong) {
            let p = if (row % every == every - 1) == spouse { 0.2 } else { 0.8 };
            writeln!(file, "{row},{},{p}", 1.0 - p).unwrap();
        }
    }
    let files = files.iter().enumerate().map(|(at, text)| folder.file(&format!("m{at}.csv"), text)).collect();
    (folder.file("gold.tsv", &gold), files)
}

#[test]
fn votes_align_rows_and_labels() {
    let (_folder, a, b) = members();
    assert_eq!(
        output(&["vote", &a, &b]),
        "id,label,probability\n1,no_relation,0.75\n2,spouse,0.625\n3,no_relation,0.6875\n"
    );
    let reversed = output(&["vote", &b, &a, "--json"]);
    assert!(
        reversed.starts_with("{\"id\":\"3\",\"label\":\"no_relation\",\"probability\":0.6875}\n"),
        "{reversed}"
    );
    let probs = output(&["vote", &a, &b, "--weights", "3,1", "--probs", "-"]);
    assert!(probs.starts_with("id,no_relation,spouse\n1,0.8125,0.1875\n"), "{probs}");
    // A tie of a hard vote goes to the higher mean.
    let hard = output(&["vote", &a, &b, "--how", "hard"]);
    assert!(hard.contains("\n3,no_relation,0.5"), "{hard}");
    assert!(output(&["vote", &a, &b, "--how", "log-mean"]).contains("\n3,no_relation,0.99"));
}

#[test]
fn results_go_to_files() {
    let (folder, a, b) = members();
    let to = ["--output", &folder.path("vote.csv"), "--probs", &folder.path("probs.csv")];
    assert_eq!(output(&[&["vote", &a, &b][..], &to, &["--output-format", "submission"]].concat()), "");
    assert_eq!(folder.read("vote.csv"), "pred\n0\n1\n0\n");
    assert_eq!(output(&["vote", &folder.path("probs.csv")]), output(&["vote", &a, &b]));
    assert_eq!(folder.names(), ["a.csv", "b.csv", "probs.csv", "vote.csv"]);
    let text = error(2, &["vote", &a, "--output", "-", "--probs", "-"]);
    assert!(text.contains("-: two outputs cannot be the same file"), "{text}");
    // One file by one name, or by two.
    std::fs::create_dir(folder.path("d")).unwrap();
    for (name, other) in
        [("vote.csv", "vote.csv"), ("new.csv", "d/../new.csv"), ("d/../vote.csv", "vote.csv")]
    {
        let twice = ["--output", &folder.path(name), "--probs", &folder.path(other)];
        let text = error(2, &[&["vote", &a][..], &twice].concat());
        assert!(text.contains("two outputs cannot be the same file"), "{text}");
    }
    assert_eq!(folder.read("vote.csv"), "pred\n0\n1\n0\n");
    assert_eq!(folder.names(), ["a.csv", "b.csv", "d", "probs.csv", "vote.csv"]);
}

#[test]
fn class_ids_of_members_that_number_otherwise_are_told_of() {
    let (_folder, a, b) = members();
    let submission = ["--output-format", "submission"];
    let told = stderr(&[&["vote", &a, &b][..], &submission].concat());
    assert_eq!(
        told,
        format!("class ids of the submission are those of {a}; {b} orders its labels differently\n")
    );
    assert_eq!(stderr(&[&["vote", &a][..], &submission].concat()), "");
    assert_eq!(stderr(&["vote", &a, &b]), "");
}

#[test]
fn a_run_stands_for_its_predictions() {
    let (folder, a, _) = members();
    std::fs::create_dir(folder.path("run")).unwrap();
    folder.file("run/test_probabilities.csv", B);
    let text = output(&["vote", &a, &folder.path("run")]);
    assert!(text.contains("\n3,no_relation,0.6875\n"), "{text}");
    std::fs::create_dir(folder.path("empty")).unwrap();
    let text = error(1, &["vote", &folder.path("empty")]);
    assert!(text.contains("empty: has no test_probabilities.csv; expected a run with such rows"), "{text}");
}

/// A run of folds with the rows of a file: 200 out of fold, the first 50 for validation.
fn run_of_folds(folder: &Folder, name: &str, file: &str) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    std::fs::create_dir(folder.path(name)).unwrap();
    folder.file(&format!("{name}/out_of_fold_probabilities.csv"), &text);
    let some: String = text.split_inclusive('\n').take(51).collect();
    folder.file(&format!("{name}/validation_probabilities.csv"), &some);
    folder.path(name)
}

#[test]
fn weights_and_advice_take_rows_out_of_fold() {
    let folder = Folder::new();
    let (gold, files) = corpus(&folder, &[10, 3]);
    let runs = [run_of_folds(&folder, "a", &files[0]), run_of_folds(&folder, "b", &files[1])];
    let test = folder.file("test.csv", "id,no_relation,spouse\nt,0.5,0.5\n");
    let other = folder.file("other.csv", "id,no_relation,spouse\nt,0.25,0.75\n");
    let advise = |how: &[&str]| {
        let mut command = re(&[&["advise", &runs[0], &runs[1], "--gold", &gold], how].concat());
        let assert = command.assert().success();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&assert.get_output().stdout), text(&assert.get_output().stderr))
    };
    let (text, said) = advise(&[]);
    assert!(text.starts_with("200 rows in"), "{text}");
    assert!(!said.contains("optimistic"), "{said}");
    let unseen = runs.join(",");
    let tune =
        ["vote", &test, &other, "--tune", "greedy", "--out-of-fold", &unseen, "--gold", &gold, "--subset"];
    assert!(!stderr(&tune).contains("optimistic"));

    // One of them has validation rows alone, by which its step may have been chosen.
    std::fs::remove_file(folder.path("b/out_of_fold_probabilities.csv")).unwrap();
    folder.file("a/config.toml", "[plan]\nname = \"k_fold\"\nfolds = 5\n");
    let (text, said) = advise(&["--subset"]);
    assert!(text.starts_with("50 rows in"), "{text}");
    assert!(said.starts_with(&format!("{}: validation rows, by which", runs[1])), "{said}");
    assert!(stderr(&tune).contains(&format!("{}: validation rows, by which", runs[1])));
    folder.file("b/config.toml", "[training]\nkeep_best = false\n");
    assert!(!advise(&["--subset"]).1.contains("optimistic"));
}

#[test]
fn what_does_not_match_is_an_error() {
    let (folder, a, _) = members();
    let fault = |name: &str, content: &str| error(1, &["vote", &a, &folder.file(name, content)]);
    assert!(fault("ids.csv", &A.replace("\n3,", "\n4,")).contains("missing row id 3, which"));
    assert!(fault("more.csv", &format!("{A}4,0.5,0.5\n")).contains("unexpected row id 4, which"));
    assert!(fault("labels.csv", &A.replace("spouse", "friend")).contains("missing label \"spouse\", which"));
    assert!(
        fault("number.csv", &A.replace("0.25,", "many,"))
            .contains("number.csv:3: column 2 (probability): id 2")
    );
    assert!(fault("range.csv", &A.replace("0.25,", "1.25,")).contains("expected a number from 0 to 1"));
    assert!(
        fault("columns.csv", &A.replace("0.25,0.75", "0.25"))
            .contains("columns.csv:3: id 2: found 2 columns")
    );
    assert!(fault("text.csv", "id,label\n1,spouse\n").contains("text.csv:1: found the header \"id,label\""));
    assert!(fault("empty.csv", "").contains("empty.csv:1: found the header \"\""));
    assert!(error(2, &["vote", &a, &format!("other={a}")]).contains("expected each file once"));
    assert!(error(2, &["vote", &a, "--weights", "1,2"]).contains("--weights has 2 values for 1 files"));
    assert!(error(2, &["vote", &a, "--weights=-1"]).contains("expected a number, 0 or more"));
    assert!(error(2, &["vote", &a, "--weights", "0"]).contains("--weights are all 0"));
    let tune = |flag, value| error(2, &["vote", &a, "--tune", "greedy", "--gold", &a, flag, value]);
    for (flag, value) in [("--folds", "1"), ("--rounds", "0"), ("--l2", "0"), ("--l2", "nan")] {
        assert!(tune(flag, value).contains(&format!("'{value}' for '{flag}")));
    }
    let tau = error(2, &["vote", &a, "--train-prior", &a, "--target-prior", "uniform", "--tau=-1"]);
    assert!(tau.contains("expected a number, 0 or more"), "{tau}");
    assert!(error(2, &["vote", &a, "--how", "loud"]).contains("[possible values: mean, log-mean, hard]"));
}

#[test]
fn advice_names_the_members_to_keep() {
    let folder = Folder::new();
    let (gold, files) = corpus(&folder, &[10, 7, 3]);
    let named = |at: usize, name: &str| format!("{name}={}", files[at]);
    let members = [named(0, "good"), named(1, "fair"), named(2, "weak")];
    let arguments = |extra: &[&str]| {
        let mut all = vec!["advise"];
        all.extend(members.iter().map(String::as_str));
        all.extend(["--gold", &gold]);
        all.extend(extra);
        output(&all)
    };
    let text = arguments(&[]);
    assert!(text.contains("200 rows in 200 groups, vote mean") && text.contains("\nkeep: "), "{text}");
    let found: Value =
        serde_json::from_str(&arguments(&["--json", "--tune", "greedy", "--rounds", "5"])).unwrap();
    assert_eq!(found["best_member"], "good");
    assert_eq!(found["members"][1]["name"], "good");
    let weights = found["tuned"]["weights"].as_array().unwrap();
    let total: f64 = weights.iter().map(|weight| weight[1].as_f64().unwrap()).sum();
    assert!((total - 1.0).abs() < 1e-9, "{found}");
    let text = arguments(&["--tune", "likelihood", "--folds", "4"]);
    assert!(text.contains("\nweight  member\n") && text.contains("points over equal weights"), "{text}");
    assert!(
        arguments(&["--how", "hard", "--resamples", "50", "--level", "0.5"]).contains("intervals at 50 %")
    );
}

#[test]
fn advice_needs_the_right_rows() {
    let folder = Folder::new();
    let (gold, files) = corpus(&folder, &[10]);
    let some: String = std::fs::read_to_string(&files[0]).unwrap().split_inclusive('\n').take(51).collect();
    let some = folder.file("some.csv", &some);
    let text = error(1, &["advise", &some, "--gold", &gold]);
    assert!(text.contains("gold.tsv: row 50 is not predicted (--subset"), "{text}");
    assert!(output(&["advise", &some, "--gold", &gold, "--subset"]).starts_with("50 rows in"));
    let many = ["advise", &some, "--gold", &gold, "--subset", "--exhaustive-up-to", "17"];
    assert!(error(2, &many).contains("a number of members, at most 16"));
    assert!(error(2, &["advise", &some]).contains("--gold"));
}

/// The first 50 rows of every file, as one argument.
fn first_rows(folder: &Folder, files: &[String]) -> String {
    let first = |(at, file): (usize, &String)| {
        let text = std::fs::read_to_string(file).unwrap();
        folder.file(&format!("fewer{at}.csv"), &text.split_inclusive('\n').take(51).collect::<String>())
    };
    files.iter().enumerate().map(first).collect::<Vec<_>>().join(",")
}

#[test]
fn weights_from_one_split_are_applied_to_another() {
    let folder = Folder::new();
    let (gold, files) = corpus(&folder, &[10, 3]);
    let rename = |at: usize| {
        let text = std::fs::read_to_string(&files[at]).unwrap();
        let text: String = text.split_inclusive('\n').take(9).map(|line| format!("t{line}")).collect();
        folder.file(&format!("test{at}.csv"), text.strip_prefix('t').unwrap())
    };
    let test = [rename(0), rename(1)];
    let out_of_fold = files.join(",");
    let tune = |method: &str, extra: &[&str]| {
        let all =
            ["vote", &test[0], &test[1], "--tune", method, "--out-of-fold", &out_of_fold, "--gold", &gold];
        re(&[&all[..], extra].concat())
    };
    for method in ["likelihood", "greedy", "log-linear"] {
        let mut command = tune(method, &[]);
        let assert = command.assert().success();
        let said = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
        assert!(said.contains("weight  member") && said.contains("test0.csv"), "{said}");
        let text = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
        assert!(text.starts_with("id,label,probability\nt0,no_relation,0."), "{text}");
        assert_eq!(text.lines().count(), 9);
    }
    for unused in [["--weights", "1,1"], ["--how", "hard"]] {
        assert!(error_of(2, tune("greedy", &unused)).contains("cannot be used with"));
    }
    for unused in [["--rounds", "5"], ["--l2", "0.1"], ["--folds", "4"]] {
        assert!(error(2, &[&["vote", &test[0]][..], &unused].concat()).contains("--tune"));
    }
    let fewer = first_rows(&folder, &files);
    let of_some = ["vote", &test[0], &test[1], "--tune", "greedy", "--out-of-fold", &fewer, "--gold", &gold];
    assert!(error(1, &of_some).contains("gold.tsv: row 50 is not predicted (--subset"));
    output(&[&of_some[..], &["--subset"]].concat());
    let one = ["vote", &test[0], &test[1], "--tune", "greedy", "--out-of-fold", &files[0], "--gold", &gold];
    assert!(error(2, &one).contains("--out-of-fold has 1 files for 2 members"));
    assert!(error(2, &["vote", &test[0], "--tune", "greedy"]).contains("--gold"));
    // The rows that weights were found on are no rows to vote on.
    let same =
        ["vote", &files[0], &files[1], "--tune", "greedy", "--out-of-fold", &out_of_fold, "--gold", &gold];
    assert!(error(1, &[&same[..], &["--quiet"]].concat()).contains("row 0 was used to tune these weights"));
    // Where each file numbers its rows from 0, equal ids are no sign.
    output(&[&same[..], &["--quiet", "--other-rows"]].concat());
    let advise = ["advise", &files[0], &files[1], "--gold", &gold, "--tune", "log-linear", "--json"];
    let found: serde_json::Value = serde_json::from_str(&output(&advise)).unwrap();
    assert_eq!(found["tuned"]["offsets"].as_array().unwrap().len(), 2, "{found}");
    assert_eq!(found["tuned"]["converged"], true, "{found}");
}

#[test]
fn labels_that_are_rarer_now_lose() {
    let folder = Folder::new();
    let train: String = (0..9)
        .map(|row| {
            let label = if row < 7 { "no_relation" } else { "spouse" };
            format!("{row}\tMarie loves Pierre.\tMarie\t0\t4\tPierre\t12\t17\t{label}\n")
        })
        .collect();
    let train = folder.file("train.tsv", &train);
    let probabilities = folder.file("p.csv", "id,no_relation,spouse\nx,0.6,0.4\n");
    let shift = |target: &str, extra: &[&str]| {
        let all = ["vote", &probabilities, "--train-prior", &train, "--target-prior", target];
        output(&[&all[..], extra].concat())
    };
    // Shares 8/11 and 3/11 in training, one half each now: 0.4 / 3 against 0.6 / 8.
    assert!(shift("uniform", &[]).contains("\nx,spouse,0.64"));
    assert!(shift("uniform", &["--tau", "0"]).contains("\nx,no_relation,0.6\n"));
    assert!(shift(&train, &[]).contains("\nx,no_relation,0.6\n"));
    // Expectation maximisation multiplies one row's odds by (0.4 / 3) / (0.6 / 8) in each step: spouse gets all.
    assert!(shift("estimate", &[]).contains("\nx,spouse,1\n"));
    assert!(error(2, &["vote", &probabilities, "--train-prior", &train]).contains("--target-prior"));
    assert!(error(2, &["vote", &probabilities, "--tau", "0"]).contains("--train-prior"));
    let empty = folder.file("empty.tsv", "");
    let cases = [(empty.as_str(), 1, "found no row"), ("-", 2, "only one file can be standard input")];
    for (path, code, expected) in cases {
        let text = error(code, &["vote", &probabilities, "--train-prior", path, "--target-prior", path]);
        assert!(text.contains(expected), "{text}");
    }
}
