use super::{Answer, Step, log};
use crate::{
    cause::Cause,
    checklist::Checklist,
    evaluate::{Decision, ItemResult, PredicateResult, tests::decision},
};

const ITEM: &str = "[[item]]\nid = \"ID\"\narea = \"A\"\npriority = \"P0\"\ntext = \"t\"\nowner = \"o\"\npass = \"p\"\nfail = \"f\"\n\
    predicate = [{ evidence = \"e\", max_age = \"1day\", about = [\"s\"], junit = {} }]\nphase = PHASE\n";

fn checklist(phases: &[&str]) -> Checklist {
    let mut text =
        "version = 1\nid = \"r\"\ntitle = \"R\"\n[subject.s]\nwhat = \"s\"\nfile = \"s\"\n\
        [evidence.e]\nfile = \"e\"\n"
            .to_owned();
    for (number, phase) in phases.iter().enumerate() {
        text += &ITEM
            .replace("ID", &format!("phase-{number}"))
            .replace("PHASE", phase);
    }
    Checklist::parse("r.toml", &text).unwrap_or_else(|error| panic!("{error}"))
}

fn decided(checklist: &Checklist, causes: &[&[Cause]]) -> Decision {
    let items = checklist.items.iter().zip(causes).map(|(item, causes)| {
        let predicate = PredicateResult {
            evidence: "e".into(),
            kind: "junit".into(),
            digest: None,
            made: None,
            fresh_until: None,
            shown: None,
            causes: causes.to_vec(),
        };
        ItemResult::new(item, vec![predicate])
    });
    let items: Vec<ItemResult> = items.collect();
    let rollout = super::decide(checklist, &items);
    Decision {
        items,
        rollout,
        ..decision()
    }
}

#[test]
fn a_phase_is_promoted_held_or_rolled_back_and_none_is_left_out() {
    use Step::{Hold, NotReached, Promote, Rollback};
    let checklist = checklist(&["{}", "{ if_failed = \"hold\" }", "{}"]);
    let failed = || Cause::failed("too many");
    let unsure = || Cause::inconclusive("too few");
    let missing = || Cause::Missing { why: None };
    let check = |causes: &[&[Cause]], at: &str, step: Step, steps: &[Step]| {
        let rollout = decided(&checklist, causes).rollout.unwrap();
        assert_eq!(
            (rollout.at.as_str(), rollout.step),
            (at, step),
            "{causes:?}"
        );
        let found: Vec<Step> = rollout.phases.iter().map(|phase| phase.step).collect();
        assert_eq!(found, steps, "{causes:?}");
    };
    check(
        &[&[], &[], &[]],
        "phase-2",
        Promote,
        &[Promote, Promote, Promote],
    );
    check(
        &[&[], &[], &[failed()]],
        "phase-2",
        Rollback,
        &[Promote, Promote, Rollback],
    );
    check(
        &[&[], &[failed()], &[]],
        "phase-1",
        Hold,
        &[Promote, Hold, NotReached],
    );
    check(
        &[&[failed()], &[], &[]],
        "phase-0",
        Rollback,
        &[Rollback, NotReached, NotReached],
    );
    check(
        &[&[missing()], &[], &[]],
        "phase-0",
        Hold,
        &[Hold, NotReached, NotReached],
    );
    check(
        &[&[], &[], &[unsure()]],
        "phase-2",
        Hold,
        &[Promote, Promote, Hold],
    );
    check(
        &[&[], &[], &[unsure(), failed()]],
        "phase-2",
        Rollback,
        &[Promote, Promote, Rollback],
    );
}

#[test]
fn a_checklist_without_phases_is_no_rollout() {
    assert_eq!(decision().rollout, None);
}

#[test]
fn a_log_tells_what_was_decided_and_shows_when_a_line_was_touched() {
    let checklist = checklist(&["{}"]);
    let mut text = String::new();
    for causes in [
        vec![],
        vec![Cause::failed("too many")],
        vec![Cause::inconclusive("few")],
    ] {
        text = log::append(&text, &decided(&checklist, &[&causes])).unwrap();
    }
    let events = log::read(&text).unwrap();
    let steps: Vec<Step> = events.iter().map(|event| event.step).collect();
    assert_eq!(steps, [Step::Promote, Step::Rollback, Step::Hold]);
    assert_eq!(events[1].causes, ["e: failed: too many"]);
    assert_eq!(events[2].answer, Answer::Inconclusive);
    // A decision about no rollout adds nothing.
    assert_eq!(log::append(&text, &decision()).unwrap(), text);
    let lines: Vec<&str> = text.lines().collect();
    for (spoilt, told) in [
        (
            format!("{}\n{}\n", lines[0], lines[2]),
            "line 2 does not follow",
        ),
        (
            format!("{}\n{}\n", lines[1], lines[2]),
            "line 1 does not follow",
        ),
        (
            text.replace("too many", "too much"),
            "line 3 does not follow",
        ),
        (text.replace("\"at\"", " \"at\""), "line 1 is no event"),
        (format!("{text}{{}}\n"), "line 4 is no event"),
    ] {
        let error = log::append(&spoilt, &decision()).unwrap_err();
        assert!(error.to_string().starts_with(told), "{error}");
    }
}

#[test]
fn a_phase_that_could_be_waived_or_is_judged_by_too_short_a_window_is_refused() {
    let check = |from: &str, to: &str, expected: &str| {
        let text = "version = 1\nid = \"r\"\ntitle = \"R\"\n[subject.s]\nwhat = \"s\"\nfile = \"s\"\n[evidence.e]\n\
            prometheus = { url = \"http://a\", query = \"b\", window = \"1h\" }\n"
            .to_owned()
            + &ITEM
                .replace("junit = {}", "prometheus = { below = 1 }")
                .replace("ID", "a")
                .replace("PHASE", "{ duration = \"24h\" }");
        let told = match Checklist::parse("r.toml", &text.replace(from, to)) {
            Ok(_) => "accepted".to_owned(),
            Err(mistake) => mistake.to_string(),
        };
        assert!(told.contains(expected), "{told}");
    };
    check("\"1h\"", "\"24h\"", "accepted");
    check(
        "\"1h\"",
        "\"1h\"",
        "`e` looks back 1h only, and the phase lasts 1day",
    );
    check(
        ", window = \"1h\"",
        "",
        "`e` looks back 0s only, and the phase lasts 1day",
    );
    check("priority = \"P0\"", "priority = \"P1\"", "a phase is P0");
    check("duration", "durration", "did you mean `duration`?");
}
