#!/bin/sh
# Runs this crate's tests for AArch64 under emulation. On Debian it needs the packages
# gcc-aarch64-linux-gnu and qemu-user, and `rustup target add aarch64-unknown-linux-gnu`.
set -eu
cd "$(dirname "$0")"
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu"
export CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc
# Left out: the test that starts processes, which would be no emulated ones.
exec cargo test -p otel-enhance-kernels --target aarch64-unknown-linux-gnu --lib "$@" -- \
    --skip process_with_the_variable
