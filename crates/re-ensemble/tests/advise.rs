//! Advice on members, and significance of differences.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{examples, ids, labels, member, task};
use proptest::prelude::*;
use re_data::Probabilities;
use re_ensemble::{
    AdviceOptions, Bootstrap, Error, Gold, Member, Members, Vote, advise, compare, compare_outcomes, mcnemar,
    wilson,
};

fn options() -> AdviceOptions {
    AdviceOptions { bootstrap: Bootstrap { resamples: 400, ..Default::default() }, ..Default::default() }
}

#[test]
fn a_much_weaker_member_is_dropped_and_equals_are_kept() {
    let (gold, mut members) = task(600, &[0.75, 0.75, 0.75], 11);
    members
        .extend(task(600, &[0.1], 12).1.into_iter().map(|m| Member::new("weak", m.probabilities().clone())));
    let members = Members::align(members).unwrap();
    let advice = advise(&members, &gold, &options()).unwrap();
    assert_eq!(advice.recommended, ["m0", "m1", "m2"]);
    assert_eq!(advice.dropped().map(|m| m.name.as_str()).collect::<Vec<_>>(), ["weak"]);
    assert_eq!(advice.subsets.len(), 15);
    assert_eq!(advice.pairs.len(), 6);
    let best = &advice.subsets[0];
    assert_eq!(best.members, advice.recommended);
    assert!(best.gain.low > 0.0 && best.gain.low <= best.gain.value && best.gain.value <= best.gain.high);
    let alone = advice.subset(&[&advice.best_member]).unwrap();
    assert_eq!((alone.gain.value, alone.gain.low, alone.gain.high), (0.0, 0.0, 0.0));
    assert!(advice.members[0].contribution.unwrap().value > 0.0);
    assert!(advice.members[3].contribution.unwrap().value < 0.0);
    assert!(advice.subset(&["m1", "m0"]).is_some() && advice.subset(&["m0", "m9"]).is_none());
}

#[test]
fn a_pair_of_a_strong_and_a_weak_member_loses() {
    let rows = |right: usize, sure: f32| -> Vec<[f32; 2]> {
        (0..100).map(|at| if at < right { [sure, 1.0 - sure] } else { [1.0 - sure, sure] }).collect()
    };
    let gold = Gold::new((0..100).map(|row| (row.to_string(), "a"))).unwrap();
    let members = Members::align([member("strong", &rows(80, 0.6)), member("weak", &rows(50, 0.9))]).unwrap();
    let advice = advise(&members, &gold, &options()).unwrap();
    assert_eq!(advice.recommended, ["strong"]);
    let pair = &advice.pairs[0];
    assert!((pair.disagreement - 0.3).abs() < 1e-9 && (pair.double_fault - 0.2).abs() < 1e-9, "{pair:?}");
    assert!((pair.same_error - 0.2).abs() < 1e-9 && pair.q == Some(1.0));
    assert!(pair.mcnemar_p < 1e-6);
    let weak = &advice.members[1];
    let contribution = weak.contribution.unwrap();
    assert!((contribution.value + 0.3).abs() < 1e-9 && contribution.high < 0.0, "{contribution:?}");
    assert_eq!(advice.members[0].contribution, None);
    assert_eq!(advice.labels_of, ["strong", "weak"]);
    assert_eq!(advice.labels[0].gain, -30);
    assert_eq!(advice.labels[0].members, [80, 50]);
    let text = advice.to_string();
    assert!(text.contains("keep: strong\ndrop: weak: it would cost -30.00 ["), "{text}");
    let json = serde_json::to_value(&advice).unwrap();
    assert_eq!(json["recommended"][0], "strong");
}

