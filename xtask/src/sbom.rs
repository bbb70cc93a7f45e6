//! `cargo xtask sbom`: what the agent is made of, as CycloneDX.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::{
    exit_code::{ExitCode, OrExit as _},
    output,
    process::Invocation,
    workspace,
};

/// What ends up in the one executable: the agent, and the BPF programs in it.
const ROOTS: [&str; 2] = ["aegisbpf", "aegisbpf-programs"];

/// Print what the agent is made of, as CycloneDX 1.5 in JSON: every crate with
/// version, licence and digest, and which needs which.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// The task.
pub fn run(_: &Args) -> Result<ExitCode> {
    let text = Invocation::cargo()
        .dir(workspace::root())
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .stdout()
        .or_exit(ExitCode::Infrastructure)?;
    let metadata = serde_json::from_str(&text).or_exit(ExitCode::Infrastructure)?;
    let lock = std::fs::read_to_string(workspace::root().join("Cargo.lock"))
        .context("cannot read Cargo.lock")
        .or_exit(ExitCode::Infrastructure)?;
    let lock = toml::from_str(&lock).or_exit(ExitCode::Infrastructure)?;
    let bom = bom(&metadata, &lock, &ROOTS).or_exit(ExitCode::Infrastructure)?;
    output::print_json(&bom)?;
    Ok(ExitCode::Ok)
}

/// Of what `cargo metadata` says and `Cargo.lock` has; the first root is what
/// the document is about.
fn bom(metadata: &Value, lock: &Value, roots: &[&str]) -> Result<Value> {
    let packages = by_id(&metadata["packages"]);
    let nodes = by_id(&metadata["resolve"]["nodes"]);
    let mut needed: BTreeSet<&str> = BTreeSet::new();
    let mut open = Vec::new();
    for root in roots {
        let mut own = packages
            .iter()
            .filter(|(_, package)| package["name"] == *root && package["source"].is_null());
        let (id, _) = own
            .next()
            .with_context(|| format!("there is no package {root}"))?;
        open.push(*id);
    }
    let first = open[0];
    while let Some(id) = open.pop() {
        if needed.insert(id) {
            open.extend(needs(&nodes, id));
        }
    }
    let digests = digests(lock);
    let component = |id: &&str| component(packages[*id], &digests);
    let edges = needed.iter().map(|id| {
        let on: Vec<String> = needs(&nodes, id)
            .iter()
            .map(|id| reference(packages[*id]))
            .collect();
        json!({ "ref": reference(packages[*id]), "dependsOn": on })
    });
    let mut about = component(&first)?;
    about["type"] = "application".into();
    let others = needed.iter().filter(|id| **id != first);
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "tools": { "components": [{ "type": "application", "name": "cargo xtask sbom" }] },
            "component": about,
        },
        "components": others.map(component).collect::<Result<Vec<_>>>()?,
        "dependencies": edges.collect::<Vec<_>>(),
    }))
}

fn by_id(list: &Value) -> BTreeMap<&str, &Value> {
    let all = list.as_array().into_iter().flatten();
    all.filter_map(|one| Some((one["id"].as_str()?, one)))
        .collect()
}

/// What becomes part of it: not what only builds or tests it.
fn needs<'a>(nodes: &BTreeMap<&'a str, &'a Value>, id: &str) -> Vec<&'a str> {
    let deps = nodes.get(id).and_then(|node| node["deps"].as_array());
    let deps = deps.into_iter().flatten();
    let is_part = |dep: &&Value| {
        let mut kinds = dep["dep_kinds"].as_array().into_iter().flatten();
        kinds.any(|kind| kind["kind"].is_null())
    };
    let mut ids: Vec<&str> = deps
        .filter(is_part)
        .filter_map(|dep| dep["pkg"].as_str())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// A package by its address among packages; ours have none elsewhere.
fn reference(package: &Value) -> String {
    let text = |field: &str| package[field].as_str().unwrap_or_default();
    format!("pkg:cargo/{}@{}", text("name"), text("version"))
}

fn component(package: &Value, digests: &BTreeMap<String, String>) -> Result<Value> {
    let reference = reference(package);
    let Some(licence) = package["license"].as_str() else {
        bail!("{reference} says no licence: name it in its Cargo.toml, or do without it");
    };
    let mut component = json!({
        "type": "library",
        "bom-ref": reference,
        "name": package["name"],
        "version": package["version"],
        "licenses": [{ "expression": licence.replace('/', " OR ") }],
        "purl": reference,
    });
    if let Some(digest) = digests.get(&reference) {
        component["hashes"] = json!([{ "alg": "SHA-256", "content": digest }]);
    } else if !package["source"].is_null() {
        bail!("{reference} has no digest in Cargo.lock");
    }
    Ok(component)
}

/// Of what was downloaded.
fn digests(lock: &Value) -> BTreeMap<String, String> {
    let packages = lock["package"].as_array().into_iter().flatten();
    let digests = packages.filter_map(|package| {
        let digest = package["checksum"].as_str()?;
        Some((reference(package), digest.to_owned()))
    });
    digests.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata() -> Value {
        let package = |id: &str, source: Value| json!({ "id": id, "name": id, "version": "1.0.0", "license": "MIT/Apache-2.0", "source": source });
        let dep = |id: &str, kind: Value| json!({ "pkg": id, "dep_kinds": [{ "kind": kind }] });
        json!({
            "packages": [
                package("ours", json!(null)), package("part", json!("registry")),
                package("deep", json!("registry")), package("tester", json!("registry")),
                package("builder", json!("registry")),
            ],
            "resolve": { "nodes": [
                { "id": "ours", "deps": [
                    dep("part", json!(null)), dep("tester", json!("dev")), dep("builder", json!("build")),
                ] },
                { "id": "part", "deps": [dep("deep", json!(null))] },
                { "id": "deep", "deps": [] },
            ] },
        })
    }

    fn lock() -> Value {
        let package = |name: &str| json!({ "name": name, "version": "1.0.0", "checksum": "ab" });
        json!({ "package": [package("part"), package("deep"), { "name": "ours", "version": "1.0.0" }] })
    }

    #[test]
    fn it_lists_what_becomes_part_of_the_agent_and_nothing_else() {
        let bom = bom(&metadata(), &lock(), &["ours"]).unwrap();
        let components = bom["components"].as_array().unwrap();
        let names: Vec<&str> = components
            .iter()
            .map(|one| one["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["deep", "part"]);
        assert_eq!(bom["metadata"]["component"]["name"], "ours");
        assert_eq!(
            components[0]["licenses"][0]["expression"],
            "MIT OR Apache-2.0"
        );
        assert_eq!(components[0]["hashes"][0]["content"], "ab");
        assert_eq!(
            bom["dependencies"][1],
            json!({ "ref": "pkg:cargo/ours@1.0.0", "dependsOn": ["pkg:cargo/part@1.0.0"] })
        );
    }

    #[test]
    fn what_is_unknown_is_an_error_and_not_left_out() {
        let told = |metadata: &Value, lock: &Value, root: &str| {
            bom(metadata, lock, &[root]).unwrap_err().to_string()
        };
        assert_eq!(
            told(&metadata(), &lock(), "gone"),
            "there is no package gone"
        );
        let none = told(&metadata(), &json!({}), "ours");
        assert!(none.contains("has no digest in Cargo.lock"), "{none}");
        let mut silent = metadata();
        silent["packages"][2]["license"] = Value::Null;
        assert!(told(&silent, &lock(), "ours").contains("deep@1.0.0 says no licence"));
    }
}
