//! What `init!` must accept. One after the other: a process has one pipeline at a time.
#![deny(warnings)]
#![expect(clippy::unwrap_used, reason = "fixtures are tests")]

#[path = "accepted/init-in-a-result.rs"]
mod init_in_a_result;
#[path = "accepted/init-with-an-exporter-of-ones-own.rs"]
mod init_with_an_exporter_of_ones_own;
#[path = "accepted/init-with-every-argument.rs"]
mod init_with_every_argument;
#[path = "accepted/init-with-performance.rs"]
mod init_with_performance;
#[path = "accepted/init-with-simd.rs"]
mod init_with_simd;
#[path = "accepted/init-with-tracezip.rs"]
mod init_with_tracezip;
#[path = "accepted/init-without-arguments.rs"]
mod init_without_arguments;

#[test]
fn init_with_arguments_installs_and_shuts_down() {
    init_in_a_result::main().expect("a pipeline");
    init_with_an_exporter_of_ones_own::main();
    init_with_every_argument::main();
    init_with_performance::main();
    init_with_simd::main();
    init_with_tracezip::main();
    init_without_arguments::main();
}
