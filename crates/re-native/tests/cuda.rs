//! Whatever a program asks libtorch first, the CUDA part has been loaded before.
//!
//! No machine with a GPU is needed: stand-ins take the place of the driver and of the CUDA part, and each case runs in a
//! process of its own, as libtorch asks once whether it has CUDA.
#![cfg(target_os = "linux")]
// Helpers of integration tests are outside clippy's exemption for tests.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::path::Path;
use std::process::Command;

use tch::{Cuda, Kind, Tensor};

/// What a child asks libtorch before it looks for devices.
const FIRST: &str = "RE_TEST_FIRST";

/// As many devices as no machine has, and nothing that works.
const CUDA_PART: &str = r#"
#include <ATen/detail/CUDAHooksInterface.h>
namespace {
struct Hooks : at::CUDAHooksInterface {
    explicit Hooks(at::CUDAHooksArgs) {}
    int getNumGPUs() const override { return 77; }
    at::DeviceIndex deviceCount() const override { return 77; }
};
}
namespace at { C10_REGISTER_TYPED_CLASS(CUDAHooksRegistry, "CUDAHooks", Hooks) }
"#;

fn compile(source: &str, folder: &Path, name: &str) {
    let file = folder.join("source.cpp");
    std::fs::write(&file, source).unwrap();
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    let made = Command::new(compiler)
        .args(["-std=c++17", "-shared", "-fPIC", "-w", "-I", env!("RE_LIBTORCH_INCLUDE"), "-o"])
        .args([&folder.join(name), &file])
        .status();
    assert!(made.unwrap().success(), "{name}");
}

/// What a child prints that begins with `first` and finds libraries in `folder`.
fn run(first: &str, folder: &Path) -> String {
    let out = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--nocapture", "--quiet"])
        .env(FIRST, first)
        .env("LD_LIBRARY_PATH", folder)
        .output()
        .unwrap();
    let (text, complaints) = (String::from_utf8(out.stdout).unwrap(), String::from_utf8(out.stderr).unwrap());
    assert!(out.status.success() && complaints.is_empty(), "{first}: {text}{complaints}");
    text
}

#[test]
#[ignore = "what the other tests start in processes of their own"]
fn child() {
    let Ok(first) = std::env::var(FIRST) else { return };
    let number = || Tensor::from_slice(&[1.0f32, 2.0]).set_requires_grad(true);
    match first.as_str() {
        "seed" => tch::manual_seed(1),
        "numbers" => drop(Tensor::randn([2], tch::kind::FLOAT_CPU)),
        "gradients" => number().square().sum(Kind::Float).backward(),
        "devices" => drop(Cuda::is_available()),
        other => panic!("{other}"),
    }
    let _ = re_native::load_cuda_part();
    println!("devices: {}", Cuda::device_count());
}

#[test]
fn devices_are_found_whatever_was_asked_first() {
    let folder = tempfile::tempdir().unwrap();
    // What a program finds where there is nothing, silently.
    assert!(run("seed", folder.path()).contains("devices: 0"));
    compile("", folder.path(), "libcuda.so.1");
    assert!(run("seed", folder.path()).contains("devices: 0"));
    compile(CUDA_PART, folder.path(), "libtorch_cuda.so");
    for first in ["seed", "numbers", "gradients", "devices"] {
        let text = run(first, folder.path());
        assert!(text.contains("devices: 77"), "{first}: {text}");
    }
}
