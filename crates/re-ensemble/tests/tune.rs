//! Tuned weights, and that they cannot be measured on the rows they were tuned on.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::collections::BTreeMap;

use common::{labels, member, task};
use re_data::Probabilities;
use re_ensemble::{Bootstrap, Error, Gold, Member, Members, Nested, OutOfFold, Tuned, Tuning, Vote};

const ALL: [Tuning; 3] = [Tuning::Likelihood, Tuning::Greedy { rounds: 20 }, Tuning::LogLinear { l2: 0.01 }];

fn nested() -> Nested {
    Nested { folds: 5, bootstrap: Bootstrap { resamples: 200, ..Default::default() }, ..Default::default() }
}

fn tune(members: Vec<Member>, gold: &Gold, tuning: Tuning) -> Tuned {
    OutOfFold::new(Members::align(members).unwrap(), gold).unwrap().tune(tuning, &nested()).unwrap()
}

fn weights(tuned: &Tuned) -> BTreeMap<String, f64> {
    tuned.weights().map(|(name, weight)| (name.to_owned(), weight)).collect()
}

#[test]
fn the_better_member_weighs_more() {
    let (gold, members) = task(300, &[0.85, 0.4], 1);
    for tuning in ALL {
        let tuned = tune(members.clone(), &gold, tuning);
        let weights = weights(&tuned);
        assert!(weights["m0"] > 2.0 * weights["m1"].max(0.0), "{tuning:?}: {weights:?}");
        assert!(tuned.nested_accuracy().value > 0.8, "{tuning:?}: {:?}", tuned.nested_accuracy());
        assert!(tuned.gain_over_equal().value > 0.0, "{tuning:?}: {:?}", tuned.gain_over_equal());
        assert_eq!(tuned.nested_predictions().len(), 300);
        match tuning {
            Tuning::LogLinear { .. } => {
                assert_eq!((tuned.offsets().count(), tuned.converged()), (3, Some(true)));
            }
            _ => {
                assert!((weights.values().sum::<f64>() - 1.0).abs() < 1e-9);
                assert!(tuned.offsets().count() == 0 && tuned.converged().is_none());
            }
        }
    }
}

#[test]
fn the_order_of_members_and_the_run_change_nothing() {
    let (gold, members) = task(120, &[0.7, 0.6, 0.5], 2);
    for tuning in ALL {
        let mut turned = members.clone();
        turned.reverse();
        let (a, b) = (tune(members.clone(), &gold, tuning), tune(turned, &gold, tuning));
        assert_eq!(a.weights().collect::<Vec<_>>(), b.weights().collect::<Vec<_>>(), "{tuning:?}");
        assert_eq!(a.nested_predictions(), b.nested_predictions(), "{tuning:?}");
    }
}

#[test]
fn expectation_maximisation_finds_the_optimum() {
    // Likelihoods of gold: three rows 0.8 and 0.2, one row 0.2 and 0.8. The log-likelihood
    // 3 ln(0.2 + 0.6 w) + ln(0.8 - 0.6 w) has its maximum at w = 11/12.
    let gold = Gold::new([("0", "a"), ("1", "a"), ("2", "a"), ("3", "a")]).unwrap();
    let x = member("x", &[[0.8, 0.2], [0.8, 0.2], [0.8, 0.2], [0.2, 0.8]]);
    let y = member("y", &[[0.2, 0.8], [0.2, 0.8], [0.2, 0.8], [0.8, 0.2]]);
    let data = OutOfFold::new(Members::align([x, y]).unwrap(), &gold).unwrap();
    let tuned = data.tune(Tuning::Likelihood, &Nested { folds: 2, ..nested() }).unwrap();
    assert!((weights(&tuned)["x"] - 11.0 / 12.0).abs() < 1e-3, "{:?}", weights(&tuned));
}

