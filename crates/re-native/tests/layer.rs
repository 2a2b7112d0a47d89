//! The layer's dropout and errors; that its numbers are right is shown in re-model, against `transformers`.

// Helpers of integration tests are outside clippy's exemption for tests.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::{Mutex, PoisonError};

use re_native::{
    Activation, Distances, Kernels, LAYER_PARAMETERS, LayerSettings, PreparedWeights, encoder_layer, normal,
    use_kernels, values_mut,
};
use tch::{Device, Kind, Tensor};

/// For tests whose results must be the same bits, and the one that changes the kernels of the process.
static KERNELS: Mutex<()> = Mutex::new(());

const HIDDEN: i64 = 24;
const INNER: i64 = 40;

fn settings(dropout: f64, seed: u64) -> LayerSettings {
    LayerSettings {
        heads: 3,
        eps: 1e-5,
        activation: Activation::Gelu,
        attention_dropout: dropout,
        hidden_dropout: dropout,
        seed,
        score_terms: 1,
    }
}

fn shapes() -> Vec<Vec<i64>> {
    let (h, i) = (HIDDEN, INNER);
    let linear = |out, from| vec![vec![out, from], vec![out]];
    let norm = || vec![vec![h], vec![h]];
    let square = || linear(h, h);
    [square(), square(), square(), square(), norm(), linear(i, h), linear(h, i), norm()].concat()
}

fn random(shape: &[i64], seed: u64) -> Tensor {
    normal(shape, seed).unwrap() * 0.4
}

fn parameters() -> Vec<Tensor> {
    shapes().iter().enumerate().map(|(at, shape)| random(shape, at as u64)).collect()
}

fn run(x: &Tensor, parameters: &[Tensor], starts: &[i64], settings: &LayerSettings) -> Tensor {
    run_for(x, parameters, starts, None, settings)
}

fn run_for(
    x: &Tensor,
    parameters: &[Tensor],
    starts: &[i64],
    query_positions: Option<&[i64]>,
    settings: &LayerSettings,
) -> Tensor {
    // What comes after the parameters is a bias, or are keys and queries of distances.
    let (parameters, rest) = parameters.split_at(LAYER_PARAMETERS);
    let parameters: Vec<&Tensor> = parameters.iter().collect();
    let parameters = parameters.try_into().unwrap();
    let row_of = row_of(80);
    let distances = match rest {
        [] => Distances::None,
        [bias] => Distances::Bias(bias),
        [keys, queries, ..] => Distances::Rows { keys: Some(keys), queries: Some(queries), row_of: &row_of },
    };
    encoder_layer(x, parameters, distances, starts, query_positions, settings, None).unwrap()
}

/// Single distances up to 9, and pairs of them from there on, as far as a table of 60 rows goes.
fn row_of(reach: i64) -> Vec<i64> {
    let bucket = |d: i64| if d.abs() < 10 { d } else { d.signum() * (5 + d.abs() / 2) };
    (1 - reach..reach).map(|distance| (30 - bucket(distance)).clamp(0, 59)).collect()
}

/// Distances as keys and as queries.
fn tables() -> Vec<Tensor> {
    vec![random(&[60, HIDDEN], 401), random(&[60, HIDDEN], 402)]
}

/// A bias for rows of up to `reach` tokens.
fn bias(reach: i64) -> Tensor {
    random(&[3, 2 * reach - 1], 400)
}

/// The gradient with dropout is that of the function which the masks of the forward pass give.
#[test]
fn gradients_fit_the_masks() {
    let _alone = KERNELS.lock().unwrap_or_else(PoisonError::into_inner);
    for kernels in [Kernels::Generic, Kernels::Avx2, Kernels::Avx512] {
        if use_kernels(kernels) {
            check_gradients();
        }
    }
}

