//! Alignment and voting.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{ids, labels, member};
use proptest::prelude::*;
use re_data::Probabilities;
use re_ensemble::{Error, Member, Members, Vote};

fn row(members: impl IntoIterator<Item = Member>, vote: Vote) -> Vec<f32> {
    Members::align(members).unwrap().vote(vote).unwrap().values().to_vec()
}

fn close(found: &[f32], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (f, e) in found.iter().zip(expected) {
        assert!((f64::from(*f) - e).abs() < 1e-6, "{found:?} is not {expected:?}");
    }
}

#[test]
fn soft_votes_are_weighted_means() {
    let a = || member("x", &[[0.8, 0.2]]);
    let b = || member("y", &[[0.2, 0.8]]);
    close(&row([a(), b()], Vote::Mean), &[0.5, 0.5]);
    close(&row([a().with_weight(3.0), b()], Vote::Mean), &[0.65, 0.35]);
    close(&row([a(), b()], Vote::LogMean), &[0.5, 0.5]);
    let (p, q) = (0.8_f64.powf(0.75) * 0.2_f64.powf(0.25), 0.2_f64.powf(0.75) * 0.8_f64.powf(0.25));
    close(&row([a().with_weight(3.0), b()], Vote::LogMean), &[p / (p + q), q / (p + q)]);
    assert_eq!(row([a()], Vote::Mean), [0.8, 0.2]);
    assert_eq!(row([a(), b().with_weight(0.0)], Vote::Mean), [0.8, 0.2]);
}

#[test]
fn a_zero_is_no_veto_and_rounding_above_one_no_error() {
    let found = row([member("x", &[[0.0, 1.0]]), member("y", &[[1.0, 0.0]])], Vote::LogMean);
    close(&found, &[0.5, 0.5]);
    let found = row([member("x", &[[0.0, 1.0, 0.0]]), member("y", &[[0.9, 0.0, 0.1]])], Vote::LogMean);
    assert!(found.iter().all(|value| value.is_finite()) && found[0] > found[2], "{found:?}");
    assert_eq!(row([member("x", &[[1.0005, 0.0]])], Vote::Mean), [1.0, 0.0]);
}

#[test]
fn hard_vote_gives_the_shares_of_the_weights() {
    let found = row(
        [member("x", &[[0.6, 0.4, 0.0]]), member("y", &[[0.5, 0.4, 0.1]]), member("z", &[[0.0, 0.9, 0.1]])],
        Vote::Hard,
    );
    close(&found, &[2.0 / 3.0, 1.0 / 3.0, 0.0]);
    let light = [member("x", &[[0.6, 0.4]]), member("y", &[[0.6, 0.4]])].map(|m| m.with_weight(0.1));
    let [x, y] = light;
    close(&row([x, y, member("z", &[[0.0, 1.0]])], Vote::Hard), &[0.2 / 1.2, 1.0 / 1.2]);
}

#[test]
fn a_tie_goes_to_the_mean_probability_then_to_the_class_order() {
    let surer = [member("x", &[[0.6, 0.4, 0.0]]), member("y", &[[0.1, 0.9, 0.0]])];
    let found = Members::align(surer).unwrap().vote(Vote::Hard).unwrap();
    assert_eq!(found.classes(), [1]);
    close(found.values(), &[0.5, 0.5, 0.0]);
    let even = [member("x", &[[0.0, 0.25, 0.75]]), member("y", &[[0.0, 0.75, 0.25]])];
    let found = Members::align(even).unwrap().vote(Vote::Hard).unwrap();
    assert_eq!(found.classes(), [1]);
    assert!(found.values()[1] > found.values()[2], "the winner is larger in any column order");
    // 0.1 + 0.2 is not 0.3 in floating point, and still a tie.
    let sums = [
        member("x", &[[0.51, 0.49]]).with_weight(0.1),
        member("y", &[[0.51, 0.49]]).with_weight(0.2),
        member("z", &[[0.01, 0.99]]).with_weight(0.3),
    ];
    assert_eq!(Members::align(sums).unwrap().vote(Vote::Hard).unwrap().classes(), [1]);
}

#[test]
fn rows_are_aligned_by_id_and_labels_by_name() {
    let probabilities =
        |i: &[&str], l: &[&str], v: &[f32]| Probabilities::new(ids(i), labels(l), v.to_vec()).unwrap();
    let a = Member::new("x", probabilities(&["1", "2"], &["p", "q"], &[0.9, 0.1, 0.3, 0.7]));
    let b = Member::new("y", probabilities(&["2", "1"], &["q", "p"], &[0.5, 0.5, 0.3, 0.7]));
    let vote = Members::align([a.clone(), b.clone()]).unwrap().vote(Vote::Mean).unwrap();
    assert_eq!(vote.ids(), ["1", "2"]);
    close(vote.values(), &[0.8, 0.2, 0.4, 0.6]);
    let turned = Members::align([b.clone(), a.clone()]).unwrap();
    assert_eq!((turned.ids(), turned.labels().names()), (&ids(&["2", "1"])[..], &ids(&["p", "q"])[..]));
    let to = Members::align_to([a, b], &labels(&["q", "p"]), &ids(&["2", "1"])).unwrap();
    close(to.vote(Vote::Mean).unwrap().values(), &[0.6, 0.4, 0.2, 0.8]);
    assert_eq!(to.names(), ["x", "y"]);
    let said = ndarray::array![[[0.7f32, 0.3], [0.1, 0.9]], [[0.5, 0.5], [0.3, 0.7]]];
    assert_eq!(to.to_array(), said);
}

