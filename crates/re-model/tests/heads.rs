//! Heads get the same states whether the last layer computes all tokens or those alone that they look at.

// Helpers of integration tests are outside clippy's exemption for tests.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{golden, relative_to_scale};
use re_data::{Batch, Encoded, LabelSet, TokenSpan};
use re_model::head::BuildHead as _;
use re_model::head::{MentionPairConfig, PairFeature};
use re_model::parameters::Part;
use re_model::{
    Builder, ClassifierOptions, EncoderConfig, Head, HeadChoice, HeadConfig, HeadInput, Mode, Precision,
    RelationClassifier, RelationModel, Result, TokenBatch, Weights,
};
use tch::{Device, Tensor};

/// A head that asks for all tokens, or for the first ones alone, whatever it looks at.
#[derive(Debug)]
struct Asking {
    inner: Box<dyn Head>,
    firsts_alone: bool,
}

impl Head for Asking {
    fn tokens(&self, batch: &TokenBatch) -> Option<Vec<i64>> {
        self.firsts_alone.then(|| batch.row_ranges().map(|row| row.start as i64).collect())
    }

    fn forward(&self, input: &HeadInput<'_>, mode: Mode<'_>) -> Result<Tensor> {
        self.inner.forward(input, mode)
    }
}

fn model(wrap: impl Fn(Box<dyn Head>) -> Box<dyn Head>, head: HeadConfig) -> RelationModel {
    model_of("xlmr", wrap, head)
}

fn model_of(case: &str, wrap: impl Fn(Box<dyn Head>) -> Box<dyn Head>, head: HeadConfig) -> RelationModel {
    let folder = golden(case);
    let weights = Weights::open(&folder).unwrap();
    let build = |b: &mut Builder<'_>, c: &EncoderConfig, n| head.build(b, c, n).map(&wrap);
    let config = EncoderConfig::from_folder(&folder).unwrap();
    RelationModel::new(config, Some(&weights), 5, build, Device::Cpu, 1).unwrap().0
}

/// Rows of different lengths; the second one has lost an entity.
fn batch(model: &RelationModel) -> TokenBatch {
    let row = |length: usize, entities: [Option<(usize, usize)>; 2]| {
        let spans = entities.map(|span| span.map(|(start, end)| TokenSpan::new(start, end).unwrap()));
        let ids = (0..length as u32).map(|i| 5 + i % 20).collect();
        Encoded { ids, type_ids: vec![0; length], entities: spans, marked: spans, ..Encoded::default() }
    };
    let rows = [
        row(12, [Some((2, 5)), Some((4, 7))]),
        row(5, [None, Some((0, 1))]),
        row(9, [Some((8, 9)), Some((1, 3))]),
    ];
    TokenBatch::new(&Batch::new(&rows, &[0, 3, 1]).unwrap(), &model.encoder().batch_spec()).unwrap()
}

#[test]
fn asking_for_fewer_tokens_changes_nothing() {
    let pair = HeadConfig::MentionPair(MentionPairConfig::new(&PairFeature::ALL));
    let heads = [HeadConfig::Cls, HeadConfig::EntityStart, HeadConfig::EntityMean, HeadConfig::RBert, pair];
    // All but the first have scores that depend on where in its row a token stands.
    for (case, head) in
        ["xlmr", "mpnet", "deberta", "deberta_c2p"].iter().flat_map(|case| heads.map(|head| (case, head)))
    {
        for (precision, tolerance) in [(Precision::Fp32, 1e-6), (Precision::Bf16, 2e-2)] {
            let logits = |wrap: fn(Box<dyn Head>) -> Box<dyn Head>| {
                let mut model = model_of(case, wrap, head);
                model.set_precision(precision);
                model.forward(&batch(&model), Mode::Eval).unwrap()
            };
            let all = logits(|inner| Box::new(Asking { inner, firsts_alone: false }));
            let error = relative_to_scale(&logits(|inner| inner), &all);
            assert!(error <= tolerance, "{case}, {head:?} in {precision:?}: {error:e}");
        }
    }
}

#[test]
fn looking_at_tokens_that_were_not_asked_for_is_an_error() {
    for (head, refused) in [
        (HeadConfig::Cls, false),
        (HeadConfig::EntityStart, true),
        (HeadConfig::EntityMean, true),
        (HeadConfig::RBert, true),
        (HeadConfig::MentionPair(MentionPairConfig::default()), true),
    ] {
        let model = model(|inner| Box::new(Asking { inner, firsts_alone: true }), head);
        let found = model.forward(&batch(&model), Mode::Eval);
        assert_eq!(found.as_ref().is_err_and(|error| error.to_string().contains("Head::tokens")), refused);
        assert_eq!(found.is_err(), refused, "{head:?}");
    }
}

#[test]
fn positions_must_ascend() {
    let model = model(|inner| inner, HeadConfig::Cls);
    let batch = batch(&model);
    for positions in [&[3, 3][..], &[4, 2]] {
        let error = model.encoder().states_of(&batch, Some(positions), Mode::Eval).unwrap_err();
        assert!(error.to_string().contains("ascending"), "{error}");
    }
    assert!(model.encoder().states_of(&batch, Some(&[26]), Mode::Eval).is_err());
}

/// As the documentation of `head_learning_rate` says.
#[test]
fn the_head_is_all_that_stands_on_the_last_layer() {
    for (architecture, expected) in [
        ("bert", ["bert.pooler.dense", "classifier"]),
        ("roberta", ["classifier.dense", "classifier.out_proj"]),
        ("xlm-roberta", ["classifier.dense", "classifier.out_proj"]),
        ("electra", ["classifier.dense", "classifier.out_proj"]),
        ("mpnet", ["classifier.dense", "classifier.out_proj"]),
        ("deberta-v2", ["pooler.dense", "classifier"]),
    ] {
        let text = format!(
            r#"{{"model_type": "{architecture}", "vocab_size": 10, "hidden_size": 8, "embedding_size": 8,
                "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}}"#
        );
        let config = EncoderConfig::parse(&text, std::path::Path::new("config.json")).unwrap();
        let build = |b: &mut Builder<'_>, c: &EncoderConfig, n| HeadConfig::Cls.build(b, c, n);
        let (model, _) = RelationModel::new(config, None, 3, build, Device::Cpu, 1).unwrap();
        let parameters = model.parameters().iter().filter(|parameter| parameter.part == Part::Head);
        let names: Vec<&str> = parameters.map(|parameter| parameter.name.as_str()).collect();
        let expected: Vec<String> =
            expected.iter().flat_map(|name| [format!("{name}.weight"), format!("{name}.bias")]).collect();
        assert_eq!(names, expected, "{architecture}");
    }
}

/// Gives states in the place of logits.
#[derive(Debug)]
struct Wide;

impl Head for Wide {
    fn forward(&self, input: &HeadInput<'_>, _: Mode<'_>) -> Result<Tensor> {
        input.first_token()
    }
}

#[test]
fn logits_of_another_shape_are_refused() {
    let head = HeadChoice::Own(Box::new(|_, _, _| Ok(Box::new(Wide))));
    let options = ClassifierOptions { head, ..ClassifierOptions::default() };
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/embedded/model");
    let options = ClassifierOptions { random_weights: true, ..options };
    let (classifier, _) =
        RelationClassifier::new(folder, LabelSet::new(["a", "b"]).unwrap(), options).unwrap();
    let row = Encoded { ids: vec![5; 4], type_ids: vec![0; 4], ..Encoded::default() };
    let error = classifier.logits(&[row]).unwrap_err().to_string();
    assert!(error.starts_with("Head::forward = a tensor of shape [1, "), "{error}");
}