fn check_gradients() {
    // A row longer than the queries that are worked on together, an empty one, and tokens of no row.
    let (tokens, starts) = (90i64, [0, 70, 70, 85]);
    let some: Vec<i64> = (0..68).chain([84]).collect();
    for (activation, query_positions, distances) in [
        (Activation::Gelu, None, vec![]),
        (Activation::GeluTanh, None, vec![]),
        (Activation::Relu, None, vec![]),
        (Activation::Silu, None, vec![]),
        (Activation::Tanh, None, vec![]),
        (Activation::Gelu, Some(&some[..]), vec![]),
        (Activation::Gelu, Some(&[3]), vec![]),
        (Activation::Gelu, None, vec![bias(70)]),
        (Activation::Gelu, Some(&some), vec![bias(77)]),
        (Activation::Gelu, Some(&[3]), vec![bias(70)]),
        (Activation::Gelu, None, tables()),
        (Activation::Gelu, Some(&some), tables()),
        (Activation::Gelu, Some(&[3]), tables()),
    ] {
        let settings = LayerSettings { activation, ..settings(0.3, 11) };
        let x = random(&[tokens, HIDDEN], 99);
        let results = query_positions.map_or(85, |query_positions| query_positions.len() as i64);
        let weight = random(&[results, HIDDEN], 98);
        let mut inputs = parameters();
        inputs.insert(0, x);
        inputs.extend(distances);
        let loss = |inputs: &[Tensor]| {
            let states = run_for(&inputs[0], &inputs[1..], &starts, query_positions, &settings);
            (states.narrow(0, 0, results) * &weight).sum(Kind::Double)
        };
        let leaves: Vec<Tensor> = inputs.iter().map(|t| t.copy().set_requires_grad(true)).collect();
        let gradients = Tensor::run_backward(&[loss(&leaves)], &leaves, false, false);
        for (at, gradient) in gradients.iter().enumerate() {
            let direction = random(&gradient.size(), 500 + at as u64);
            let step = 2e-3;
            let moved = |by: f64| {
                let _guard = tch::no_grad_guard();
                let mut inputs: Vec<Tensor> = inputs.iter().map(Tensor::copy).collect();
                inputs[at] = &inputs[at] + &direction * by;
                loss(&inputs).double_value(&[])
            };
            let numeric = (moved(step) - moved(-step)) / (2.0 * step);
            let exact = (gradient * &direction).sum(Kind::Double).double_value(&[]);
            // A step crosses kinks of the positive part, and sums of 32-bit floats are not exact.
            let size = |t: &Tensor| t.norm().double_value(&[]);
            let allowed = 0.01 * size(gradient) * size(&direction) + 1e-3;
            assert!((numeric - exact).abs() <= allowed, "{activation:?} {at}: {numeric} {exact} {allowed}");
        }
    }
}

#[test]
fn masks_follow_from_the_seed_and_have_the_rate() {
    let _alone = KERNELS.lock().unwrap_or_else(PoisonError::into_inner);
    // Without weights and with a bias of one, what reaches the first LayerNorm is the mask itself.
    let mut all: Vec<Tensor> =
        shapes().iter().map(|shape| Tensor::zeros(shape, (Kind::Float, Device::Cpu))).collect();
    for at in [7, 8, 14] {
        let _ = all[at].fill_(1.0);
    }
    let x = Tensor::zeros([4000, HIDDEN], (Kind::Float, Device::Cpu));
    for kind in [Kind::Float, Kind::BFloat16] {
        let x = x.to_kind(kind);
        let dropped = |seed| run(&x, &all, &[0, 4000], &settings(0.2, seed)).lt(0.0).to_kind(Kind::Float);
        let first = dropped(1);
        assert!(first == dropped(1));
        assert!(first != dropped(2));
        let rate = first.mean(Kind::Float).double_value(&[]);
        assert!((rate - 0.2).abs() < 0.005, "{rate}");
        let columns = first.mean_dim(0, false, Kind::Float);
        assert!((columns - 0.2).abs().max().double_value(&[]) < 0.03);
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let _alone = KERNELS.lock().unwrap_or_else(PoisonError::into_inner);
    let two = [0, 120, 300];
    let many: Vec<i64> = (0..=13).map(|row| row * 20).chain([260, 261, 270, 280, 285, 290, 300]).collect();
    let on = |threads, starts: &[i64], distances: Vec<Tensor>| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let inputs = parameters().into_iter().chain(distances);
            let leaves: Vec<Tensor> = inputs.map(|t| t.set_requires_grad(true)).collect();
            let x = random(&[300, HIDDEN], 5);
            let loss = run(&x, &leaves, starts, &settings(0.1, 3)).square().sum(Kind::Float);
            let gradients = Tensor::run_backward(&[loss], &leaves, false, false);
            let values = gradients.iter().map(|t| Vec::<f32>::try_from(t.contiguous().view(-1)).unwrap());
            values.collect::<Vec<_>>()
        })
    };
    assert!(on(1, &two, vec![bias(180)]) == on(2, &two, vec![bias(180)]));
    assert!(on(1, &many, tables()) == on(2, &many, tables()));
}

