//! A shell in the guest, for a person, when the steps of a cell are done.

use harness_proto::Action;

use crate::{
    expectation::{Expectation, Phase, PlannedAction, Program},
    outcome::FailCode,
};

/// Where the guest has it; every command of it is a name of this one file.
pub const BUSYBOX: &str = "/bin/busybox";
/// The serial port that a machine with a shell has more than others.
const PORT: &str = "/dev/ttyS2";
/// A person may take long: a day, in milliseconds.
const PATIENCE_MS: u64 = 24 * 60 * 60 * 1000;

/// Let a program wait for a shell to end: behind its last step, with the agent
/// still as the steps have left it, and before anything is taken away.
pub fn offer(program: &mut Program) {
    let of_steps = |planned: &PlannedAction| planned.phase == Phase::Steps;
    let last = program.actions.iter().rposition(of_steps);
    let at = last.map_or(program.actions.len(), |last| last + 1);
    // The leader of a session gets the terminal that it opens.
    let script = format!(
        "{BUSYBOX} mkdir -p /run/shell; {BUSYBOX} --install -s /run/shell; \
         export PATH=/run/shell:/usr/sbin:/usr/bin:/sbin:/bin HOME=/ TERM=linux PS1='guest# '; \
         sh -i <>{PORT} >&0 2>&1; true"
    );
    let words = [BUSYBOX, "setsid", BUSYBOX, "sh", "-c", &script];
    let shell = PlannedAction {
        action: Action::Run {
            argv: words.map(String::from).into(),
            deadline_ms: PATIENCE_MS,
        },
        expectation: Expectation::Ran {
            exit: 0,
            prints: None,
            says: String::new(),
            otherwise: FailCode::ProbeBroken,
        },
        phase: Phase::Steps,
        step: None,
    };
    program.actions.insert(at, shell);
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{adapter::AegisBpf, expand::expand};

    #[test]
    fn it_comes_when_the_steps_are_done_and_before_the_agent_goes() {
        let text = "id = \"x\"\ntitle = \"t\"\n[[step]]\ndo = \"start\"\nmode = \"enforce\"\n";
        let scenario = scenarios::catalogue::parse(Path::new("x.toml"), text).unwrap();
        let mut program = expand(&scenario, &AegisBpf).unwrap();
        let before = program.actions.len();
        offer(&mut program);
        assert_eq!(program.actions.len(), before + 1);
        let is_shell = |planned: &PlannedAction| matches!(&planned.action, Action::Run { argv, .. } if argv[0] == BUSYBOX);
        let at = program.actions.iter().position(is_shell).unwrap();
        assert_eq!(program.actions[at - 1].phase, Phase::Steps);
        assert!(
            program.actions[at + 1..]
                .iter()
                .all(|planned| planned.phase != Phase::Steps)
        );
        assert!(
            at + 1 < program.actions.len(),
            "the agent is ended behind it"
        );
    }
}
