//! What the harness believes the agent can say is in the agent's sources.
//! Otherwise a renamed field would leave `no-event` steps that pass for ever.

use std::collections::BTreeSet;

use harness::{
    Adapter as _, AegisBpf,
    adapter::vocabulary::{Field, Shape},
};

use crate::tree;

/// The same for `would-deny`, `would_deny` and `WouldDeny`.
fn plain(word: &str) -> String {
    word.replace(['-', '_'], "").to_lowercase()
}

fn words_of_sources() -> BTreeSet<String> {
    let is_source = |name: &str| name.starts_with("agent/src/") || name.starts_with("ebpf/abi/");
    let no_word = |c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-');
    tree::files()
        .iter()
        .filter(|file| is_source(&file.name))
        .filter_map(tree::File::text)
        .flat_map(|text| text.split(no_word).map(plain).collect::<Vec<_>>())
        .collect()
}

fn words_of(fields: &[Field]) -> Vec<&'static str> {
    let mut words = Vec::new();
    for field in fields {
        words.push(field.name);
        match field.shape {
            Shape::Word(these) => words.extend(these),
            Shape::Table(inner) | Shape::Rows(inner) | Shape::Named(inner) => {
                words.extend(words_of(inner));
            }
            Shape::Flag | Shape::Number | Shape::Text | Shape::Rule | Shape::List => {}
        }
    }
    words
}

#[test]
fn every_word_that_scenarios_may_ask_for_is_one_that_the_agent_has() {
    let vocabulary = AegisBpf.vocabulary();
    let mut words = words_of(vocabulary.health);
    words.extend(words_of(vocabulary.applied));
    for line in vocabulary.lines {
        words.push(line.kind);
        words.extend(words_of(&line.all()));
    }
    let known = words_of_sources();
    let gone: BTreeSet<&str> = words
        .into_iter()
        .filter(|word| !known.contains(&plain(word)))
        .collect();
    assert!(
        gone.is_empty(),
        "not in the agent's sources any more: {gone:?}; \
         correct harness/src/adapter/aegisbpf/vocabulary.rs and the scenarios"
    );
}
