//! Says where eBPF is to be had, once: by `cfg(otel_enhance_has_ebpf)`. Cargo.toml says the same of dependencies.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(otel_enhance_has_ebpf)");
    let set = |variable: &str| std::env::var(variable).unwrap_or_default();
    let is_asked_for = std::env::var_os("CARGO_FEATURE_EBPF").is_some();
    let is_linux = set("CARGO_CFG_TARGET_OS") == "linux";
    let is_known = ["x86_64", "aarch64"].contains(&set("CARGO_CFG_TARGET_ARCH").as_str());
    if is_asked_for && is_linux && is_known {
        println!("cargo::rustc-cfg=otel_enhance_has_ebpf");
    }
}
