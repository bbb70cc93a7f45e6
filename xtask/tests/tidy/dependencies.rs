//! Which crate of the workspace may use which: see ARCHITECTURE.md.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::MetadataCommand;
use xtask::workspace;

/// Each crate and the crates of this workspace it may depend on, in any way.
/// The agent and the proving ground never depend on each other.
const ALLOWED: [(&str, &[&str]); 12] = [
    ("aegisbpf-abi", &[]),
    ("aegisbpf-programs", &["aegisbpf-abi"]),
    ("aegisbpf", &["aegisbpf-abi"]),
    ("evidence", &[]),
    ("harness-proto", &[]),
    ("harness-guest", &["harness-proto"]),
    ("kernel-matrix", &[]),
    ("scenarios", &["harness-proto"]),
    ("perf", &["harness-proto"]),
    // The oracle shares no code with what it judges.
    ("model", &["harness-proto", "scenarios"]),
    (
        "harness",
        &[
            "harness-proto",
            "kernel-matrix",
            "model",
            "perf",
            "scenarios",
        ],
    ),
    (
        "xtask",
        &[
            "evidence",
            "harness",
            "harness-proto",
            "kernel-matrix",
            "model",
            "perf",
            "scenarios",
        ],
    ),
];

fn problems(edges: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let allowed: BTreeMap<_, _> = ALLOWED.into_iter().collect();
    let mut problems = Vec::new();
    for (package, dependencies) in edges {
        let Some(allowed) = allowed.get(&**package) else {
            problems.push(format!("{package}: say in this test what it may depend on"));
            continue;
        };
        for dependency in dependencies {
            if edges.contains_key(dependency) && !allowed.contains(&&**dependency) {
                problems.push(format!("{package} must not depend on {dependency}"));
            }
        }
    }
    problems
}

#[test]
fn dependencies_point_one_way() {
    let metadata = MetadataCommand::new()
        .manifest_path(workspace::root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo metadata");
    let edges: BTreeMap<_, _> = metadata
        .workspace_packages()
        .into_iter()
        .map(|package| {
            let names = package.dependencies.iter().map(|to| to.name.clone());
            (package.name.to_string(), names.collect())
        })
        .collect();
    for (package, _) in ALLOWED {
        assert!(edges.contains_key(package), "{package} is gone");
    }
    let problems = problems(&edges);
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn a_wrong_direction_and_an_unknown_crate_are_found() {
    let check = |edges: &[(&str, &[&str])], expected: &[&str]| {
        let edges = edges
            .iter()
            .map(|(from, to)| {
                let to = to.iter().map(ToString::to_string).collect();
                ((*from).to_owned(), to)
            })
            .collect();
        assert_eq!(problems(&edges), expected);
    };
    check(
        &[("aegisbpf", &["harness", "serde"]), ("harness", &[])],
        &["aegisbpf must not depend on harness"],
    );
    check(
        &[("new", &[])],
        &["new: say in this test what it may depend on"],
    );
}