#[test]
fn gains_are_told_label_by_label() {
    // One member knows the rare label, the other the frequent one.
    let gold = Gold::new((0..10).map(|row| (row.to_string(), if row < 7 { "a" } else { "b" }))).unwrap();
    let sure_a: Vec<[f32; 2]> = (0..10).map(|row| if row < 7 { [0.9, 0.1] } else { [0.6, 0.4] }).collect();
    let sure_b: Vec<[f32; 2]> = (0..10).map(|row| if row < 7 { [0.4, 0.6] } else { [0.1, 0.9] }).collect();
    let members = Members::align([member("base", &sure_a), member("rare", &sure_b)]).unwrap();
    let advice = advise(&members, &gold, &options()).unwrap();
    assert_eq!((advice.best_member.as_str(), advice.recommended.len()), ("base", 2));
    let told: Vec<_> = advice.labels.iter().map(|l| (l.label.as_str(), l.rows, l.gain)).collect();
    assert_eq!(told, [("a", 7, 0), ("b", 3, 3)]);
    let text = advice.to_string();
    assert!(text.contains("     3     0     3     3    +3  b"), "{text}");
}

#[test]
fn many_members_are_added_one_by_one() {
    let (gold, members) = task(150, &[0.5, 0.6, 0.7, 0.65, 0.55], 13);
    let members = Members::align(members).unwrap();
    let few = AdviceOptions { exhaustive_up_to: 3, ..options() };
    let advice = advise(&members, &gold, &few).unwrap();
    assert!(!advice.exhaustive && (15..31).contains(&advice.subsets.len()), "{}", advice.subsets.len());
    let all = advise(&members, &gold, &options()).unwrap();
    assert!(all.exhaustive && all.subsets.len() == 31);
    assert!(all.subsets[0].accuracy.value >= advice.subsets[0].accuracy.value);
    assert!(all.to_string().contains("... and 16 more"));
    for vote in [Vote::LogMean, Vote::Hard] {
        let advice = advise(&members, &gold, &AdviceOptions { vote, ..few }).unwrap();
        assert!(advice.members.iter().all(|m| m.keep == (m.contribution.is_none_or(|c| c.value > 0.0))));
    }
}

#[test]
fn beyond_one_by_one_a_member_that_hurts_leaves_again() {
    // How sure the three are of the gold class. The first one is the best alone and so the first to join.
    let kinds = [
        (5, [0.9, 0.4, 0.4]),
        (1, [0.3, 0.9, 0.4]),
        (1, [0.3, 0.4, 0.9]),
        (3, [0.05, 0.4, 0.9]),
        (3, [0.05, 0.9, 0.4]),
    ];
    let rows: Vec<[f32; 3]> =
        kinds.into_iter().flat_map(|(count, row)| std::iter::repeat_n(row, count)).collect();
    let of = |name: &str, at: usize| {
        let rows: Vec<[f32; 2]> = rows.iter().map(|row| [row[at], 1.0 - row[at]]).collect();
        member(name, &rows)
    };
    let members = Members::align([of("a", 0), of("b", 1), of("c", 2)]).unwrap();
    let gold = Gold::new((0..rows.len()).map(|row| (row.to_string(), "a"))).unwrap();
    let few = AdviceOptions { exhaustive_up_to: 2, ..options() };
    let advice = advise(&members, &gold, &few).unwrap();
    assert_eq!(advice.best_member, "a");
    assert_eq!(advice.recommended, ["b", "c"]);
}

#[test]
fn members_without_weight_are_equals_among_themselves() {
    let gold = Gold::new([("0", "b")]).unwrap();
    let of = |name: &str, weight: f64| member(name, &[[0.2, 0.8]]).with_weight(weight);
    let members = Members::align([of("x", 1.0), of("y", 0.0), of("z", 0.0)]).unwrap();
    for vote in [Vote::Mean, Vote::LogMean, Vote::Hard] {
        let advice = advise(&members, &gold, &AdviceOptions { vote, ..options() }).unwrap();
        assert_eq!(advice.subset(&["y", "z"]).unwrap().accuracy.value, 1.0, "{vote:?}");
    }
}