#[test]
fn tuned_weights_vote_on_other_rows_only() {
    let (gold, members) = task(90, &[0.7, 0.6], 3);
    let elsewhere = |name: &str, rename: &str| {
        let names = [&["b", "a", "c"], &["a", "b", "c"]][usize::from(name == "m0")];
        let rows = vec![0.6, 0.3, 0.1];
        Member::new(rename, Probabilities::new(vec!["new".into()], labels(names), rows).unwrap())
    };
    for tuning in ALL {
        let tuned = tune(members.clone(), &gold, tuning);
        let own = Members::align(members.clone()).unwrap();
        assert!(matches!(tuned.vote(&own), Err(Error::TunedOn { .. })));
        // Unless these are said to be others with the same ids.
        assert_eq!(tuned.clone().for_other_rows().vote(&own).unwrap().ids(), own.ids());
        let other = Members::align([elsewhere("m1", "m1"), elsewhere("m0", "m0")]).unwrap();
        let vote = tuned.vote(&other).unwrap();
        assert_eq!(vote.labels().names(), ["a", "b", "c"]);
        assert!((vote.values().iter().sum::<f32>() - 1.0).abs() < 1e-5);
        if tuning == Tuning::Likelihood {
            let weights = weights(&tuned);
            let expected = weights["m0"] * 0.6 + weights["m1"] * 0.3;
            assert!((f64::from(vote.values()[0]) - expected).abs() < 1e-6);
        }
        let strange = Members::align([elsewhere("m0", "m0"), elsewhere("m1", "m7")]).unwrap();
        assert!(matches!(tuned.vote(&strange), Err(Error::MemberSet { .. })));
    }
}

#[test]
fn nested_estimates_do_not_see_their_own_labels() {
    // Members that know nothing: whatever is tuned, the nested accuracy stays near chance, while
    // weights tuned and measured on the same rows would seem better.
    let (gold, members) = task(240, &[1.0 / 3.0; 6], 4);
    for tuning in ALL {
        let accuracy = tune(members.clone(), &gold, tuning).nested_accuracy();
        assert!(accuracy.low < 1.0 / 3.0 && accuracy.value < 0.45, "{tuning:?}: {accuracy:?}");
    }
}

#[test]
fn a_row_changes_only_the_weights_of_the_other_folds() {
    // All rows of one group get one fold: with every row in one of two groups, each group is
    // predicted from the other alone.
    let rows = 20;
    let gold = |flipped: bool| {
        Gold::grouped((0..rows).map(|row: usize| {
            let label = if flipped && row < 10 { "b" } else { "a" };
            (row.to_string(), label.to_owned(), (row < 10).to_string())
        }))
        .unwrap()
    };
    let x = member("x", &vec![[0.9, 0.1]; rows]);
    let y = member("y", &vec![[0.1, 0.9]; rows]);
    let members = Members::align([x, y]).unwrap();
    let run = |flipped| {
        let data = OutOfFold::new(members.clone(), &gold(flipped)).unwrap();
        let settings = Nested { folds: 2, ..nested() };
        data.tune(Tuning::Likelihood, &settings).unwrap().nested_predictions().values().to_vec()
    };
    let (before, after) = (run(false), run(true));
    assert_eq!(before[..20], after[..20], "rows 0..10 do not see their own labels");
    assert_ne!(before[20..], after[20..], "rows 10..20 see the labels of rows 0..10");
    let three = OutOfFold::new(members.clone(), &gold(false)).unwrap();
    let settings = Nested { folds: 3, ..nested() };
    assert!(matches!(three.tune(Tuning::Likelihood, &settings), Err(Error::Argument { name: "folds", .. })));
}

#[test]
fn settings_are_checked() {
    let (gold, members) = task(30, &[0.7, 0.6], 5);
    let data = OutOfFold::new(Members::align(members.clone()).unwrap(), &gold).unwrap();
    for bad in
        [Tuning::Greedy { rounds: 0 }, Tuning::LogLinear { l2: 0.0 }, Tuning::LogLinear { l2: f64::NAN }]
    {
        assert!(matches!(data.tune(bad, &nested()), Err(Error::Argument { .. })), "{bad:?}");
    }
    let few = Gold::new([("0", "a")]).unwrap();
    let found = OutOfFold::new(Members::align(members).unwrap(), &few);
    assert!(matches!(found, Err(Error::MissingId { member, .. }) if member == "gold"));
    let _: Tuning = serde_json::from_str(r#"{"greedy": {"rounds": 3}}"#).unwrap();
    let defaults: Nested = serde_json::from_str("{}").unwrap();
    assert_eq!(defaults, Nested::default());
}

#[test]
fn an_equal_vote_is_what_greedy_starts_from_when_members_are_equal() {
    let (gold, members) = task(60, &[0.7], 6);
    let twin = Member::new("twin", members[0].probabilities().clone());
    let both = vec![members[0].clone(), twin];
    let vote = Members::align(both.clone()).unwrap().vote(Vote::Mean).unwrap();
    let tuned = tune(both, &gold, Tuning::Greedy { rounds: 4 });
    assert_eq!(tuned.nested_predictions().classes(), vote.classes());
    assert_eq!(tuned.gain_over_equal().value, 0.0);
}
