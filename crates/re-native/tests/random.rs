//! Random tensors without the generator that a process shares.
//!
//! One test, as it looks at that generator.

// Helpers of integration tests are outside clippy's exemption for tests.
#![allow(clippy::unwrap_used)]

use re_native::{dropout_mask, normal};
use tch::{Kind, Tensor};

#[test]
fn numbers_are_those_of_the_shared_generator_and_leave_it_alone() {
    let shared = |seed, shape: &[i64]| {
        tch::manual_seed(seed);
        Tensor::randn(shape, tch::kind::FLOAT_CPU)
    };
    for seed in [0, 42, -7] {
        for shape in [&[3][..], &[16], &[100, 101]] {
            let expected = shared(seed, shape);
            assert!(normal(shape, seed.cast_unsigned()).unwrap() == expected, "{seed} {shape:?}");
        }
    }
    assert!(normal(&[-1], 0).is_err());

    let next = || Tensor::randn([8], tch::kind::FLOAT_CPU);
    tch::manual_seed(5);
    let undisturbed = next();
    tch::manual_seed(5);
    let _ = (normal(&[9], 1).unwrap(), dropout_mask(&undisturbed, 0.5, 1).unwrap());
    assert!(next() == undisturbed);

    let like = Tensor::ones([1000], (Kind::Double, tch::Device::Cpu));
    let mask = dropout_mask(&like, 0.25, 3).unwrap();
    assert!(mask == dropout_mask(&like, 0.25, 3).unwrap() && mask != dropout_mask(&like, 0.25, 4).unwrap());
    assert_eq!(mask.kind(), Kind::Double);
    let zeros = mask.eq(0.0).to_kind(Kind::Double).mean(Kind::Double).double_value(&[]);
    assert!((zeros - 0.25).abs() < 0.06, "{zeros}");
    assert!(((mask.max() - 4.0 / 3.0).abs().double_value(&[])) < 1e-12);
    assert!(dropout_mask(&like.to_kind(Kind::Int64), 0.25, 3).is_err());
}
