//! The command lines of a build, as pure functions.

use std::path::{Path, PathBuf};

use super::{OBJECT_VARIABLE, Options};
use crate::process::Invocation;

/// Everything that runs in the guest beside the agent.
const GUEST_EXECUTABLES: [&str; 5] = [
    "guest-runner",
    "probe",
    "workload",
    "null-lsm",
    "agent-host",
];
/// Cargo profile of the BPF programs; see the root Cargo.toml.
const BPF_PROFILE: &str = "bpf";
const BPF_TARGET: &str = "bpfel-unknown-none";
/// Separates flags in `CARGO_ENCODED_RUSTFLAGS`.
const FLAG_SEPARATOR: &str = "\x1f";

/// Compiles the BPF programs (`command`: build or clippy).
pub(super) fn bpf(options: &Options, command: &str) -> Invocation {
    // The flags of `aya-build`: the architecture whose registers the tracing
    // macros read, debug information to make BTF from, and BTF itself.
    let flags = [
        format!("--cfg=bpf_target_arch=\"{}\"", options.arch),
        "-Cdebuginfo=2".to_owned(),
        "-Clink-arg=--btf".to_owned(),
    ];
    let mut invocation = cargo(options, command)
        .args(["--package", "aegisbpf-programs", "--bins"])
        .args(["--profile", BPF_PROFILE, "--target", BPF_TARGET])
        .args(["-Z", "build-std=core"])
        .arg("--target-dir")
        .arg(bpf_target_dir(options))
        // `build-std` is unstable; nothing else needs a nightly compiler.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join(FLAG_SEPARATOR))
        .env(
            "CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER",
            &options.toolchain.linker,
        );
    if let Some(source) = &options.toolchain.core_source {
        // Where cargo looks for `core` when the sysroot has no sources.
        invocation = invocation.env("__CARGO_TESTS_ONLY_SRC_ROOT", source);
    }
    invocation
}

/// Where [`bpf`] leaves the object.
pub(super) fn bpf_object(options: &Options) -> PathBuf {
    bpf_target_dir(options)
        .join(BPF_TARGET)
        .join(BPF_PROFILE)
        .join("aegisbpf-programs")
}

/// Compiles the agent with the BPF object inside.
pub(super) fn agent(options: &Options, object: &Path) -> Invocation {
    static_bins(options, "aegisbpf", &["aegisbpf"]).env(OBJECT_VARIABLE, object)
}

/// Compiles what runs in the guest beside the agent.
///
/// A build of its own: in one build with the agent, cargo would unify the
/// features of their dependencies, and the agent under test would not be the
/// agent as shipped.
pub(super) fn guest(options: &Options) -> Invocation {
    static_bins(options, "harness-guest", &GUEST_EXECUTABLES)
}

/// Where [`agent`] and [`guest`] leave an executable.
pub(super) fn executable(options: &Options, name: &str) -> PathBuf {
    static_target_dir(options)
        .join(&options.host)
        .join("release")
        .join(name)
}

fn static_bins(options: &Options, package: &str, bins: &[&str]) -> Invocation {
    let mut invocation = cargo(options, "build")
        .args(["--release", "--package", package])
        // An explicit target keeps the static flag away from build scripts
        // and procedural macros.
        .args(["--target", &options.host]);
    for bin in bins {
        invocation = invocation.args(["--bin", bin]);
    }
    invocation
        .arg("--target-dir")
        .arg(static_target_dir(options))
        .env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static")
}

fn cargo(options: &Options, command: &str) -> Invocation {
    Invocation::new(&options.cargo)
        .arg(command)
        .dir(&options.source_root)
}

fn bpf_target_dir(options: &Options) -> PathBuf {
    options.target_dir.join("bpf")
}

fn static_target_dir(options: &Options) -> PathBuf {
    options.target_dir.join("static")
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::setup::BpfToolchain;

    fn options() -> Options {
        Options {
            source_root: "/src".into(),
            target_dir: "/src/target".into(),
            toolchain: BpfToolchain {
                linker: "/cache/bpf-linker".into(),
                core_source: None,
            },
            cargo: "cargo".into(),
            host: "x86_64-unknown-linux-gnu".into(),
            arch: "x86_64".into(),
        }
    }

    #[test]
    fn the_programs_are_built_with_a_core_of_their_own() {
        // Visible instead of the control character.
        let shown = |options: &Options| bpf(options, "build").to_string().replace('\x1f', " | ");
        assert_snapshot!(shown(&options()), @r#"cd /src && RUSTC_BOOTSTRAP=1 CARGO_ENCODED_RUSTFLAGS='--cfg=bpf_target_arch="x86_64" | -Cdebuginfo=2 | -Clink-arg=--btf' CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER=/cache/bpf-linker cargo build --package aegisbpf-programs --bins --profile bpf --target bpfel-unknown-none -Z build-std=core --target-dir /src/target/bpf"#);
        let mut elsewhere = options();
        elsewhere.toolchain.core_source = Some("/cache/rust-src/library".into());
        assert!(shown(&elsewhere).contains("SRC_ROOT=/cache/rust-src/library"));
    }

    #[test]
    fn the_agent_is_static_and_holds_the_object() {
        assert_snapshot!(agent(&options(), &bpf_object(&options())), @"cd /src && CARGO_ENCODED_RUSTFLAGS=-Ctarget-feature=+crt-static AEGISBPF_BPF_OBJECT=/src/target/bpf/bpfel-unknown-none/bpf/aegisbpf-programs cargo build --release --package aegisbpf --target x86_64-unknown-linux-gnu --bin aegisbpf --target-dir /src/target/static");
    }

    #[test]
    fn the_guest_is_static_and_built_apart_from_the_agent() {
        assert_snapshot!(guest(&options()), @"cd /src && CARGO_ENCODED_RUSTFLAGS=-Ctarget-feature=+crt-static cargo build --release --package harness-guest --target x86_64-unknown-linux-gnu --bin guest-runner --bin probe --bin workload --bin null-lsm --bin agent-host --target-dir /src/target/static");
    }

    #[test]
    fn the_results_are_where_cargo_leaves_them() {
        assert_snapshot!(executable(&options(), "probe").display(), @"/src/target/static/x86_64-unknown-linux-gnu/release/probe");
        assert_snapshot!(bpf_object(&options()).display(), @"/src/target/bpf/bpfel-unknown-none/bpf/aegisbpf-programs");
    }
}
