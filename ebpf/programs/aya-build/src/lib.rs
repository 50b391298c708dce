//! What the build scripts of aya-ebpf call.
//!
//! The line says for which architecture the registers of `pt_regs` are named. The programs name none, so that one
//! object is for all of them; a fixed one makes the object the same whatever machine builds it.

pub type Result<T> = std::result::Result<T, std::convert::Infallible>;

pub fn emit_bpf_target_arch_cfg() -> Result<()> {
    println!("cargo:rustc-check-cfg=cfg(bpf_target_arch, values(\"x86_64\"))");
    println!("cargo:rustc-cfg=bpf_target_arch=\"x86_64\"");
    Ok(())
}
