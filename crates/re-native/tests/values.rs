//! The memory of tensors as slices.

// Helpers of integration tests are outside clippy's exemption for tests.
#![allow(clippy::unwrap_used)]

use re_native::{values, values_mut};
use tch::{Device, Kind, Tensor};

#[test]
#[allow(unsafe_code)]
fn values_are_those_of_the_tensor() {
    let tensor = Tensor::arange(6, tch::kind::FLOAT_CPU).view([2, 3]);
    // SAFETY: one slice at a time, and nothing else looks at the tensor meanwhile.
    unsafe {
        assert_eq!(values::<f32>(&tensor.narrow(0, 1, 1)).unwrap(), [3.0, 4.0, 5.0]);
        values_mut::<f32>(&tensor).unwrap().fill(2.0);
        assert_eq!(values::<u16>(&tensor.to_kind(Kind::BFloat16)).unwrap(), [0x4000; 6]);
        assert_eq!(values::<f32>(&Tensor::zeros([0, 3], tch::kind::FLOAT_CPU)).unwrap(), [0.0; 0]);
    }
    assert_eq!(tensor.double_value(&[1, 2]), 2.0);
}

#[test]
#[allow(unsafe_code)]
fn what_is_no_slice_of_the_kind_is_an_error() {
    let tensor = Tensor::zeros([4, 3], tch::kind::FLOAT_CPU);
    let cases = [
        ("kind", tensor.to_kind(Kind::Double)),
        ("kind", tensor.to_kind(Kind::Half)),
        ("transposed", tensor.transpose(0, 1)),
        ("strided", tensor.narrow(1, 0, 2)),
        ("expanded", Tensor::zeros([1], tch::kind::FLOAT_CPU).expand([1000], false)),
        ("sparse", tensor.to_sparse(None, None::<i64>, None)),
        ("without memory", Tensor::internal_efficientzerotensor([4, 3], tch::kind::FLOAT_CPU)),
        ("lazily negated", tensor.internal_neg_view()),
        ("undefined", Tensor::new()),
    ];
    for (what, tensor) in cases {
        // SAFETY: nothing else looks at the tensor.
        unsafe {
            assert!(values::<f32>(&tensor).is_err(), "{what}");
            assert!(values_mut::<f32>(&tensor).is_err(), "{what}");
            assert!(values_mut::<u16>(&tensor).is_err(), "{what}");
        }
    }
    assert_eq!(tensor.device(), Device::Cpu);
}
