use std::{collections::BTreeMap, path::Path};

use harness_proto::{BpfLink, Exit, LogStream, Observation, Verdict};
use serde_json::json;

use super::{Evidence, judge};
use crate::{
    adapter::AegisBpf,
    expand::expand,
    expectation::{Expectation, Program},
    outcome::{FailCode, InfraCode, Outcome},
    session::{End, Record, Transcript},
};

const NONCE: &str = "n1";

fn program(steps: &str) -> Program {
    let text = format!(
        "id = \"x\"\ntitle = \"t\"\n[[rule]]\nid = \"a\"\nfile = {{ path = \"/a\", operations = [\"read\", \"write\"] }}\n{steps}"
    );
    let scenario = scenarios::catalogue::parse(Path::new("x.toml"), &text).unwrap();
    expand(&scenario, &AegisBpf).unwrap()
}

fn transcript(observations: Vec<Observation>) -> Transcript {
    let records: Vec<Record> = (0..)
        .zip(observations)
        .map(|(index, observation)| Record {
            index,
            observation,
            micros: 1,
        })
        .collect();
    Transcript {
        end: End::Final {
            nonce: NONCE.into(),
            records: u32::try_from(records.len()).unwrap(),
        },
        records,
        logs: BTreeMap::new(),
        damaged: 0,
    }
}

fn outcome(program: &Program, transcript: &Transcript) -> Outcome {
    judge(Evidence {
        program,
        nonce: NONCE,
        transcript,
        console: "",
    })
}

/// Judge one step that needs nothing before it, with one observation.
fn one(step: &str, observation: Observation) -> Option<FailCode> {
    let mut program = program(&format!("[[step]]\n{step}"));
    program
        .actions
        .retain(|planned| planned.step == Some(0) && planned.action_is_not_a_write());
    match outcome(&program, &transcript(vec![observation])) {
        Outcome::Passed => None,
        Outcome::Failed { code, .. } => Some(code),
        other => panic!("{other:?}"),
    }
}

impl crate::expectation::PlannedAction {
    fn action_is_not_a_write(&self) -> bool {
        !matches!(self.action, harness_proto::Action::WriteFile { .. })
    }
}

fn denied(errno: i32) -> Observation {
    Observation::Probed(Verdict::Denied { errno })
}

#[test]
fn a_verdict_is_the_expected_one_or_a_failure_of_its_own_kind() {
    let allowed = Observation::Probed(Verdict::Allowed);
    let deny = "do = \"probe\"\nprobe = { open = { path = \"/a\" } }\nexpect = { denied = \"EPERM\" }\nno_teeth = \"t\"";
    let allow = "do = \"probe\"\nprobe = { open = { path = \"/a\" } }\nexpect = \"allowed\"";
    let broken = Observation::Probed(Verdict::Broken {
        message: "m".into(),
    });
    assert_eq!(one(deny, denied(1)), None);
    assert_eq!(one(deny, denied(13)), Some(FailCode::WrongErrno));
    assert_eq!(one(deny, allowed.clone()), Some(FailCode::NotDenied));
    assert_eq!(one(deny, broken), Some(FailCode::ProbeBroken));
    assert_eq!(one(allow, allowed), None);
    assert_eq!(one(allow, denied(1)), Some(FailCode::UnexpectedDeny));
    let kill = deny.replace("{ denied = \"EPERM\" }", "\"killed\"");
    let killed = |signal| Observation::Probed(Verdict::Killed { signal });
    assert_eq!(one(&kill, killed(9)), None);
    assert_eq!(one(&kill, killed(11)), Some(FailCode::WrongErrno));
    assert_eq!(one(&kill, denied(1)), Some(FailCode::WrongErrno));
}

#[test]
fn a_probe_whose_teeth_fail_is_told_from_one_that_is_not_denied() {
    let steps = "[[step]]\ndo = \"start\"\nmode = \"enforce\"\n[[step]]\ndo = \"probe\"\nprobe = { open = { path = \"/a\" } }\nexpect = { denied = \"EPERM\" }";
    let check = |control, step, negative, expected: Option<&str>| {
        let mut program = program(steps);
        let is_probe = |expectation: &Expectation| matches!(expectation, Expectation::Verdict(_));
        program
            .actions
            .retain(|planned| is_probe(&planned.expectation));
        let code = outcome(&program, &transcript(vec![control, step, negative])).code();
        assert_eq!(code.as_deref(), expected);
    };
    let allowed = || Observation::Probed(Verdict::Allowed);
    check(allowed(), denied(1), allowed(), None);
    check(denied(1), denied(1), allowed(), Some("control-failed"));
    check(allowed(), allowed(), allowed(), Some("not-denied"));
    check(allowed(), denied(1), denied(1), Some("negative-failed"));
}

