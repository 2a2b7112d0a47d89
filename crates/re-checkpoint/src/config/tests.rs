use super::*;

fn parse(text: &str) -> Result<EncoderConfig> {
    EncoderConfig::parse(text, Path::new("config.json"))
}

#[test]
fn missing_fields_take_the_defaults_of_the_architecture() {
    let bert = parse(r#"{"model_type": "bert"}"#).unwrap();
    assert_eq!((bert.vocab_size, bert.pad_token_id, bert.position_offset), (30_522, Some(0), 0));
    let xlmr = parse(r#"{"model_type": "xlm-roberta", "max_position_embeddings": 514}"#).unwrap();
    assert_eq!((xlmr.pad_token_id, xlmr.position_offset, xlmr.max_length()), (Some(1), 2, 512));
    let electra = parse(r#"{"model_type": "electra"}"#).unwrap();
    assert_eq!((electra.embedding_size, electra.hidden_size), (128, 256));
    let mpnet = parse(r#"{"model_type": "mpnet", "pad_token_id": 5}"#).unwrap();
    assert_eq!((mpnet.vocab_size, mpnet.pad_token_id, mpnet.position_offset), (30_527, Some(1), 2));
    assert_eq!((mpnet.type_vocab_size, mpnet.token_types()), (0, 1));
    assert_eq!(
        mpnet.relative_attention,
        Some(RelativeAttention { rows: 32, buckets: 32, max_distance: 128 })
    );
    let deberta = parse(r#"{"model_type": "deberta-v2"}"#).unwrap();
    assert_eq!((deberta.vocab_size, deberta.num_hidden_layers, deberta.layer_norm_eps), (128_100, 24, 1e-7));
    assert_eq!((deberta.type_vocab_size, deberta.position_embeddings, deberta.score_terms), (0, true, 1));
    assert_eq!((deberta.disentangled_attention, deberta.convolution), (None, None));
    let no_pad = parse(r#"{"model_type": "bert", "pad_token_id": null}"#).unwrap();
    assert_eq!(no_pad.pad_token_id, None);
}

#[test]
fn what_is_not_supported_is_named() {
    let cases = [
        (r#"{"model_type": "t5"}"#, r#"model_type = "t5""#),
        (r#"{}"#, "model_type = nothing"),
        (r#"{"model_type": "bert", "hidden_act": "mish"}"#, r#"hidden_act = "mish""#),
        (
            r#"{"model_type": "bert", "position_embedding_type": "relative_key"}"#,
            r#"position_embedding_type = "relative_key""#,
        ),
        (r#"{"model_type": "bert", "num_attention_heads": 7}"#, "num_attention_heads = 7"),
        (r#"{"model_type": "bert", "hidden_size": 0}"#, "hidden_size = 0"),
        (r#"{"model_type": "bert", "hidden_dropout_prob": 1.5}"#, "hidden_dropout_prob = 1.5"),
        (r#"{"model_type": "roberta", "max_position_embeddings": 2}"#, "max_position_embeddings = 2"),
        (r#"{"model_type": "bert", "is_decoder": true}"#, "is_decoder = true"),
        (r#"{"model_type": ["bert"]}"#, r#"model_type = ["bert"]"#),
        (r#"{"model_type": "bert", "num_hidden_layers": 2000000000}"#, "num_hidden_layers = 2000000000"),
        (r#"{"model_type": "bert", "hidden_size": 9223372036854775807}"#, "hidden_size = 92233720368547"),
        (r#"{"model_type": "bert", "intermediate_size": 12.5}"#, "intermediate_size = 12.5"),
        (r#"{"model_type": "bert", "num_attention_heads": 0}"#, "num_attention_heads = 0"),
        (r#"{"model_type": "electra", "embedding_size": -1}"#, "embedding_size = -1"),
        (r#"{"model_type": "bert", "vocab_size": "x"}"#, r#"vocab_size = "x""#),
        (r#"{"model_type": "bert", "pad_token_id": "x"}"#, r#"pad_token_id = "x""#),
        (r#"{"model_type": "bert", "pad_token_id": -1}"#, "pad_token_id = -1"),
        (r#"{"model_type": "bert", "pad_token_id": 30522}"#, "pad_token_id = 30522"),
        (r#"{"model_type": "roberta", "pad_token_id": 9223372036854775807}"#, "pad_token_id = 92233720"),
        (r#"{"model_type": "roberta", "vocab_size": 1}"#, "pad_token_id = 1"),
        (r#"{"model_type": "mpnet", "vocab_size": 1}"#, "pad_token_id = 1"),
        (
            r#"{"model_type": "mpnet", "relative_attention_num_buckets": 8}"#,
            "relative_attention_num_buckets = 8, expected a whole number from 32 to",
        ),
        (r#"{"model_type": "bert", "layer_norm_eps": -1}"#, "layer_norm_eps = -1"),
        (r#"{"model_type": "deberta"}"#, r#"model_type = "deberta""#),
        (r#"{"model_type": "deberta-v2", "relative_attention": "yes"}"#, r#"relative_attention = "yes""#),
        (r#"{"model_type": "deberta-v2", "pos_att_type": "c2p|p2p"}"#, r#"pos_att_type = "c2p|p2p""#),
        (r#"{"model_type": "deberta-v2", "pos_att_type": ["c2p", 3]}"#, r#"pos_att_type = ["c2p",3]"#),
        (
            r#"{"model_type": "deberta-v2", "relative_attention": true, "norm_rel_ebd": "batch_norm"}"#,
            r#"norm_rel_ebd = "batch_norm""#,
        ),
        (
            r#"{"model_type": "deberta-v2", "relative_attention": true, "norm_rel_ebd": true}"#,
            "norm_rel_ebd = true",
        ),
        (
            r#"{"model_type": "deberta-v2", "attention_head_size": 32}"#,
            "attention_head_size = 32, expected 64",
        ),
        (r#"{"model_type": "deberta-v2", "pooler_hidden_size": 9}"#, "pooler_hidden_size = 9, expected 1536"),
        (r#"{"model_type": "deberta-v2", "pooler_dropout": 1}"#, "pooler_dropout = 1"),
        (r#"{"model_type": "deberta-v2", "pooler_hidden_act": "mish"}"#, r#"pooler_hidden_act = "mish""#),
        (r#"{"model_type": "deberta-v2", "cls_dropout": -1}"#, "cls_dropout = -1"),
        (r#"{"model_type": "deberta-v2", "type_vocab_size": -1}"#, "type_vocab_size = -1"),
        (r#"{"model_type": "deberta-v2", "conv_kernel_size": 4}"#, "conv_kernel_size = 4, expected an odd"),
        (
            r#"{"model_type": "deberta-v2", "conv_kernel_size": 3, "conv_groups": 7}"#,
            "conv_groups = 7, expected a divisor of hidden_size 1536",
        ),
        (r#"{"model_type": "deberta-v2", "conv_kernel_size": 3, "conv_act": "x"}"#, r#"conv_act = "x""#),
        (
            r#"{"model_type": "deberta-v2", "relative_attention": true, "max_relative_positions": 1.5}"#,
            "max_relative_positions = 1.5",
        ),
        (
            r#"{"model_type": "deberta-v2", "relative_attention": true, "position_buckets": 1}"#,
            "position_buckets = 1, expected 2 or more",
        ),
        (
            r#"{"model_type": "deberta-v2", "relative_attention": true, "position_buckets": 64,
                "max_relative_positions": 33}"#,
            "position_buckets = 64, expected 2 or more, and half of it below the largest distance 32",
        ),
        (r#"{"model_type": "bert", "layer_norm_eps": 0}"#, "layer_norm_eps = 0"),
        (r#"{"model_type": "bert", "initializer_range": 1e308}"#, "initializer_range = 1e+308"),
        (r#"{"model_type": "bert", "attention_probs_dropout_prob": 1}"#, "attention_probs_dropout_prob = 1"),
        (r#"{"model_type": "bert", "classifier_dropout": true}"#, "classifier_dropout = true"),
        (r#"{"model_type": "bert", "is_decoder": "yes"}"#, r#"is_decoder = "yes""#),
    ];
    for (text, expected) in cases {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.starts_with(&format!("config.json: {expected}")), "{error}");
    }
}

#[test]
fn a_long_value_is_told_in_brief() {
    let text = format!(r#"{{"model_type": "{}"}}"#, "bert ".repeat(100_000));
    let error = parse(&text).unwrap_err().to_string();
    assert!(error.len() < 400, "{} bytes", error.len());
}

#[test]
fn saving_keeps_unknown_fields() {
    let config = parse(r#"{"model_type": "bert", "custom": [1], "torch_dtype": "float16"}"#).unwrap();
    let saved: Value = serde_json::from_str(&config.to_json(Map::new())).unwrap();
    assert_eq!(saved["custom"][0], 1);
    assert_eq!(saved["torch_dtype"], "float32");
    assert_eq!((&saved["vocab_size"], &saved["type_vocab_size"]), (&30_522.into(), &2.into()));
    // What the architecture has not, its file does not name.
    let config = parse(r#"{"model_type": "mpnet", "pad_token_id": 5}"#).unwrap();
    let saved: Value = serde_json::from_str(&config.to_json(Map::new())).unwrap();
    assert_eq!((saved.get("type_vocab_size"), &saved["pad_token_id"]), (None, &5.into()));
}

#[test]
fn attention_of_deberta_is_as_its_file_says() {
    // As the third version's base model has it.
    let text = r#"{"model_type": "deberta-v2", "hidden_size": 768, "num_attention_heads": 12, "relative_attention": true,
        "position_buckets": 256, "norm_rel_ebd": "layer_norm", "share_att_key": true, "pos_att_type": "p2c|c2p",
        "max_relative_positions": -1, "position_biased_input": false, "legacy": true}"#;
    let base = parse(text).unwrap();
    let expected = DisentangledAttention {
        span: 256,
        buckets: Some(256),
        max_distance: 512,
        content_to_position: true,
        position_to_content: true,
        shared_projections: true,
        normalized: true,
    };
    assert_eq!(base.disentangled_attention, Some(expected));
    assert_eq!((base.score_terms, base.position_embeddings, base.max_length()), (3, false, 512));
    for (terms, expected) in [
        (r#"["p2c"]"#, [false, true]),
        (r#"" C2P ""#, [true, false]),
        (r#""""#, [false, false]),
        ("[]", [false, false]),
        (r#""none""#, [false, false]),
    ] {
        let text = format!(
            r#"{{"model_type": "deberta-v2", "relative_attention": true, "pos_att_type": {terms},
                "max_relative_positions": 40, "position_buckets": 0}}"#
        );
        let config = parse(&text).unwrap();
        let attention = config.disentangled_attention.unwrap();
        assert_eq!([attention.content_to_position, attention.position_to_content], expected, "{terms}");
        assert_eq!((attention.span, attention.buckets, attention.normalized), (40, None, false));
        assert_eq!(config.score_terms, 1 + expected.map(i64::from).iter().sum::<i64>());
    }
}
