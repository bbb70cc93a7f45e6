//! Finds the BPF object that is built into the agent.

use std::{env, path::Path, process};

/// Set by `cargo xtask build`.
const OBJECT: &str = "AEGISBPF_BPF_OBJECT";

fn main() {
    println!("cargo::rerun-if-env-changed={OBJECT}");
    let folder = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    // Where `cargo xtask build` leaves it, for plain `cargo build` and editors.
    let object = env::var(OBJECT).unwrap_or_else(|_| {
        format!("{folder}/../target/bpf/bpfel-unknown-none/bpf/aegisbpf-programs")
    });
    if !Path::new(&object).is_file() {
        eprintln!(
            "the BPF object {object} is missing: run `cargo xtask build` once, or set {OBJECT}"
        );
        process::exit(1);
    }
    println!("cargo::rerun-if-changed={object}");
    println!("cargo::rustc-env={OBJECT}={object}");
}
