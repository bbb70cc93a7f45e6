//! Sizes and names of files.

use std::path::Path;

use crate::tree;

/// Past this a file has more than one job.
const MOST_LINES: usize = 600;
/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 8] = [
    "util", "utils", "helper", "helpers", "common", "misc", "stuff", "shared",
];

fn problem(name: &str, lines: usize) -> Option<String> {
    let path = Path::new(name);
    if path.extension().is_none_or(|extension| extension != "rs") {
        return None;
    }
    if lines > MOST_LINES {
        return Some(format!(
            "{name} has {lines} lines, more than {MOST_LINES}: split it"
        ));
    }
    let plain = path.with_extension("");
    let empty = plain
        .components()
        .find(|part| EMPTY_NAMES.iter().any(|empty| part.as_os_str() == *empty))?;
    Some(format!(
        "{name}: `{}` does not say what is inside",
        empty.as_os_str().display()
    ))
}

#[test]
fn every_rust_file_is_short_and_named_after_its_job() {
    let problems: Vec<_> = tree::files()
        .iter()
        .filter_map(|file| problem(&file.name, file.text()?.lines().count()))
        .collect();
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn long_files_and_empty_names_are_found() {
    let check = |name, lines, found| assert_eq!(problem(name, lines).is_some(), found, "{name}");
    check("a/b.rs", 600, false);
    check("a/b.rs", 601, true);
    check("a/b.toml", 601, false);
    check("a/utils.rs", 1, true);
    check("helpers/b.rs", 1, true);
    check("a/commonly.rs", 1, false);
}
