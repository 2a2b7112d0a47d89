//! One encoder for two heads: folders, tensors, passes and vocabularies.

// Helpers of integration tests are outside clippy's exemption for tests.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};

use ndarray::Array2;
use re_data::tags::{TagScheme, TagUnit};
use re_data::{
    CharSpan, Document, EncodeOptions, Encoded, LabelSet, MarkupConfig, Mention, PairRule, Tagger,
    WindowOptions,
};
use re_model::head::MentionPairConfig;
use re_model::{
    ClassifierOptions, HeadChoice, HeadConfig, JointModel, MarkupChoice, RelationClassifier, TokenClassifier,
};

fn embedded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/embedded/model")
}

fn joint(head: HeadConfig, windows: Option<WindowOptions>) -> JointModel {
    let types = ["LOC", "PER"].map(str::to_owned).into();
    let options = ClassifierOptions {
        markup: MarkupChoice::Known(MarkupConfig::PlainTyped { types }),
        head: HeadChoice::Known(head),
        encoding: EncodeOptions { max_length: 128, ..EncodeOptions::default() },
        random_weights: true,
        ..ClassifierOptions::default()
    };
    let labels = LabelSet::new(["none", "lives_in", "knows"]).unwrap();
    let (relations, _) = RelationClassifier::new(embedded(), labels, options).unwrap();
    let joint =
        JointModel::new(relations, ["LOC", "PER"], TagScheme::Bilou, TagUnit::Character, windows).unwrap();
    // Weights of a spread at which tokens and pairs differ.
    let _guard = tch::no_grad_guard();
    for parameter in joint.relations().model().parameters().iter().filter(|p| p.decays()) {
        let mut tensor = parameter.tensor.shallow_clone();
        let _ = tensor.g_mul_scalar_(4.0);
    }
    joint
}

fn pair() -> HeadConfig {
    HeadConfig::MentionPair(MentionPairConfig::default())
}

fn documents() -> Vec<Document> {
    let document = |(number, text): (usize, &&str)| {
        let mention = |start, kind| Mention::new(CharSpan::with_len(start, 5)).with_kind(kind);
        let mentions = vec![mention(0, "PER"), mention(14, "LOC"), mention(24, "PER")];
        Document::new(number.to_string(), *text, mentions).unwrap()
    };
    let texts = [
        "Marie lebt in Paris mit Peter.",
        "Marie lebt in Lyons mit Anton, und Peter besucht beide an jedem zweiten Tag.",
        "Marie lebt in Paris mit Peter, sagt sie.",
    ];
    texts.iter().enumerate().map(document).collect()
}

/// The pairs of all documents as rows.
fn rows(relations: &RelationClassifier) -> Vec<Encoded> {
    let documents = documents();
    let rule = PairRule::default();
    let pairs = documents
        .iter()
        .flat_map(|document| document.pairs(&rule).map(|pair| document.example(pair).unwrap()));
    relations.encoder().encode_batch(&pairs.collect::<Vec<_>>()).unwrap().0
}

fn tag_logits(tagger: &TokenClassifier) -> Vec<Vec<f32>> {
    let rows: Vec<Encoded> = documents()
        .iter()
        .flat_map(|document| tagger.prepare(document.text()).unwrap().encoded.rows)
        .collect();
    tagger.logits(&rows).unwrap()
}

fn pair_logits(relations: &RelationClassifier) -> Array2<f32> {
    relations.logits(&rows(relations)).unwrap()
}

fn close<'v>(found: impl IntoIterator<Item = &'v f32>, expected: impl IntoIterator<Item = &'v f32>) {
    let (found, expected): (Vec<_>, Vec<_>) = (found.into_iter().collect(), expected.into_iter().collect());
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0f32, |largest, value| largest.max(value.abs()));
    let error = found.iter().zip(&expected).map(|(a, b)| (**a - **b).abs()).fold(0f32, f32::max);
    assert!(error <= 1e-5 * largest, "differ by {error:e} of {largest}");
}