#[test]
fn the_order_of_members_changes_nothing_and_one_member_is_fine() {
    let (gold, mut members) = task(80, &[0.6, 0.7, 0.5], 14);
    let first = advise(&Members::align(members.clone()).unwrap(), &gold, &options()).unwrap();
    members.rotate_left(1);
    // Nor does the order of the rows, which is that of the first member.
    let p = members[0].probabilities();
    let ids = p.ids().iter().rev().cloned().collect();
    let mut rows: Vec<&[f32]> = p.rows().collect();
    rows.reverse();
    let reversed = Probabilities::new(ids, p.labels().clone(), rows.concat()).unwrap();
    members[0] = Member::new("m1", reversed);
    assert_eq!(advise(&Members::align(members.clone()).unwrap(), &gold, &options()).unwrap(), first);
    members.truncate(1);
    let alone = advise(&Members::align(members).unwrap(), &gold, &options()).unwrap();
    assert_eq!(alone.recommended.len(), 1);
    assert!(alone.labels.is_empty() && alone.to_string().ends_with("keep: m1\n"), "{alone}");
}

#[test]
fn gold_must_be_that_of_the_rows() {
    let (gold, members) = task(20, &[0.6], 15);
    let members = Members::align(members).unwrap();
    let more = Gold::new((0..21).map(|row| (row.to_string(), "a"))).unwrap();
    assert!(matches!(advise(&members, &more, &options()), Err(Error::UnexpectedId { id, .. }) if id == "20"));
    assert!(advise(&members, &more.select(members.ids()).unwrap(), &options()).is_ok());
    assert!(matches!(gold.select(&ids(&["99"])), Err(Error::MissingId { .. })));
    let strange = Gold::new((0..20).map(|row| (row.to_string(), "z"))).unwrap();
    assert!(
        matches!(advise(&members, &strange, &options()), Err(Error::UnknownGold { label, .. }) if label == "z")
    );
    assert!(matches!(Gold::new([("1", "a"), ("1", "b")]), Err(Error::DuplicateId { .. })));
    assert!(matches!(Gold::from_examples(&examples(1)), Err(Error::Unlabelled { .. })));
    let rows: Vec<_> = examples(3).into_iter().map(|e| e.with_label("a")).collect();
    let gold = Gold::from_examples(&rows).unwrap();
    assert!(gold.len() == 3 && !gold.is_empty());
    let none = Members::align([member::<2>("x", &[])]).unwrap();
    let no_gold = Gold::new::<String, String>([]).unwrap();
    assert!(matches!(advise(&none, &no_gold, &options()), Err(Error::NoRows)));
    let wide = AdviceOptions { exhaustive_up_to: 17, ..options() };
    assert!(matches!(advise(&members, &more, &wide), Err(Error::Argument { .. })));
    for bootstrap in
        [Bootstrap { resamples: 0, ..Default::default() }, Bootstrap { level: 1.0, ..Default::default() }]
    {
        let bad = AdviceOptions { bootstrap, ..options() };
        assert!(matches!(advise(&members, &more, &bad), Err(Error::Argument { .. })));
    }
}

#[test]
fn mcnemar_is_the_binomial_test() {
    // scipy.stats.binomtest(k, n, 0.5).pvalue
    for (a, b, p) in [(0, 0, 1.0), (5, 5, 1.0), (1, 0, 1.0), (0, 6, 0.03125), (3, 12, 0.03515625)] {
        assert!((mcnemar(a, b) - p).abs() < 1e-12 && mcnemar(a, b) == mcnemar(b, a), "{a} {b}");
    }
    let many = mcnemar(1_900, 2_100);
    assert!((many - 0.001_650_5).abs() < 1e-4, "{many}");
    assert!(mcnemar(0, 5_000) == 0.0);
}

