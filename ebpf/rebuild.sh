#!/usr/bin/env bash
# Builds the object anew from programs/ and src/abi.rs, with pinned compilers, on Debian bookworm (amd64).
#
#   rebuild.sh            builds, and replaces object/programs.o and object/MANIFEST
#   rebuild.sh --check    builds, and compares with the committed object byte for byte
#   rebuild.sh --sources  prints the hash of the sources alone; builds nothing
#
# Nothing is installed: the compilers are unpacked into a cache (OTEL_ENHANCE_BPF_DIR, else
# ~/.cache/otel-enhance/bpf; 136 MB of downloads, two minutes for the linker), which may be deleted at any time.
# Ends with 3 where the pinned packages are no longer to be had: the committed object goes on working, and needs
# no compiler.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export LC_ALL=C

rust=1.96.0+dfsg1-1~deb12u2
llvm=1:22.1.8-1~deb12u1
linker=0.13.0
packages=(
    "rustc-web=$rust" "libstd-rust-web-1.96=$rust" "libstd-rust-web-dev=$rust" "libstd-rust-web-dev-bpf=$rust"
    "libllvm22=$llvm" "llvm-22=$llvm"
)
hashes="\
8fefe1d6377fe4082f5a9d2a47e095e2d20319eaab9754bd2f0275155c9adf90  rustc-web.deb
3755f30434ae29574c91b0beb86632bee401607b0ac35c3e52810f9a53fae0d1  libstd-rust-web-1.96.deb
e38dbeaaad673fc63fb47c5140cf34da271ac71c3ecafc828b762c2fb01fe77a  libstd-rust-web-dev.deb
8f85e500d8ca459e5bb380b8c61ce026c2e0c0560b63f36e13fea94755d4d943  libstd-rust-web-dev-bpf.deb
729ec3e943d320515c2bbdc96acfffd7ce34861e62bd5c42726bf586d644dfe2  libllvm22.deb
fcde579693b3f1cf1da596694c1add8a961ab1e1bd22744d4bff165d4f865add  llvm-22.deb"

# Everything that can change the object, this recipe included.
sources() {
    (cd "$here" && find programs/src programs/aya-build programs/Cargo.toml programs/Cargo.lock src/abi.rs rebuild.sh -type f | sort |
        xargs sha256sum | sha256sum | cut -d' ' -f1)
}

unavailable() {
    echo "rebuild: $1" >&2
    echo "rebuild: the object cannot be built anew here; the committed one goes on working" >&2
    exit 3
}

[[ ${1-} == --sources ]] && { sources; exit; }
[[ -z ${1-} || $1 == --check ]] || { sed -n '2,12s/^# \?//p' "$0" >&2; exit 2; }

cache=${OTEL_ENHANCE_BPF_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/otel-enhance/bpf}
tools=$cache/$(printf '%s\n' "${packages[@]}" "$linker" "$hashes" | sha256sum | cut -c1-16)
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9

if [[ ! -e $tools/ready ]]; then
    command -v apt-get >/dev/null && [[ $(dpkg --print-architecture) == amd64 ]] ||
        unavailable "the compilers are packages of Debian for amd64, which this system is not"
    rm -rf "$tools"
    mkdir -p "$tools/packages" "$tools/root"
    chmod 755 "$tools/packages"
    echo "rebuild: fetching the compilers into $tools"
    (cd "$tools/packages" && apt-get download -qq "${packages[@]}" 2>"$tools/download.log") || {
        sed 's/^/    /' "$tools/download.log" >&2
        unavailable "the distribution no longer has ${packages[*]} (or apt-get update was not run)"
    }
    for package in "$tools"/packages/*.deb; do
        name=$(basename "$package")
        mv "$package" "$tools/packages/${name%%_*}.deb"
    done
    (cd "$tools/packages" && sha256sum --quiet -c <<<"$hashes") ||
        { echo "rebuild: a package is not the one that was pinned" >&2; exit 1; }
    for package in "$tools"/packages/*.deb; do dpkg -x "$package" "$tools/root"; done
    rm -rf "$tools/packages"
    # The linker's build looks for a folder `lib`, and for the library by its plain name.
    prefix=$tools/root/usr/lib/llvm-22
    mkdir -p "$prefix/lib"
    ln -sf ../../x86_64-linux-gnu/libLLVM.so.22.1 "$prefix/lib/libLLVM.so"
    ln -sf ../../x86_64-linux-gnu/libLLVM.so.22.1 "$prefix/lib/libLLVM-22.so"
    echo "rebuild: building the linker"
    LLVM_PREFIX=$prefix LD_LIBRARY_PATH=$tools/root/usr/lib/x86_64-linux-gnu \
        RUSTFLAGS="-Clink-arg=-Wl,-rpath,$tools/root/usr/lib/x86_64-linux-gnu" \
        CARGO_TARGET_DIR=$tools/linker-target \
        cargo install --quiet bpf-linker --version "$linker" --locked --no-default-features --features llvm-22 \
        --root "$tools/linker" >"$tools/linker.log" 2>&1 ||
        { tail -40 "$tools/linker.log" >&2; echo "rebuild: the linker does not build" >&2; exit 1; }
    rm -rf "$tools/linker-target"
    touch "$tools/ready"
fi

export LD_LIBRARY_PATH=$tools/root/usr/lib/x86_64-linux-gnu
root=$tools/root/usr
# Kept for the next time: cargo tells what has changed, and compiles each checkout's programs for themselves.
target=$tools/target
mkdir -p "$target"

# Paths leave no trace: neither where the sources are, nor where cargo keeps its own.
flags=(
    -Clink-arg=--btf -Cdebuginfo=2 -Ctarget-cpu=v3
    --remap-path-prefix="$here"=/otel-enhance-ebpf
    --remap-path-prefix="${CARGO_HOME:-$HOME/.cargo}"=/cargo
    --remap-path-prefix="$root"=/rust --remap-path-prefix="$target"=/target
)
encoded=$(printf '%s\x1f' "${flags[@]}")
# Nothing of the caller's. The linker is not among the flags: those, but for remapped paths, name the symbols.
(
    cd "$here/programs"
    env -u RUSTFLAGS -u CARGO_BUILD_TARGET -u CARGO_INCREMENTAL -u RUSTC_WRAPPER -u RUSTC_WORKSPACE_WRAPPER \
        RUSTC="$root/bin/rustc" RUSTC_BOOTSTRAP=1 CARGO_ENCODED_RUSTFLAGS="${encoded%$'\x1f'}" \
        CARGO_TARGET_DIR="$target" CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER="$tools/linker/bin/bpf-linker" \
        cargo build --quiet --locked --release --target bpfel-unknown-none
)
built=$target/bpfel-unknown-none/release/programs
stripped=$target/programs.o
"$root/lib/llvm-22/bin/llvm-strip" --strip-debug -o "$stripped" "$built"

manifest() {
    cat <<EOF
object   $(sha256sum "$1" | cut -d' ' -f1)
sources  $(sources)
rustc    $rust
llvm     $llvm
linker   bpf-linker $linker
EOF
}

if [[ ${1-} == --check ]]; then
    if ! cmp "$stripped" "$here/object/programs.o"; then
        echo "rebuild: the object that was built differs from the committed one" >&2
        exit 1
    fi
    manifest "$stripped" | diff -u "$here/object/MANIFEST" -
    echo "rebuild: identical, $(stat -c %s "$stripped") bytes"
else
    cp "$stripped" "$here/object/programs.o"
    manifest "$stripped" >"$here/object/MANIFEST"
    cat "$here/object/MANIFEST"
fi