/// Prepared weights change no bit, and follow every change of the parameters.
#[test]
#[allow(unsafe_code)]
fn prepared_weights_are_those_of_the_parameters() {
    let all = parameters();
    let x = random(&[10, HIDDEN], 5);
    let mut prepared = PreparedWeights::new();
    let mut both = |x: &Tensor, all: &[Tensor]| {
        let _guard = tch::no_grad_guard();
        let pass = |mut prepared: Option<&mut PreparedWeights>| {
            let parameters: Vec<&Tensor> = all.iter().collect();
            let parameters: [&Tensor; LAYER_PARAMETERS] = parameters.try_into().unwrap();
            let biases = [None, Some(bias(7)), Some(bias(9))];
            let settings = settings(0.0, 0);
            let states = biases.iter().map(|bias| {
                let prepared = Option::as_deref_mut(&mut prepared);
                let distances = bias.as_ref().map_or(Distances::None, Distances::Bias);
                encoder_layer(x, parameters, distances, &[0, 7, 10], Some(&[0, 7]), &settings, prepared)
                    .unwrap()
            });
            Tensor::cat(&states.collect::<Vec<_>>(), 0)
        };
        let expected = pass(None);
        for _ in 0..2 {
            assert_eq!(pass(Some(&mut prepared)), expected);
        }
        expected
    };
    let first = both(&x, &all);
    for which in [0, 6, 10, 12] {
        let before = both(&x, &all);
        // SAFETY: nothing else uses the tensor.
        unsafe { values_mut::<f32>(&all[which]).unwrap()[0] += 1.0 };
        let written = both(&x, &all);
        assert_ne!(before, written, "parameter {which}");
        let _ = all[which].shallow_clone().fill_(0.25);
        assert_ne!(written, both(&x, &all), "parameter {which}");
    }
    let _ = both(&x.to_kind(Kind::BFloat16), &all);
    assert_ne!(first, both(&x, &all));
    assert_eq!(first, both(&x, &parameters()));
}

