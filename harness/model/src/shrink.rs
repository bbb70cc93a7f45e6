//! Smaller cases of one that fails. Pure: which of them still fail is found out
//! elsewhere, many at a time.

use harness_proto::Item;

use crate::case::Case;

/// Cases that are smaller than this one, the boldest first. When none of them
/// fails it is minimal.
pub fn candidates(case: &Case, failing: usize) -> Vec<Case> {
    let mut all = Vec::new();
    let mut add = |candidate: Case| {
        if size(&candidate) < size(case) && candidate.is_sound() && !all.contains(&candidate) {
            all.push(candidate);
        }
    };
    let alone = vec![case.attempts[failing].clone()];
    let upto = case.attempts[..=failing].to_vec();
    for attempts in [&alone, &upto] {
        for rule in &case.rules {
            add(Case {
                rules: vec![rule.clone()],
                attempts: attempts.clone(),
                ..case.clone()
            });
        }
        add(Case {
            attempts: attempts.clone(),
            ..case.clone()
        });
    }
    for part in parts(upto.len()) {
        let mut attempts = upto.clone();
        attempts.drain(part);
        add(Case {
            attempts,
            ..case.clone()
        });
    }
    for at in 0..case.rules.len() {
        let mut rules = case.rules.clone();
        rules.remove(at);
        add(Case {
            rules,
            ..case.clone()
        });
    }
    add(without_unnamed(case));
    for part in parts(case.world.items.len()) {
        let mut smaller = case.clone();
        smaller.world.items.drain(part);
        add(smaller);
    }
    for at in 0..case.rules.len() {
        for rule in simpler(&case.rules[at]) {
            let mut rules = case.rules.clone();
            rules[at] = rule;
            add(Case {
                rules,
                ..case.clone()
            });
        }
    }
    for at in 0..case.attempts.len() {
        if case.attempts[at].by != 0 {
            let mut attempts = case.attempts.clone();
            attempts[at].by = 0;
            add(Case {
                attempts,
                ..case.clone()
            });
        }
    }
    all
}

/// Parts of a list that may be left out: halves, quarters, and so on.
fn parts(length: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let sizes = std::iter::successors(Some(length / 2), |size| Some(size / 2));
    sizes.take_while(|size| *size > 0).flat_map(move |size| {
        let starts = (0..length).step_by(size);
        starts.map(move |start| start..(start + size).min(length))
    })
}

/// What a smaller case has less of.
pub fn size(case: &Case) -> usize {
    let rules = case.rules.iter().map(|rule| {
        let named = match &rule.target {
            scenarios::Target::File { operations, .. } if operations.is_empty() => 11,
            scenarios::Target::File { operations, .. } => operations.len(),
            _ => 1,
        };
        50 + named + 12 * (rule.scope.len() + rule.except.len())
    });
    let by_others = case.attempts.iter().filter(|attempt| attempt.by != 0);
    100 * case.attempts.len()
        + rules.sum::<usize>()
        + 10 * case.world.items.len()
        + by_others.count()
}

/// Without everything that no attempt and no rule comes near.
fn without_unnamed(case: &Case) -> Case {
    let text = serde_json::to_string(&(&case.rules, &case.attempts)).unwrap_or_default();
    let mut smaller = case.clone();
    smaller
        .world
        .items
        .retain(|item| text.contains(path_of(item)));
    smaller
}

fn path_of(item: &Item) -> &str {
    match item {
        Item::Folder(path)
        | Item::File(path)
        | Item::Tmpfs(path)
        | Item::Program { path, .. }
        | Item::Symlink { path, .. }
        | Item::Link { path, .. }
        | Item::Bind { to: path, .. } => path,
    }
}

fn simpler(rule: &scenarios::Rule) -> Vec<scenarios::Rule> {
    let mut all = Vec::new();
    let mut changed = |change: &dyn Fn(&mut scenarios::Rule)| {
        let mut simpler = rule.clone();
        change(&mut simpler);
        all.push(simpler);
    };
    changed(&|rule| rule.scope.clear());
    changed(&|rule| rule.except.clear());
    for at in 0..rule.scope.len() {
        changed(&|rule| drop(rule.scope.remove(at)));
    }
    for at in 0..rule.except.len() {
        changed(&|rule| drop(rule.except.remove(at)));
    }
    if let scenarios::Target::File { operations, .. } = &rule.target {
        for operation in operations {
            changed(&|rule| {
                if let scenarios::Target::File { operations, .. } = &mut rule.target {
                    *operations = vec![*operation];
                }
            });
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::{candidates, size};
    use crate::{
        case::{Abilities, Case},
        generate,
        oracle::foretell,
    };

    #[test]
    fn every_candidate_is_smaller_and_can_be_made_and_told() {
        for number in 0..20 {
            let case = generate::case(5, number, Abilities::ALL);
            for candidate in candidates(&case, 60) {
                assert!(size(&candidate) < size(&case));
                assert!(candidate.is_sound());
                foretell(&candidate, true);
            }
        }
    }

    /// As the search does it, with a fault that can be seen without a machine.
    fn shrink(mut case: Case, fails: impl Fn(&Case) -> Option<usize>) -> Case {
        while let Some(smaller) = fails(&case).and_then(|failing| {
            let mut all = candidates(&case, failing).into_iter();
            all.find(|case| fails(case).is_some())
        }) {
            case = smaller;
        }
        case
    }

    #[test]
    fn what_is_left_in_the_end_is_one_attempt_and_its_rule() {
        let fails = |case: &Case| {
            let foretold = foretell(case, true);
            foretold.iter().position(|one| {
                one.decided()
                    .is_some_and(|it| it.action != scenarios::rule::Action::Audit)
            })
        };
        let mut shrunk = 0;
        for number in 0..10 {
            let case = generate::case(5, number, Abilities::ALL);
            if fails(&case).is_some() {
                let smallest = shrink(case, fails);
                assert_eq!((smallest.rules.len(), smallest.attempts.len()), (1, 1));
                shrunk += 1;
            }
        }
        assert!(shrunk > 5);
    }
}
