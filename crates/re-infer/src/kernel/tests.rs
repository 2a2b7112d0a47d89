use super::packed::{Bf16x2, Int8x4, Packed, RowScale, Scales};
use super::panels::{Out, Product, Rows, fill, filled, size};
use super::values::{Activate, Curve, Normalize, Softmax};
use super::*;

/// Numbers from -1 to 1 that follow no pattern.
fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12_345);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as f32 / u32::MAX as f32 * 2.0 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// The product, and what lies in the memory behind each row of results, which must stay as it was.
fn check(kernel: Kernel, rows: usize, depth: usize, columns: usize, curve: Option<Curve>) {
    let (stride, out_stride) = (depth + 3, columns + 5);
    let left = numbers(rows * stride, 1);
    let right = numbers(columns * depth, 2);
    let bias = numbers(columns.next_multiple_of(64), 3);
    let mut panels = vec![f32::NAN; size(kernel, depth, columns)];
    fill(kernel.panel(), depth, columns, 0.0, &mut panels, |i, column| right[column * depth + i]);
    let mut out = vec![7.0; rows * out_stride];
    let product = Product {
        left: Rows { values: &left, stride, count: rows },
        depth,
        panels: &panels,
        columns,
        bias: Some(&bias),
        scales: None,
        curve,
    };
    // SAFETY: nobody else has the memory.
    #[allow(unsafe_code)]
    unsafe {
        product.run(kernel, Out::new(&mut out, out_stride));
    }
    for (row, out) in out.chunks(out_stride).enumerate() {
        let (results, behind) = out.split_at(columns);
        assert!(behind.iter().all(|value| *value == 7.0), "{kernel:?} {rows} {depth} {columns}");
        for (column, found) in results.iter().enumerate() {
            let terms =
                (0..depth).map(|i| f64::from(left[row * stride + i]) * f64::from(right[column * depth + i]));
            let expected = terms.sum::<f64>() + f64::from(bias[column]);
            let expected = curve.map_or(expected, |curve| exact(curve, expected));
            let error = (f64::from(*found) - expected).abs();
            assert!(
                error <= 2e-6 * (depth as f64).sqrt().max(1.0),
                "{kernel:?} {rows}x{depth}x{columns} {curve:?}: {found} at {row}, {column}, expected {expected}"
            );
        }
    }
}

#[test]
fn products_of_all_sizes_are_right_with_each_kernel() {
    for kernel in Kernel::available() {
        for rows in 1..=40 {
            check(kernel, rows, 19, 37, None);
        }
        for columns in 1..=70 {
            check(kernel, 5, 7, columns, None);
        }
        for (rows, depth, columns) in [(13, 1, 1), (1, 384, 33), (25, 131, 96), (3, 0, 9), (700, 400, 3)] {
            check(kernel, rows, depth, columns, None);
        }
        check(kernel, 14, 21, 45, Some(Curve::Gelu));
    }
}