#[test]
fn what_does_not_match_is_named() {
    let of = |name: &str, i: &[&str], l: &[&str]| {
        Member::new(name, Probabilities::new(ids(i), labels(l), vec![0.5; i.len() * l.len()]).unwrap())
    };
    let base = || of("x.csv", &["1", "2"], &["p", "q"]);
    let error = |other: Member| Members::align([base(), other]).unwrap_err();
    let told = |error: &Error, words: [&str; 2]| {
        let text = error.to_string();
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
    };
    let e = error(of("y.csv", &["1", "3"], &["p", "q"]));
    assert!(matches!(&e, Error::MissingId { id, .. } if id == "2"));
    told(&e, ["y.csv", "2"]);
    let e = error(of("y.csv", &["1", "2", "9"], &["p", "q"]));
    assert!(matches!(&e, Error::UnexpectedId { id, .. } if id == "9"), "{e}");
    let e = error(of("y.csv", &["1", "1"], &["p", "q"]));
    assert!(matches!(&e, Error::DuplicateId { id, .. } if id == "1"), "{e}");
    let e = error(of("y.csv", &["1", "2"], &["p"]));
    assert!(matches!(&e, Error::MissingLabel { label, .. } if label == "q"), "{e}");
    let e = error(of("y.csv", &["1", "2"], &["p", "q", "r"]));
    assert!(matches!(&e, Error::UnexpectedLabel { label, .. } if label == "r"), "{e}");
    told(&e, ["y.csv", "\"r\""]);
    assert!(matches!(error(base()), Error::DuplicateMember { .. }));
    assert!(matches!(Members::align([]), Err(Error::NoMembers)));
    assert!(matches!(Members::align_to([], &labels(&["p"]), &[]), Err(Error::NoMembers)));
    assert!(matches!(Members::align([of("x", &["1", "1"], &["p"])]), Err(Error::DuplicateId { .. })));
    for weight in [-1.0, f64::NAN, f64::INFINITY, 0.0] {
        let found = Members::align([base().with_weight(weight)]);
        assert!(matches!(found, Err(Error::Weight { .. })), "{weight}");
    }
    let role = labels(&["p", "q"]).as_ref().clone().with_no_relation(Some("q")).unwrap();
    let other = Probabilities::new(ids(&["1", "2"]), role.into(), vec![0.5; 4]).unwrap();
    let e = error(Member::new("y.csv", other));
    assert!(matches!(&e, Error::NoRelation { found: Some(label), .. } if label == "q"), "{e}");
}

#[test]
fn no_rows_give_no_rows() {
    for vote in [Vote::Mean, Vote::LogMean, Vote::Hard] {
        assert!(Members::align([member::<2>("x", &[])]).unwrap().vote(vote).unwrap().is_empty());
    }
}

#[test]
fn votes_have_names_in_configurations() {
    let votes: Vec<Vote> = serde_json::from_str(r#"["mean", "log_mean", "hard"]"#).unwrap();
    assert_eq!(votes, [Vote::Mean, Vote::LogMean, Vote::Hard]);
}

/// Rows of a few distinct values, so that ties are common.
fn matrix(rows: usize) -> impl Strategy<Value = Vec<[f32; 4]>> {
    let value = prop_oneof![Just(0.0_f32), Just(0.1), Just(0.25), Just(0.3), 0.0_f32..1.0];
    let row = [value.clone(), value.clone(), value.clone(), value];
    let row = row.prop_map(|row| {
        let sum: f32 = row.iter().sum();
        if sum > 0.0 { row.map(|value| value / sum) } else { [0.25; 4] }
    });
    proptest::collection::vec(row, rows)
}

proptest! {
    #[test]
    fn permuting_members_changes_no_bit(
        matrices in proptest::collection::vec((matrix(3), prop_oneof![Just(1.0), Just(0.1), 0.1..3.0]), 1..6),
        seed in any::<u64>(),
    ) {
        let members: Vec<Member> = matrices
            .iter()
            .enumerate()
            .map(|(at, (rows, weight))| member(&at.to_string(), rows).with_weight(*weight))
            .collect();
        let mut permuted = members.clone();
        permuted.sort_by_key(|m| re_data::random::fnv1a(format!("{seed}{}", m.name()).as_bytes()));
        for vote in [Vote::Mean, Vote::LogMean, Vote::Hard] {
            let bits = |m: &[Member]| -> Vec<u32> {
                row(m.to_vec(), vote).iter().map(|value| value.to_bits()).collect()
            };
            prop_assert_eq!(bits(&members), bits(&permuted));
            // Nor does a row's result depend on the rows around it.
            let second = members.iter().zip(&matrices).map(|(m, (rows, _))| {
                member(m.name(), &rows[1..2]).with_weight(m.weight())
            });
            prop_assert_eq!(bits(&second.collect::<Vec<_>>()), bits(&members)[4..8].to_vec());
        }
    }

    #[test]
    fn rows_sum_to_one_and_unanimity_wins(rows in proptest::collection::vec(matrix(2), 1..5)) {
        let members: Vec<Member> =
            rows.iter().enumerate().map(|(at, rows)| member(&at.to_string(), rows)).collect();
        let classes: Vec<Vec<usize>> = members.iter().map(|m| m.probabilities().classes()).collect();
        for vote in [Vote::Mean, Vote::LogMean, Vote::Hard] {
            let voted = Members::align(members.clone()).unwrap().vote(vote).unwrap();
            for (at, row) in voted.rows().enumerate() {
                prop_assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{row:?}");
                let first = classes[0][at];
                if vote == Vote::Hard && classes.iter().all(|c| c[at] == first) {
                    prop_assert_eq!(voted.classes()[at], first);
                }
            }
        }
    }
}