#[test]
fn both_heads_stand_on_the_same_tensors() {
    // The head of `cls` has parameters of the names that the token classifier's have.
    for head in [pair(), HeadConfig::Cls] {
        let joint = joint(head, None);
        let (relations, tagger) =
            (joint.relations().model().parameters(), joint.tagger().model().parameters());
        let mut own = 0;
        for parameter in tagger.iter() {
            let shared =
                relations.get(&parameter.name).map(|p| p.tensor.data_ptr() == parameter.tensor.data_ptr());
            if shared != Some(true) {
                let name = format!("tagger.{}", parameter.name);
                assert_eq!(relations.get(&name).unwrap().tensor.data_ptr(), parameter.tensor.data_ptr());
                own += 1;
            }
        }
        // The layers of a token and of its further places.
        assert_eq!(own, 4);
        let names: std::collections::HashSet<&str> = relations.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names.len(), relations.len());
    }
}

#[test]
fn each_part_comes_back_from_the_folder_of_both() {
    for head in [pair(), HeadConfig::Cls] {
        let windows = Some(WindowOptions { max_length: 40, stride: 8 });
        let before = joint(head, windows);
        let folder = tempfile::tempdir().unwrap();
        before.save(folder.path()).unwrap();
        assert!(JointModel::is_in(folder.path()).unwrap());
        let after = JointModel::from_pretrained(folder.path()).unwrap();
        let relations = RelationClassifier::from_pretrained(folder.path()).unwrap();
        let tagger = TokenClassifier::from_pretrained(folder.path()).unwrap();
        for relations in [after.relations(), &relations] {
            assert_eq!(relations.labels().names(), ["none", "lives_in", "knows"]);
            assert_eq!(pair_logits(relations), pair_logits(before.relations()));
        }
        for tagger in [after.tagger(), &tagger] {
            assert_eq!(tagger.tags(), before.tagger().tags());
            assert_eq!((tagger.unit(), Some(tagger.encoder().options())), (TagUnit::Character, windows));
            assert_eq!(tag_logits(tagger), tag_logits(before.tagger()));
        }
        // Saved alone it is a token classifier as any other.
        let alone = tempfile::tempdir().unwrap();
        after.tagger().save(alone.path()).unwrap();
        assert!(!JointModel::is_in(alone.path()).unwrap());
        let tagger = TokenClassifier::from_pretrained(alone.path()).unwrap();
        assert_eq!(tag_logits(&tagger), tag_logits(before.tagger()));
    }
}

#[test]
fn a_file_that_has_changed_is_noticed_by_both() {
    let folder = tempfile::tempdir().unwrap();
    joint(pair(), None).save(folder.path()).unwrap();
    let weights = folder.path().join("model.safetensors");
    let mut bytes = std::fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&weights, bytes).unwrap();
    let both = JointModel::from_pretrained(folder.path()).unwrap();
    let text = |error: re_model::Error| re_data::error::with_causes(&error);
    let prepared = both.tagger().prepare("Marie").unwrap();
    assert!(text(both.tagger().logits(&prepared.encoded.rows).unwrap_err()).contains("model.safetensors"));
    let rows = rows(both.relations());
    assert!(text(both.relations().logits(&rows).unwrap_err()).contains("model.safetensors"));
}