/// Packed rows times packed columns, and the products of the packed numbers.
fn check_packed<P: Packed + Default + PartialEq + std::fmt::Debug>(
    [rows, from, columns]: [usize; 3],
    each: usize,
    pack: impl Fn(&[f32], &mut [P]) -> (f32, Vec<f64>),
    right: impl Fn(P) -> P,
    none: P,
) {
    let depth = from.div_ceil(each).next_multiple_of(16);
    let row_of = |seed: usize| numbers(from, seed as u32);
    let packed = |seed: usize, slot: &mut [P]| {
        let (scale, numbers) = pack(&row_of(seed), slot);
        (scale, numbers)
    };
    let mut left = vec![P::default(); filled(rows) * depth];
    let mut of_left = Vec::new();
    for (row, slot) in left.chunks_mut(depth).take(rows).enumerate() {
        of_left.push(packed(row, slot));
    }
    let mut of_right = Vec::new();
    let columns_packed: Vec<Vec<P>> = (0..columns)
        .map(|column| {
            let mut slot = vec![P::default(); depth];
            of_right.push(packed(1000 + column, &mut slot));
            slot.into_iter().map(&right).collect()
        })
        .collect();
    let bias = numbers(columns.next_multiple_of(64), 3);
    let mut results: Vec<(Kernel, Vec<f32>)> = Vec::new();
    for kernel in Kernel::available() {
        let mut panels = vec![P::default(); size(kernel, depth, columns)];
        fill(kernel.panel(), depth, columns, none, &mut panels, |i, column| columns_packed[column][i]);
        let mut scales: Vec<f32> = of_right.iter().map(|(scale, _)| *scale).collect();
        scales.resize(columns.next_multiple_of(64), 0.0);
        let row_scales: Vec<RowScale> = of_left
            .iter()
            .map(|(scale, numbers)| RowScale {
                scale: *scale,
                offset: -128 * numbers.iter().sum::<f64>() as i32,
            })
            .collect();
        let out_stride = columns + 3;
        let mut out = vec![7.0; rows * out_stride];
        let product = Product {
            left: Rows { values: &left, stride: depth, count: rows },
            depth,
            panels: &panels,
            columns,
            bias: Some(&bias),
            scales: (each == 4).then_some(Scales { columns: &scales, rows: &row_scales }),
            curve: None,
        };
        // SAFETY: nobody else has the memory.
        #[allow(unsafe_code)]
        unsafe {
            product.run(kernel, Out::new(&mut out, out_stride));
        }
        for (row, out) in out.chunks(out_stride).enumerate() {
            let (found, behind) = out.split_at(columns);
            assert_eq!(behind, [7.0; 3], "{kernel:?} {rows} {from} {columns}");
            for (column, found) in found.iter().enumerate() {
                let ((left_scale, left), (right_scale, right)) = (&of_left[row], &of_right[column]);
                let sum: f64 = left.iter().zip(right).map(|(a, b)| a * b).sum();
                let expected =
                    sum * f64::from(*left_scale) * f64::from(*right_scale) + f64::from(bias[column]);
                let error = (f64::from(*found) - expected).abs();
                let allowed = 1e-6 * (from as f64).sqrt().max(1.0);
                assert!(error <= allowed, "{kernel:?} {rows}x{from}x{columns}: {found}, expected {expected}");
            }
        }
        results.push((kernel, out));
    }
    if each == 4 {
        // Sums of whole numbers are the same however they are formed.
        let fused = results.iter().filter(|(kernel, _)| kernel.name() != "portable");
        let bits: Vec<_> = fused.map(|(_, out)| out).collect();
        assert!(bits.windows(2).all(|two| two[0] == two[1]));
    }
}

#[test]
fn packed_products_are_those_of_the_packed_numbers_with_each_kernel() {
    let bytes = |row: &[f32], slot: &mut [Int8x4]| {
        let scale = Int8x4::pack(row, slot).scale;
        (scale, row.iter().map(|value| f64::from(*value / scale).round_ties_even()).collect())
    };
    let pairs = |row: &[f32], slot: &mut [Bf16x2]| {
        Bf16x2::pack(row, slot);
        let round = |value: &f32| {
            let bits = value.to_bits();
            f64::from(f32::from_bits((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff_0000))
        };
        (1.0, row.iter().map(round).collect())
    };
    for shape in [[1, 1, 1], [3, 5, 33], [16, 64, 32], [17, 130, 40], [33, 67, 31], [50, 384, 70]] {
        check_packed(shape, 4, bytes, Int8x4::right, Int8x4::ZERO);
        check_packed(shape, 2, pairs, |pair| pair, Bf16x2::default());
    }
}

#[test]
fn a_row_has_the_same_bits_among_any_rows() {
    let (depth, columns) = (29, 35);
    for kernel in Kernel::available() {
        let left = numbers(50 * depth, 4);
        let mut panels = vec![0.0; size(kernel, depth, columns)];
        let right = numbers(columns * depth, 5);
        fill(kernel.panel(), depth, columns, 0.0, &mut panels, |i, column| right[column * depth + i]);
        let run = |first: usize, rows: usize| {
            let mut out = vec![0.0; rows * columns];
            let left = Rows { values: &left[first * depth..], stride: depth, count: rows };
            let product = Product {
                left,
                depth,
                panels: &panels,
                columns,
                bias: None,
                scales: None,
                curve: Some(Curve::Gelu),
            };
            // SAFETY: nobody else has the memory.
            #[allow(unsafe_code)]
            unsafe {
                product.run(kernel, Out::new(&mut out, columns));
            }
            out
        };
        let all = run(0, 50);
        for (first, rows) in [(0, 1), (3, 7), (10, 12), (11, 25), (49, 1)] {
            assert_eq!(run(first, rows), all[first * columns..(first + rows) * columns], "{kernel:?}");
        }
    }
}

#[test]
#[should_panic(expected = "results")]
fn a_product_that_does_not_fit_writes_nothing() {
    let product = Product {
        left: Rows { values: &[1.0; 8], stride: 4, count: 2 },
        depth: 4,
        panels: &[0.0; 512],
        columns: 3,
        bias: None,
        scales: None,
        curve: None,
    };
    // SAFETY: nobody else has the memory.
    #[allow(unsafe_code)]
    unsafe {
        product.run(Kernel::best(), Out::new(&mut [0.0; 5], 3));
    }
}

/// The error function by its series, or by a continued fraction of its complement where that is small.
fn erf(x: f64) -> f64 {
    if x.abs() < 3.0 {
        let mut term = x;
        let mut sum = x;
        for n in 1..120 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        return sum * 2.0 / std::f64::consts::PI.sqrt();
    }
    let mut tail = 0.0;
    for n in (1..60).rev() {
        tail = f64::from(n) / 2.0 / (x.abs() + tail);
    }
    x.signum() * (1.0 - (-x * x).exp() / (x.abs() + tail) / std::f64::consts::PI.sqrt())
}

fn exact(curve: Curve, x: f64) -> f64 {
    match curve {
        Curve::Gelu => 0.5 * x * (1.0 + erf(x / std::f64::consts::SQRT_2)),
        Curve::GeluTanh => {
            0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x * x * x)).tanh())
        }
        Curve::Relu => x.max(0.0),
        Curve::Silu => x / (1.0 + (-x).exp()),
        Curve::Tanh => x.tanh(),
    }
}

