//! What annotations cost the compiler: 500 functions annotated with `#[enhanced_trace]`, with
//! `#[tracing::instrument]`, and with nothing.
//!
//! `cargo bench -p otel-enhance --bench compile` writes three packages into the target folder, builds
//! their dependencies, and then takes turns at `cargo check` and `cargo build --release` of the
//! packages alone, without incremental compilation. It prints the median seconds, and the bytes of
//! the stripped binary. Of the functions, half record no arguments, a quarter record two, a quarter
//! are `async`. Options behind `--`: `--rounds N` (default 5), `--functions N` (default 500),
//! `--strict` (fail if `#[enhanced_trace]` is slower than `#[tracing::instrument]`).

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a benchmark is a program that prints, and that stops at what it does not expect"
)]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

struct Package {
    name: &'static str,
    dependency: &'static str,
    import: &'static str,
    plain: &'static str,
    recording: &'static str,
}

const PACKAGES: [Package; 3] = [
    Package {
        name: "enhanced_trace",
        dependency: "otel-enhance = { path = \"FACADE\", default-features = false }",
        import: "use otel_enhance::enhanced_trace;",
        plain: "#[enhanced_trace]",
        recording: "#[enhanced_trace(capture(a, b))]",
    },
    Package {
        name: "tracing_instrument",
        dependency: "tracing = { version = \"0.1.44\", default-features = false, features = [\"std\", \"attributes\"] }",
        import: "use tracing::instrument;",
        plain: "#[instrument(skip_all)]",
        recording: "#[instrument]",
    },
    Package {
        name: "nothing",
        dependency: "",
        import: "",
        plain: "",
        recording: "",
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str, default: usize| {
        let at = arguments.iter().position(|argument| argument == name);
        at.and_then(|at| arguments.get(at + 1))
            .map_or(default, |value| value.parse().expect("a number"))
    };
    let strict = arguments.iter().any(|argument| argument == "--strict");
    let functions = number("--functions", 500);
    let root = write(functions);

    let modes: [(&str, &[&str]); 2] = [("check", &["check"]), ("build", &["build", "--release"])];
    for (_, mode) in modes {
        for package in &PACKAGES {
            cargo(&root, mode, package.name);
        }
    }
    let mut seconds: [[Vec<f64>; 3]; 2] = Default::default();
    for round in 0..number("--rounds", 5) {
        for (mode, (_, arguments)) in modes.iter().enumerate() {
            for place in 0..PACKAGES.len() {
                let at = (place + round) % PACKAGES.len();
                let package = PACKAGES[at].name;
                // A new time stamp: cargo compiles the package again, its dependencies not.
                let source = root.join(package).join("src/main.rs");
                let text = fs::read(&source).expect("the source is there");
                fs::write(&source, text).expect("the source can be written");
                let started = Instant::now();
                cargo(&root, arguments, package);
                seconds[mode][at].push(started.elapsed().as_secs_f64());
            }
        }
    }
    let mut medians = [[0.0; 3]; 2];
    for (at, package) in PACKAGES.iter().enumerate() {
        for mode in 0..2 {
            medians[mode][at] = median(&mut seconds[mode][at]);
        }
        let binary = root.join("target/release").join(package.name);
        let bytes = fs::metadata(binary).expect("the binary is there").len();
        println!(
            "functions={functions} annotation={} check_s={:.2} build_release_s={:.2} stripped_bytes={bytes} check_ratio_to_tracing={:.3} build_ratio_to_tracing={:.3}",
            package.name,
            medians[0][at],
            medians[1][at],
            ratio(&seconds[0], at),
            ratio(&seconds[1], at),
        );
    }
    let slower = (0..2).any(|mode| ratio(&seconds[mode], 0) > 1.0);
    println!(
        "#[enhanced_trace] is {} than #[tracing::instrument]",
        if slower {
            "slower to check or build"
        } else {
            "no slower to check and build"
        }
    );
    if strict && slower {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// The median of the rounds' own ratios to `#[tracing::instrument]`.
fn ratio(seconds: &[Vec<f64>; 3], at: usize) -> f64 {
    let mut each: Vec<f64> = seconds[at]
        .iter()
        .zip(&seconds[1])
        .map(|(own, other)| own / other)
        .collect();
    median(&mut each)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// A workspace of the three packages, in the target folder.
fn write(functions: usize) -> PathBuf {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compile-bench");
    let facade = Path::new(env!("CARGO_MANIFEST_DIR"));
    let members: Vec<String> = PACKAGES
        .iter()
        .map(|package| format!("\"{}\"", package.name))
        .collect();
    fs::create_dir_all(&root).expect("the target folder can be written");
    let manifest = format!(
        "[workspace]\nresolver = \"3\"\nmembers = [{}]\n\n[profile.release]\nstrip = true\n",
        members.join(", ")
    );
    fs::write(root.join("Cargo.toml"), manifest).expect("the manifest can be written");
    // The versions of the workspace, so that nothing has to be looked up.
    let lock = facade.join("../Cargo.lock");
    if lock.exists() {
        fs::copy(lock, root.join("Cargo.lock")).expect("the lock file can be copied");
    }
    for package in &PACKAGES {
        let folder = root.join(package.name);
        fs::create_dir_all(folder.join("src")).expect("the target folder can be written");
        let dependency = package
            .dependency
            .replace("FACADE", &facade.display().to_string());
        let manifest = format!(
            "[package]\nname = \"{}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n{dependency}\n",
            package.name
        );
        fs::write(folder.join("Cargo.toml"), manifest).expect("the manifest can be written");
        fs::write(folder.join("src/main.rs"), source(package, functions))
            .expect("the source can be written");
    }
    root
}

fn source(package: &Package, functions: usize) -> String {
    let mut text = format!("{}\n\n", package.import);
    let mut calls = String::new();
    for i in 0..functions {
        let annotation = if i % 4 == 1 {
            package.recording
        } else {
            package.plain
        };
        let (asyncness, call) = if i % 4 == 3 {
            ("async ", format!("block_on(function_{i}(x, \"text\"))"))
        } else {
            ("", format!("function_{i}(x, \"text\")"))
        };
        let _ = write!(
            text,
            "{annotation}\n#[inline(never)]\n{asyncness}fn function_{i}(a: u64, b: &str) -> u64 {{\n    let mut sum = a;\n    for byte in b.bytes() {{\n        sum = sum.wrapping_mul(31).wrapping_add(u64::from(byte) + {i});\n    }}\n    sum\n}}\n\n"
        );
        let _ = writeln!(calls, "    x = x.wrapping_add({call});");
    }
    let _ = write!(
        text,
        "fn block_on<F: std::future::Future>(future: F) -> F::Output {{\n    let mut future = std::pin::pin!(future);\n    let mut context = std::task::Context::from_waker(std::task::Waker::noop());\n    loop {{\n        if let std::task::Poll::Ready(output) = future.as_mut().poll(&mut context) {{\n            return output;\n        }}\n    }}\n}}\n\nfn main() {{\n    let mut x = 1_u64;\n{calls}    println!(\"{{x}}\");\n}}\n"
    );
    text
}

fn cargo(root: &Path, arguments: &[&str], package: &str) {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(arguments)
        .args(["--quiet", "-p", package])
        .current_dir(root)
        .env("CARGO_TARGET_DIR", root.join("target"))
        .env("CARGO_INCREMENTAL", "0")
        .stdout(Stdio::null())
        .status()
        .expect("cargo starts");
    assert!(status.success(), "cargo {arguments:?} -p {package}");
}