#[test]
fn an_agent_that_does_not_get_ready_is_told_from_one_that_the_verifier_refused() {
    let start = "do = \"start\"\nmode = \"enforce\"";
    let spawned = |ready: bool, exit| Observation::Spawned {
        ready: ready.then(|| json!({"type": "ready"})),
        exit,
    };
    let status = |status| Some(Exit::Status(status));
    let check = |observation, expected| {
        let mut program = program(&format!("[[step]]\n{start}"));
        program.actions.truncate(2);
        let transcript = transcript(vec![Observation::Done, observation]);
        let code = outcome(&program, &transcript).code();
        assert_eq!(code.as_deref(), expected);
    };
    check(spawned(true, None), None);
    check(spawned(false, None), Some("agent-not-ready"));
    check(spawned(false, status(1)), Some("agent-exit"));
    check(spawned(false, status(7)), Some("verifier"));
}

#[test]
fn a_refusal_needs_the_exit_status_and_the_words() {
    let start = "[[step]]\ndo = \"start\"\nmode = \"enforce\"\nexpect = { refused = { exit = 3, says = \"no BPF LSM\" } }";
    let check = |ready: bool, status, stderr: &str, expected: Option<&str>| {
        let mut program = program(start);
        program.actions.truncate(2);
        let mut transcript = transcript(vec![
            Observation::Done,
            Observation::Spawned {
                ready: ready.then(|| json!({})),
                exit: Some(Exit::Status(status)),
            },
        ]);
        let key = ("agent-1".to_owned(), LogStream::Stderr);
        transcript.logs.insert(key, stderr.into());
        let code = outcome(&program, &transcript).code();
        assert_eq!(code.as_deref(), expected, "{stderr}");
    };
    check(false, 3, "error: no BPF LSM here", None);
    check(false, 3, "error: something else", Some("agent-exit"));
    check(false, 1, "error: no BPF LSM here", Some("agent-exit"));
    check(true, 3, "no BPF LSM", Some("state-mismatch"));
}

#[test]
fn links_are_compared_by_link_and_program_id() {
    let steps = "[[step]]\ndo = \"links\"\nexpect = { remember = \"before\" }\n[[step]]\ndo = \"links\"\nexpect = { same-as = \"before\" }";
    let links = |ids: &[(u32, u32)]| {
        let link = |&(id, program_id): &(u32, u32)| BpfLink { id, program_id };
        Observation::BpfLinks(ids.iter().map(link).collect())
    };
    let check = |first: &[(u32, u32)], second: &[(u32, u32)], expected: Option<&str>| {
        let transcript = transcript(vec![links(first), links(second)]);
        let code = outcome(&program(steps), &transcript).code();
        assert_eq!(code.as_deref(), expected);
    };
    check(&[(1, 10), (2, 11)], &[(1, 10), (2, 11)], None);
    check(&[(1, 10)], &[(1, 12)], Some("adoption"));
    check(&[(1, 10)], &[(1, 10), (2, 11)], Some("adoption"));
    check(&[], &[], Some("state-mismatch"));
    let none = "do = \"links\"\nexpect = \"none\"";
    assert_eq!(one(none, links(&[])), None);
    assert_eq!(one(none, links(&[(1, 1)])), Some(FailCode::LeftoverLinks));
}