#[test]
fn curves_are_exact_to_rounding() {
    let steps: Vec<f32> =
        (-12_000..=12_000).map(|step| step as f32 / 1000.0).chain([-300.0, 300.0, -0.0]).collect();
    for kernel in Kernel::available() {
        for curve in [Curve::Gelu, Curve::GeluTanh, Curve::Relu, Curve::Silu, Curve::Tanh] {
            let mut values = steps.clone();
            kernel.run(Activate { values: &mut values, curve });
            for (x, found) in steps.iter().zip(values) {
                let expected = exact(curve, f64::from(*x));
                let error = (f64::from(found) - expected).abs();
                let allowed = 5e-7 * expected.abs().max(1.0);
                assert!(error <= allowed, "{kernel:?} {curve:?} of {x}: {found}, expected {expected}");
            }
        }
    }
}

#[test]
fn what_is_no_number_stays_none() {
    for kernel in Kernel::available() {
        for curve in [Curve::Gelu, Curve::GeluTanh, Curve::Relu, Curve::Silu, Curve::Tanh] {
            let mut values = [f32::NAN; 17];
            kernel.run(Activate { values: &mut values, curve });
            assert!(values.iter().all(|value| value.is_nan()), "{kernel:?} {curve:?}");
        }
    }
}

#[test]
fn softmax_and_layer_norm_of_odd_widths() {
    for kernel in Kernel::available() {
        for count in (1..40).chain([333]) {
            let (stride, rows) = (count + 2, 3);
            let scores: Vec<f32> = numbers(stride * rows, 6).iter().map(|x| 90.0 * x).collect();
            let mut found = scores.clone();
            kernel.run(Softmax { rows: &mut found, stride, count });
            for (scores, found) in scores.chunks(stride).zip(found.chunks(stride)) {
                let powers: Vec<f64> = scores[..count].iter().map(|x| f64::from(*x).exp()).collect();
                let sum: f64 = powers.iter().sum();
                for (power, share) in powers.iter().zip(found) {
                    assert!((power / sum - f64::from(*share)).abs() <= 2e-6, "{kernel:?} {count}");
                }
                assert_eq!(scores[count..], found[count..]);
            }

            let (weight, bias) = (numbers(count, 7), numbers(count, 8));
            let (x, residual) = (numbers(count * rows, 9), numbers(count * rows, 10));
            let mut found = x.clone();
            let (eps, rows) = (1e-5, &mut found);
            kernel.run(Normalize { rows, residual: &residual, weight: &weight, bias: &bias, eps });
            let sums: Vec<f64> =
                x.iter().zip(&residual).map(|(a, b)| f64::from(*a) + f64::from(*b)).collect();
            for (sums, found) in sums.chunks(count).zip(found.chunks(count)) {
                let mean = sums.iter().sum::<f64>() / count as f64;
                let variance = sums.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count as f64;
                for (column, found) in found.iter().enumerate() {
                    let scaled = (sums[column] - mean) / (variance + eps).sqrt();
                    let expected = scaled * f64::from(weight[column]) + f64::from(bias[column]);
                    assert!((expected - f64::from(*found)).abs() <= 5e-5, "{kernel:?} {count}");
                }
            }
        }
    }
}
