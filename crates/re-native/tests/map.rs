//! Tensors on private maps of files.

// Helpers of integration tests are outside clippy's exemption for tests.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use memmap2::MmapOptions;
use re_native::tensor_on_map;

#[test]
#[allow(unsafe_code)]
fn values_outlive_the_map_and_changes_stay_in_memory() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let values: Vec<u8> = [1.0f32, 2.0, 3.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    std::fs::write(file.path(), &values).unwrap();
    // SAFETY: nobody else has the file.
    let map = unsafe { MmapOptions::new().map_copy(&std::fs::File::open(file.path()).unwrap()) };
    let map = Arc::new(map.unwrap());
    let tensor = tensor_on_map(&map, 4, &[2, 1]).unwrap();
    let view = tensor.narrow(0, 1, 1);
    drop(map);
    drop(tensor);
    assert_eq!(view.double_value(&[0, 0]), 3.0);
    let _ = view.shallow_clone().fill_(7.0);
    assert_eq!(view.double_value(&[0, 0]), 7.0);
    assert_eq!(std::fs::read(file.path()).unwrap(), values);
}

#[test]
fn what_lies_outside_is_an_error() {
    let map = Arc::new(MmapOptions::new().len(16).map_anon().unwrap());
    for (offset, shape) in [(0, [5i64, 1]), (8, [3, 1]), (20, [0, 1]), (0, [-1, 1]), (0, [i64::MAX, 8])] {
        assert!(tensor_on_map(&map, offset, &shape).is_err(), "{offset} {shape:?}");
    }
    assert!(tensor_on_map(&map, 2, &[1]).unwrap_err().to_string().contains("aligned"));
    assert!(tensor_on_map(&map, 12, &[1]).is_ok());
    assert_eq!(Arc::strong_count(&map), 1);
}

/// libtorch refuses this shape when it has taken the memory already.
#[test]
fn what_libtorch_refuses_lets_go_of_the_map_once() {
    let map = Arc::new(MmapOptions::new().len(16).map_anon().unwrap());
    let _ = tensor_on_map(&map, 0, &[0, i64::MAX, i64::MAX]);
    assert_eq!(Arc::strong_count(&map), 1);
}

#[test]
#[allow(unsafe_code)]
fn a_map_from_the_middle_of_a_file_is_aligned_by_its_address() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let bytes: Vec<u8> = [0u8; 2].into_iter().chain(5.0f32.to_le_bytes()).chain([0; 2]).collect();
    std::fs::write(file.path(), &bytes).unwrap();
    // SAFETY: nobody else has the file.
    let map = unsafe { MmapOptions::new().offset(2).map_copy(&std::fs::File::open(file.path()).unwrap()) };
    let map = Arc::new(map.unwrap());
    assert!(tensor_on_map(&map, 0, &[1]).unwrap_err().to_string().contains("aligned"));
}
