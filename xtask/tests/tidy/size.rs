//! How much code a person has to read to know the agent.

use std::{collections::BTreeMap, path::Path};

use crate::tree;

/// What an afternoon is for, agent and BPF programs together.
const PROMISED: usize = 6_000;
/// What there is to read today: more than promised. Lower it with whatever is
/// cut; it grows only with something that the agent has to do and did not (the
/// last were the network without BPF LSM, descriptors held from before a rule,
/// a canary at an interval and counts for each tenant).
const MOST: usize = 13_700;

/// Lines of code: neither blank, nor only a comment or an attribute for the
/// documentation, nor for tests. Braces count, as every counter counts them.
/// Gives also the names of the modules that are only for tests.
fn count(text: &str) -> (usize, Vec<String>) {
    let mut lines = text.lines();
    let (mut code, mut for_tests) = (0, Vec::new());
    while let Some(line) = lines.next() {
        let trimmed = line.trim();
        if trimmed == "#[cfg(test)]" {
            for_tests.extend(skip_item(&mut lines));
        } else if !trimmed.is_empty() && !trimmed.starts_with("//") {
            code += 1;
        }
    }
    (code, for_tests)
}

/// Skip an item as rustfmt writes it: up to a brace as far out as it began,
/// or a semicolon. Gives the name of a module in another file.
fn skip_item<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Option<String> {
    let first = lines.next()?;
    let indent = first.len() - first.trim_start().len();
    if let Some(item) = first.strip_suffix(';') {
        let (_, module) = item.rsplit_once("mod ")?;
        return Some(module.to_owned());
    }
    let end = format!("{}}}", &first[..indent]);
    lines.find(|line| *line == end);
    None
}

/// Lines by file, without the files that are only for tests.
fn lines_of(files: &BTreeMap<String, String>) -> BTreeMap<&str, usize> {
    let mut counted = BTreeMap::new();
    let mut for_tests = Vec::new();
    for (name, text) in files {
        let (code, modules) = count(text);
        counted.insert(name.as_str(), code);
        let folder = match name.strip_suffix(".rs") {
            Some(stem) if !name.ends_with("/mod.rs") && !name.ends_with("/lib.rs") => stem.into(),
            _ => Path::new(name).parent().unwrap_or(Path::new("")).to_owned(),
        };
        for_tests.extend(modules.iter().map(|module| folder.join(module)));
    }
    counted.retain(|name, _| {
        let stem = Path::new(name).with_extension("");
        !for_tests.iter().any(|module| stem.starts_with(module))
    });
    counted
}

fn is_read(name: &str) -> bool {
    let in_agent = name.starts_with("agent/src/") || name == "agent/build.rs";
    let is_rust = Path::new(name).extension() == Some("rs".as_ref());
    (in_agent || name.starts_with("ebpf/")) && is_rust
}

#[test]
fn agent_and_programs_shrink_towards_what_an_afternoon_is_for() {
    let files = tree::files();
    let files = files.iter().filter(|file| is_read(&file.name));
    let files: BTreeMap<String, String> = files
        .filter_map(|file| Some((file.name.clone(), file.text()?)))
        .collect();
    let counted = lines_of(&files);
    let total: usize = counted.values().sum();
    let mut largest: Vec<_> = counted.into_iter().collect();
    largest.sort_by_key(|(_, lines)| std::cmp::Reverse(*lines));
    let largest = &largest[..10];
    assert!(
        total <= MOST,
        "{total} lines of code, more than {MOST}; {PROMISED} are promised. The largest: {largest:#?}"
    );
    assert!(
        total + 300 > MOST || MOST == PROMISED,
        "only {total} lines of code: lower MOST, which is {MOST}"
    );
}

#[test]
fn tests_comments_and_blank_lines_do_not_count() {
    let text = "//! Doc.\n\nmod code;\n#[cfg(test)]\nmod fake;\n\n/// Doc.\nfn a() {\n    b(); // c\n}\n\n\
                #[cfg(test)]\nmod tests {\n    fn t() {\n    }\n}\n\nimpl A {\n    #[cfg(test)]\n    \
                fn for_tests() {\n        c();\n    }\n}\n";
    let files = BTreeMap::from([
        ("agent/src/lib.rs".to_owned(), text.to_owned()),
        ("agent/src/fake.rs".to_owned(), "fn f() {}\n".to_owned()),
        (
            "agent/src/fake/deep.rs".to_owned(),
            "fn f() {}\n".to_owned(),
        ),
        ("agent/src/code.rs".to_owned(), "fn f() {}\n".to_owned()),
    ]);
    let counted = lines_of(&files);
    let expected = [("agent/src/code.rs", 1), ("agent/src/lib.rs", 6)];
    assert_eq!(counted, BTreeMap::from(expected));
}
