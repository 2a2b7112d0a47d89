//! Compiles `native/`: the kernels once for each kind of processor, and the layer against libtorch's headers.

use std::env;
use std::path::Path;

/// Kinds of processors: the namespace of the kernels, and the compiler's flags.
const PROCESSORS: [(&str, &[&str]); 3] = [
    ("generic", &[]),
    ("avx2", &["-mavx2", "-mfma"]),
    (
        "avx512",
        &["-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq", "-mfma", "-mprefer-vector-width=512"],
    ),
];

fn main() {
    println!("cargo:rerun-if-env-changed=DEP_TCH_LIBTORCH_LIB");
    println!("cargo:rerun-if-changed=native");
    let Ok(libraries) = env::var("DEP_TCH_LIBTORCH_LIB") else { return };
    println!("cargo:rustc-link-arg=-Wl,-rpath,{libraries}");
    let include = Path::new(&libraries).with_file_name("include");
    println!("cargo:rustc-env=RE_LIBTORCH_INCLUDE={}", include.display());
    let x86 = env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "x86_64");
    let processors = if x86 { PROCESSORS.as_slice() } else { &PROCESSORS[..1] };
    for (name, flags) in processors {
        let mut build = compiler();
        for flag in *flags {
            build.flag(flag);
        }
        // Sums may be taken in any order; NaN and infinity stay what they are.
        for flag in ["-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros", "-fassociative-math"] {
            build.flag(flag);
        }
        build.flag("-ffp-contract=fast").define("RE_PROCESSOR", *name).file("native/kernels.cpp");
        build.compile(&format!("re_kernels_{name}"));
    }
    let mut build = compiler();
    build.include(&include).include(include.join("torch/csrc/api/include"));
    if x86 {
        build.define("RE_X86", None);
    }
    for file in ["check", "layer", "prepared", "shim"] {
        build.file(format!("native/{file}.cpp"));
    }
    build.compile("re_native");
}

fn compiler() -> cc::Build {
    let mut build = cc::Build::new();
    // Fast in every profile: these are the loops that training consists of.
    build.cpp(true).std("c++17").opt_level(3).debug(false).warnings(false).flag_if_supported("-Wno-psabi");
    build
}
