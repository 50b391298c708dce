//! What figures of spans cost: `cargo bench -p otel-enhance --features performance,ebpf --bench ebpf`, as root.
//!
//! Two binaries, this one and the same without the feature `ebpf`, run alternately, each in a process of its own:
//! `Context` itself is larger with the feature. Each process tells its lowest decile; what is printed is the median
//! of the differences or ratios of pairs, and between which values it lies by 95 %. `-- --pairs 30`, `-- --only NAME`.
//! `floor_…` is what there would be to pay at least, with an observer of contexts that does nearly nothing in place of
//! the extension. What options cost (`off_cpu`, `pinned_map`) is this binary with and without them.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark prints, and gives up where it cannot run"
)]

mod cases;
mod driver;
mod floor;
#[cfg(all(feature = "ebpf", target_os = "linux"))]
mod options;
mod sink;
#[cfg(target_os = "linux")]
mod switches;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--test") {
        return;
    }
    if arguments.iter().any(|argument| argument == "--sink") {
        return sink::serve();
    }
    let after = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).cloned()
    };
    match after("--worker") {
        Some(case) => println!("{}", cases::run(&case)),
        None => driver::drive(
            after("--pairs").map_or(30, |pairs| pairs.parse().expect("a number of pairs")),
            after("--only").as_deref(),
        ),
    }
}