#[test]
fn what_does_not_fit_is_an_error() {
    let all = parameters();
    let x = random(&[10, HIDDEN], 5);
    let check = |x: &Tensor, all: &[Tensor], starts: &[i64], settings: &LayerSettings, expected: &str| {
        let parameters: Vec<&Tensor> = all.iter().collect();
        let parameters = parameters.try_into().unwrap();
        let error = encoder_layer(x, parameters, Distances::None, starts, None, settings, None).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    };
    check(&x, &all, &[0, 11], &settings(0.0, 0), "within the tokens");
    check(&x, &all, &[0, 7, 5], &settings(0.0, 0), "within the tokens");
    check(&x, &all, &[], &settings(0.0, 0), "within the tokens");
    check(&x, &all, &[0, 10], &LayerSettings { heads: 5, ..settings(0.0, 0) }, "5 heads");
    check(&x, &all, &[0, 10], &LayerSettings { heads: 0, ..settings(0.0, 0) }, "0 heads");
    check(&x.to_kind(Kind::Half), &all, &[0, 10], &settings(0.0, 0), "bfloat16");
    check(&x.transpose(0, 1), &all, &[0, 10], &settings(0.0, 0), "contiguous");
    check(&Tensor::new(), &all, &[0, 10], &settings(0.0, 0), "contiguous");
    for rate in [-0.1, 1.0, 7.0, f64::NAN] {
        let wrong = |attention_dropout, hidden_dropout| LayerSettings {
            attention_dropout,
            hidden_dropout,
            ..settings(0.0, 0)
        };
        check(&x, &all, &[0, 10], &wrong(rate, 0.0), "rate of dropout");
        check(&x, &all, &[0, 10], &wrong(0.0, rate), "rate of dropout");
    }
    for eps in [-1.0, f64::NAN, f64::INFINITY] {
        check(&x, &all, &[0, 10], &LayerSettings { eps, ..settings(0.0, 0) }, "eps");
    }
    let nothing: Vec<Tensor> = shapes().iter().map(|shape| random(&vec![0; shape.len()], 1)).collect();
    check(&random(&[10, 0], 5), &nothing, &[0, 10], &settings(0.0, 0), "columns");
    let undefined: Vec<Tensor> = (0..16).map(|_| Tensor::new()).collect();
    check(&x, &undefined, &[0, 10], &settings(0.0, 0), "");
    // Claims to be as large as `x`, on no memory at all.
    let hollow = Tensor::internal_efficientzerotensor([10, HIDDEN], (Kind::Float, Device::Cpu));
    check(&hollow, &all, &[0, 10], &settings(0.0, 0), "contiguous");
    for query_positions in [&[10][..], &[-1], &[3, 2]] {
        let parameters: Vec<&Tensor> = all.iter().collect();
        let parameters = parameters.try_into().unwrap();
        let settings = settings(0.0, 0);
        let error =
            encoder_layer(&x, parameters, Distances::None, &[0, 10], Some(query_positions), &settings, None)
                .unwrap_err();
        assert!(error.to_string().contains("query positions must"), "{error}");
    }
    for wrong in [
        bias(9),
        bias(10).narrow(1, 0, 18),
        random(&[3, 20], 1),
        random(&[2, 19], 1),
        random(&[57], 1),
        bias(10).to_kind(Kind::BFloat16),
        random(&[19, 3], 1).transpose(0, 1),
        Tensor::new(),
    ] {
        let parameters: Vec<&Tensor> = all.iter().collect();
        let parameters = parameters.try_into().unwrap();
        let distances = Distances::Bias(&wrong);
        let error =
            encoder_layer(&x, parameters, distances, &[0, 10], None, &settings(0.0, 0), None).unwrap_err();
        assert!(error.to_string().contains("the bias must be a "), "{error}");
    }
    let (table, row_of) = (random(&[60, HIDDEN], 1), row_of(10));
    for (keys, row_of, expected) in [
        (&table.narrow(0, 0, 39), row_of.clone(), "more than 39 rows and 24 columns"),
        (&table.narrow(1, 0, 23), row_of.clone(), "contiguous"),
        (&table.to_kind(Kind::BFloat16), row_of.clone(), "contiguous"),
        (&Tensor::new(), row_of.clone(), "the keys of distances must be a tensor"),
        (&table, row_of.iter().rev().copied().collect(), "never rise"),
        (&table, row_of.iter().map(|row| row - 22).collect(), "never rise"),
        (&table, row_of[1..].to_vec(), "the rows of 18 distances"),
        (&table, row_of[1..18].to_vec(), "at least 19"),
        (&table, vec![], "the rows of 0 distances"),
        (&table, vec![1 << 40; 19], "row 1099511627776"),
    ] {
        let parameters: Vec<&Tensor> = all.iter().collect();
        let parameters = parameters.try_into().unwrap();
        let distances = Distances::Rows { keys: Some(keys), queries: None, row_of: &row_of };
        let error =
            encoder_layer(&x, parameters, distances, &[0, 10], None, &settings(0.0, 0), None).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    check(&x, &all, &[0, 10], &LayerSettings { score_terms: 0, ..settings(0.0, 0) }, "0 terms");
    let mut wrong = parameters();
    wrong[10] = random(&[INNER, HIDDEN + 1], 1);
    check(&x, &wrong, &[0, 10], &settings(0.0, 0), "parameter 10");
    wrong[10] = all[10].to_kind(Kind::Double);
    check(&x, &wrong, &[0, 10], &settings(0.0, 0), "parameter 10");
}

/// What the backward pass finds may not be what the forward pass was given.
#[test]
fn tensors_whose_data_was_replaced_are_an_error() {
    let replaced = |which: usize, data: Tensor| {
        let mut inputs = parameters();
        inputs.insert(0, random(&[10, HIDDEN], 5));
        inputs.push(bias(10));
        let mut leaves: Vec<Tensor> = inputs.into_iter().map(|t| t.set_requires_grad(true)).collect();
        let loss = run(&leaves[0], &leaves[1..], &[0, 10], &settings(0.1, 3)).sum(Kind::Float);
        leaves[which].set_data(&data);
        Tensor::f_run_backward(&[loss], &leaves, false, false).map(|_| ())
    };
    assert!(replaced(0, random(&[10, HIDDEN], 5)).is_ok());
    for (which, shape) in
        [(0, [4, HIDDEN]), (0, [40, HIDDEN]), (1, [2, 2]), (11, [2 * INNER, HIDDEN]), (17, [3, 17])]
    {
        assert!(replaced(which, random(&shape, 1)).is_err(), "{which} {shape:?}");
    }
}

/// From some number of rows on, the products take weights in another layout: a row's result stays what it is alone.
#[test]
fn many_rows_give_what_each_gives_alone() {
    let parameters = parameters();
    let rows = 70;
    let starts: Vec<i64> = (0..=rows).map(|row| row * 20).collect();
    let x = random(&[rows * 20, HIDDEN], 3);
    for (kind, allowed) in [(Kind::Float, 1e-5), (Kind::BFloat16, 0.05)] {
        let x = x.to_kind(kind);
        let all = run(&x, &parameters, &starts, &settings(0.0, 0));
        for row in [0, 33, rows - 1] {
            let alone = run(&x.narrow(0, row * 20, 20), &parameters, &[0, 20], &settings(0.0, 0));
            let difference = (all.narrow(0, row * 20, 20) - alone).abs().max().double_value(&[]);
            assert!(difference <= allowed, "{kind:?}, row {row}: {difference:e}");
        }
    }
}