#[test]
fn pairs_of_tagged_texts_need_no_further_pass() {
    for head in [pair(), HeadConfig::EntityMean] {
        let joint = joint(head, None);
        let (relations, tagger) = (joint.relations(), joint.tagger());
        let passes = |work: &dyn Fn()| {
            let before = tagger.model().encoder().passes();
            work();
            relations.model().encoder().passes() - before
        };
        let (rows, documents) = (rows(relations), documents());
        let apart = relations.logits(&rows).unwrap();
        let judged = |rows: &[Encoded], expected: Array2<f32>| {
            close(&relations.logits(rows).unwrap(), &expected);
        };
        let judge = || judged(&rows, apart.clone());
        assert_eq!(passes(&judge), 1, "nothing was tagged");
        assert_eq!(passes(&|| drop(tagger.tag(&documents).unwrap())), 1);
        assert_eq!(passes(&judge), 0);
        // In a batch of some of them, too.
        let some = |range: std::ops::Range<usize>| {
            judged(&rows[range.clone()], apart.slice(ndarray::s![range, ..]).to_owned());
        };
        assert_eq!(passes(&|| some(5..9)), 0);

        // What was tagged before is dropped, and a batch with a text that is not kept is read.
        assert_eq!(passes(&|| drop(tagger.tag(&documents[..1]).unwrap())), 1);
        assert_eq!(passes(&|| some(0..6)), 0);
        assert_eq!(passes(&judge), 1);

        // States of weights that have changed since are of no use.
        assert_eq!(passes(&|| drop(tagger.tag(&documents).unwrap())), 1);
        let _guard = tch::no_grad_guard();
        let mut table = relations.model().parameters().iter().next().unwrap().tensor.shallow_clone();
        let _ = table.g_mul_scalar_(0.5);
        assert_eq!(passes(&|| drop(relations.logits(&rows).unwrap())), 1);
    }
}

#[test]
fn texts_that_are_cut_are_read_again() {
    let joint = joint(pair(), Some(WindowOptions { max_length: 10, stride: 3 }));
    let apart = pair_logits(joint.relations());
    joint.tagger().tag(&documents()).unwrap();
    let before = joint.tagger().model().encoder().passes();
    close(&pair_logits(joint.relations()), &apart);
    assert_eq!(joint.tagger().model().encoder().passes() - before, 1);
}

#[test]
fn a_trimmed_vocabulary_is_that_of_both() {
    let mut joint = joint(pair(), None);
    let (pairs, tags) = (pair_logits(joint.relations()), tag_logits(joint.tagger()));
    let ids: Vec<u32> = rows(joint.relations()).iter().flat_map(|row| row.ids.clone()).collect();
    let held = joint.trim_vocabulary(ids).unwrap();
    assert!((held as i64) < joint.relations().model().config().vocab_size / 2);
    // One after the other: states are taken over from the tagger.
    close(&pair_logits(joint.relations()), &pairs);
    close(tag_logits(joint.tagger()).iter().flatten(), tags.iter().flatten());
    let unknown = joint.tagger().prepare("하늘은 바다와 결혼했다.").unwrap();
    assert!(joint.tagger().logits(&unknown.encoded.rows).is_err());

    // What training does to the table happens to both, and is saved by either.
    let parameters = joint.relations().model().parameters();
    let name =
        parameters.iter().map(|p| &p.name).find(|name| name.contains("word_embeddings")).unwrap().clone();
    let _guard = tch::no_grad_guard();
    let word = joint.relations().model().parameters().get(&name).unwrap();
    let _ = word.tensor.shallow_clone().g_mul_scalar_(1.5);
    word.decay_rest(0.5);
    let (pairs, tags) = (pair_logits(joint.relations()), tag_logits(joint.tagger()));
    let folder = tempfile::tempdir().unwrap();
    joint.save(folder.path().join("both")).unwrap();
    joint.tagger().save(folder.path().join("tagger")).unwrap();
    let both = JointModel::from_pretrained(folder.path().join("both")).unwrap();
    let tagger = TokenClassifier::from_pretrained(folder.path().join("tagger")).unwrap();
    joint.restore_vocabulary().unwrap();
    for (relations, tagger) in
        [(joint.relations(), joint.tagger()), (both.relations(), both.tagger()), (both.relations(), &tagger)]
    {
        close(&pair_logits(relations), &pairs);
        close(tag_logits(tagger).iter().flatten(), tags.iter().flatten());
        let table = tagger.model().parameters().get(&name).unwrap().tensor.shallow_clone();
        let expected = &relations.model().parameters().get(&name).unwrap().tensor;
        assert_eq!(table.size(), expected.size());
        assert_eq!((table - expected).abs().max().double_value(&[]), 0.0);
    }
}
