//! A bundle has no byte to spare: each one flipped, each file dropped, added or
//! renamed is refused. What is not even canonical JSON is, too.

mod fixture;

use evidence::{
    bundle::{Files, verify},
    collect,
    evaluate::sign_offs,
};
use fixture::{Fixture, ago, key, trust};

const TEXT: &str = r#"
version = 1
id = "two"
title = "Two"
[subject.commit]
what = "the sources"
commit_of = "."
[evidence.tests]
file = "junit.xml"
[[item]]
id = "tests"
area = "Quality"
text = "Tests pass"
priority = "P0"
owner = "engineering"
pass = "They do."
fail = "They do not."
[[item.predicate]]
evidence = "tests"
max_age = "2h"
about = ["commit"]
junit = {}
"#;

/// What the README's verifier asks: whole, signed, and signed off by enough.
fn is_accepted(files: &Files) -> bool {
    verify(files, &trust()).is_ok_and(|bundle| {
        let roles = sign_offs(&bundle, &trust());
        roles.iter().all(|role| role.signed.len() >= role.at_least)
    })
}

#[test]
fn every_flipped_byte_is_refused() {
    let files = Fixture::good(TEXT).files();
    assert!(is_accepted(&files));
    let mut flipped = 0;
    for (name, bytes) in &files {
        for at in 0..bytes.len() {
            for bit in [0x01, 0x20, 0x80] {
                let mut altered = files.clone();
                altered.get_mut(name).unwrap()[at] ^= bit;
                assert!(!is_accepted(&altered), "{name}: byte {at} ^ {bit:#x}");
                flipped += 1;
            }
        }
    }
    assert!(flipped > 5000, "only {flipped}");
}

#[test]
fn every_dropped_renamed_emptied_cut_or_longer_file_is_refused() {
    let files = Fixture::good(TEXT).files();
    assert!(files.len() >= 6, "{:?}", files.keys());
    for name in files.keys() {
        let mut dropped = files.clone();
        let bytes = dropped.remove(name).unwrap();
        assert!(!is_accepted(&dropped), "{name} dropped");
        for (what, content) in [
            ("emptied", Vec::new()),
            ("cut", bytes[..bytes.len() - 1].to_vec()),
            ("longer", [&bytes[..], b"\n"].concat()),
        ] {
            let mut altered = files.clone();
            altered.insert(name.clone(), content);
            assert!(!is_accepted(&altered), "{name} {what}");
        }
        let mut renamed = dropped.clone();
        renamed.insert(format!("{name}.bak"), bytes.clone());
        assert!(!is_accepted(&renamed), "{name} renamed");
        let mut more = files.clone();
        more.insert(format!("{name}.bak"), bytes);
        assert!(!is_accepted(&more), "{name} doubled");
    }
}

#[test]
fn signatures_of_others_and_of_other_bundles_are_refused() {
    let one = Fixture::good(TEXT);
    let mut other = one.clone();
    other.pieces.get_mut("tests").unwrap().made = ago(2);
    let (one, other) = (one.files(), other.files());
    for name in [
        "statement.json",
        "sign-offs/1.json",
        "sign-offs/2.json",
        "manifest.json",
    ] {
        let mut mixed = one.clone();
        mixed.insert(name.into(), other[name].clone());
        assert!(!is_accepted(&mixed), "{name} of another bundle");
    }
    // A collector does not release, nobody signs twice, strangers do not count.
    for (role, seed) in [
        ("release", 1),
        ("collector", 2),
        ("release", 2),
        ("release", 9),
    ] {
        let mut files = one.clone();
        collect::sign_off(&mut files, role, ago(0), &key(seed)).unwrap();
        assert!(!is_accepted(&files), "key {seed} as {role}");
    }
    let mut files = one;
    collect::sign_off(&mut files, "release", ago(0), &key(4)).unwrap();
    assert!(is_accepted(&files), "a third who may");
}