#[test]
fn wilson_intervals() {
    // statsmodels.stats.proportion.proportion_confint(k, n, alpha, method="wilson")
    for (k, n, level, low, high) in [
        (50, 100, 0.95, 0.403_831_53, 0.596_168_47),
        (0, 10, 0.95, 0.0, 0.277_532_8),
        (715, 1000, 0.95, 0.686_239_5, 0.742_109_4),
    ] {
        let found = wilson(k, n, level).unwrap();
        assert!((found.low - low).abs() < 1e-4 && (found.high - high).abs() < 1e-4, "{found:?}");
    }
    let wide = wilson(50, 100, 0.999).unwrap();
    assert!(wide.low < wilson(50, 100, 0.99).unwrap().low);
    assert!(matches!(wilson(1, 0, 0.95), Err(Error::NoRows)));
    assert!(matches!(wilson(2, 1, 0.95), Err(Error::Argument { .. })));
    assert!(matches!(wilson(1, 1, 0.0), Err(Error::Argument { .. })));
}

#[test]
fn a_comparison_is_paired_and_knows_groups() {
    let (gold, members) = task(500, &[0.8, 0.6], 16);
    let [a, b] = <[Member; 2]>::try_from(members).unwrap();
    let found = compare(a.clone(), b.clone(), &gold, &Bootstrap::default()).unwrap();
    assert_eq!(found.rows, 500);
    assert!((found.difference.value - (found.accuracy_a.value - found.accuracy_b.value)).abs() < 1e-12);
    assert!(found.difference.low > 0.0 && found.mcnemar_p < 0.001, "{found:?}");
    assert_eq!(compare(a.clone(), b.clone(), &gold, &Bootstrap::default()).unwrap(), found);
    let back = compare(b, a, &gold, &Bootstrap::default()).unwrap();
    assert!((back.difference.value + found.difference.value).abs() < 1e-12);
    assert_eq!((back.only_a, back.mcnemar_p), (found.only_b, found.mcnemar_p));

    // Twenty copies of five sentences hold the information of five: the interval is wider.
    let rows = |wrong: usize| -> Probabilities {
        let values = (0..100).flat_map(|at| if at % 5 == wrong { [0.1, 0.9] } else { [0.9, 0.1] }).collect();
        Probabilities::new((0..100).map(|at| at.to_string()).collect(), labels(&["a", "b"]), values).unwrap()
    };
    let group = |of: &dyn Fn(usize) -> String| {
        Gold::grouped((0..100).map(|at| (at.to_string(), "a".to_owned(), of(at)))).unwrap()
    };
    let width = |gold: &Gold| {
        let members = [Member::new("x", rows(9)), Member::new("y", rows(0))];
        let [x, y] = members;
        let found = compare(x, y, gold, &Bootstrap::default()).unwrap().difference;
        found.high - found.low
    };
    assert!(width(&group(&|at| (at % 5).to_string())) > 2.0 * width(&group(&|at| at.to_string())));
}

#[test]
fn outcomes_compare_without_probabilities() {
    let found = compare_outcomes(&[true, true, false], &[true, false, false], &Bootstrap::default()).unwrap();
    assert_eq!((found.only_a, found.only_b, found.mcnemar_p), (1, 0, 1.0));
    let bootstrap = Bootstrap::default();
    assert!(matches!(compare_outcomes(&[], &[], &bootstrap), Err(Error::NoRows)));
    assert!(matches!(compare_outcomes(&[true], &[], &bootstrap), Err(Error::Argument { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn equal_predictors_do_not_differ(right in proptest::collection::vec(any::<bool>(), 1..40)) {
        let bootstrap = Bootstrap { resamples: 50, ..Default::default() };
        let found = compare_outcomes(&right, &right, &bootstrap).unwrap();
        prop_assert_eq!((found.difference.low, found.difference.high, found.mcnemar_p), (0.0, 0.0, 1.0));
        prop_assert!(found.accuracy_a.low <= found.accuracy_a.value && found.accuracy_a.value <= found.accuracy_a.high);
    }
}