#[test]
fn a_health_report_is_held_against_status_and_fields() {
    let step = "do = \"health\"\nmatches = { mode = \"enforce\" }";
    let ran = |status, stdout: &str| Observation::Ran {
        exit: Some(Exit::Status(status)),
        stdout: stdout.into(),
        stderr: String::new(),
    };
    let mismatch = Some(FailCode::StateMismatch);
    assert_eq!(one(step, ran(0, r#"{"mode": "enforce", "x": 1}"#)), None);
    assert_eq!(one(step, ran(0, r#"{"mode": "audit"}"#)), mismatch);
    assert_eq!(one(step, ran(6, r#"{"mode": "enforce"}"#)), mismatch);
    assert_eq!(one(step, ran(0, "enforce")), mismatch);
}

#[test]
fn events_are_counted_to_the_one() {
    let start = "[[step]]\ndo = \"start\"\nmode = \"enforce\"\n";
    let check = |step: &str, count, expected: Option<&str>| {
        let mut program = program(&format!("{start}[[step]]\n{step}"));
        program.actions.retain(|planned| planned.step == Some(1));
        let last = (count > 0).then(|| json!({"type": "denial"}));
        let transcript = transcript(vec![Observation::Lines { count, last }]);
        let code = outcome(&program, &transcript).code();
        assert_eq!(code.as_deref(), expected, "{step}: {count}");
    };
    let at_least = "do = \"event\"\nmatches = { type = \"denial\" }\ncount = 2";
    let exactly = format!("{at_least}\nexactly = true");
    let none = "do = \"no-event\"\nmatches = { type = \"denial\" }";
    for step in [at_least, &exactly] {
        check(step, 1, Some("event-missing"));
        check(step, 2, None);
    }
    check(at_least, 3, None);
    check(&exactly, 3, Some("event-unexpected"));
    check(none, 0, None);
    check(none, 1, Some("event-unexpected"));
}

#[test]
fn an_agent_ends_and_answers_as_it_should() {
    let steps = "[[step]]\ndo = \"start\"\nmode = \"enforce\"\n[[step]]\ndo = \"reload\"\n[[step]]\ndo = \"kill\"\nsignal = \"SIGTERM\"";
    let check = |answer: Option<&str>, exit, expected: Option<&str>| {
        let mut program = program(steps);
        let is_asked = |expectation: &Expectation| {
            matches!(
                expectation,
                Expectation::Answer(_) | Expectation::Ended { .. }
            )
        };
        program
            .actions
            .retain(|planned| planned.step.is_some() && is_asked(&planned.expectation));
        let last = answer.map(|result| json!({"type": "policy", "result": result}));
        let transcript = transcript(vec![
            Observation::Lines { count: 1, last },
            Observation::Exited(exit),
        ]);
        let code = outcome(&program, &transcript).code();
        assert_eq!(code.as_deref(), expected, "{answer:?} {exit:?}");
    };
    let well = Some(Exit::Status(0));
    check(Some("applied"), well, None);
    check(Some("refused"), well, Some("reload"));
    check(None, well, Some("reload"));
    check(Some("applied"), Some(Exit::Status(1)), Some("agent-exit"));
    check(Some("applied"), Some(Exit::Signal(15)), Some("agent-exit"));
    check(Some("applied"), None, Some("timeout"));
}

#[test]
fn only_a_complete_account_of_this_cell_passes() {
    let program = program("[[step]]\ndo = \"links\"\nexpect = \"none\"");
    let whole = || transcript(vec![Observation::BpfLinks(vec![])]);
    let check = |change: &dyn Fn(&mut Transcript), expected: Option<&str>| {
        let mut transcript = whole();
        change(&mut transcript);
        let code = outcome(&program, &transcript).code();
        assert_eq!(code.as_deref(), expected);
    };
    let ending = |nonce: &str, records| End::Final {
        nonce: nonce.into(),
        records,
    };
    check(&|_| {}, None);
    check(&|seen| seen.end = ending("n2", 1), Some("bad-final"));
    check(&|seen| seen.end = ending(NONCE, 2), Some("bad-final"));
    check(&|seen| seen.records.clear(), Some("bad-final"));
    // A guest that left something out and says so.
    let nothing_done = |seen: &mut Transcript| {
        seen.records.clear();
        seen.end = ending(NONCE, 0);
    };
    check(&nothing_done, Some("bad-final"));
    check(&|seen| seen.records[0].index = 1, Some("bad-final"));
    check(&|seen| seen.end = End::Closed, Some("guest-died"));
    check(&|seen| seen.end = End::NeverStarted, Some("timeout"));
    check(
        &|seen| seen.end = End::Fatal("no file".into()),
        Some("harness"),
    );
}

#[test]
fn what_explains_more_is_reported() {
    let program = program("[[step]]\ndo = \"links\"\nexpect = \"none\"");
    let link = BpfLink {
        id: 1,
        program_id: 1,
    };
    let mut transcript = transcript(vec![Observation::BpfLinks(vec![link])]);
    transcript.end = End::Closed;
    let judged = |console| {
        judge(Evidence {
            program: &program,
            nonce: NONCE,
            transcript: &transcript,
            console,
        })
        .code()
    };
    assert_eq!(judged("").as_deref(), Some("leftover-links"));
    let panic = "Kernel panic - not syncing: x";
    assert_eq!(judged(panic).as_deref(), Some("kernel-panic"));
}

#[test]
fn an_answer_of_the_wrong_kind_is_the_harness_s_own_trouble() {
    let program = program("[[step]]\ndo = \"links\"\nexpect = \"none\"");
    let judged = outcome(&program, &transcript(vec![Observation::Done]));
    let Outcome::Infra { code, reason } = judged else {
        panic!("{judged:?}");
    };
    assert_eq!(code, InfraCode::Harness);
    assert!(reason.starts_with("steps, step 1: "), "{reason}");
}

#[test]
fn of_a_verifiers_log_the_program_and_the_complaint_are_told() {
    let log = "aegisbpf: the verifier refused program file_open: Permission denied (os error 13)\n\
        0: R1=ctx(off=0,imm=0)\n7: (79) r1 = *(u64 *)(r6 +8)\n\
        R6 invalid mem access 'scalar'\nprocessed 7 insns (limit 1000000) max_states_per_insn 0\n";
    let told = "aegisbpf: the verifier refused program file_open: Permission denied (os error 13): \
        R6 invalid mem access 'scalar'";
    assert_eq!(super::point(log).unwrap(), told);
    assert_eq!(super::point("a\nb \n\n").unwrap(), "b");
    assert_eq!(super::point("\n"), None);
}
