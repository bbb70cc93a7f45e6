//! A scenario where no agent is held against its rules: none runs, which shows
//! that the scenario itself is sound, or an idle one, which must change nothing.
//!
//! ```text
//! setup → control → control → (start) → steps → (release)
//! ```
//!
//! The second control shows that each tooth leaves the machine as it found it.
//! In the steps, whatever an agent must refuse comes to what its control says.

use harness_proto::Action;
use scenarios::{
    Expect, Mode, Scenario, Step,
    schema::{Errno, StartExpect},
};

use super::{Expansion, fault, making::making, teeth};
use crate::{
    adapter::{Adapter, Role, Rules},
    expectation::{Expectation, Phase, PlannedAction, Program},
};

/// Setup and controls: the second control shows that each tooth leaves the
/// machine as it found it.
fn without_anything(scenario: &Scenario) -> Vec<PlannedAction> {
    let planned = |phase, step, (action, expectation)| PlannedAction {
        action,
        expectation,
        phase,
        step,
    };
    let setups = scenario.setup.iter();
    let setups = setups.map(|setup| planned(Phase::Setup, None, making(setup)));
    let teeth = teeth::of(scenario);
    let teeth = teeth.iter().chain(&teeth).flat_map(|tooth| {
        let parts = tooth.actions(true);
        parts.map(|part| planned(Phase::Control, Some(tooth.step), part))
    });
    setups.chain(teeth).collect()
}

/// Expand a scenario for an agent that has no part in it.
pub fn expand_idle(scenario: &Scenario, adapter: &dyn Adapter) -> Program {
    let runs = adapter.role() == Role::Idle;
    let mut agent = Expansion::new(scenario, adapter);
    let mut actions = without_anything(scenario);
    let mut faults = Vec::new();
    if runs {
        agent.phase = Phase::Steps;
        let start = agent.start(
            (Mode::Enforce, &[]),
            None,
            &adapter.policy(&Rules::default()),
            &StartExpect::Ready,
        );
        debug_assert_eq!(start, Ok(()), "none runs yet");
        actions.append(&mut agent.actions);
    }
    let mut push = |phase, step, (action, expectation): (Action, Expectation)| {
        actions.push(PlannedAction {
            action,
            expectation,
            phase,
            step,
        });
    };
    for (index, step) in scenario.steps.iter().enumerate() {
        let index = Some(index);
        match step {
            Step::Fault { name, fault } if !fault.is_of_process() => {
                push(
                    Phase::Steps,
                    index,
                    fault::injecting(name.as_deref(), fault, ""),
                );
                faults.push(fault::called(name.as_deref(), fault));
            }
            Step::Lift { fault } if faults.contains(&fault.as_str()) => {
                push(Phase::Steps, index, fault::lifting(fault));
            }
            Step::Make { make } => push(Phase::Steps, index, making(make)),
            Step::Hold { .. } => {
                let opened = teeth::hold(step).into_iter();
                for hold in opened {
                    push(Phase::Steps, index, (hold, allowed()));
                }
            }
            Step::Probe {
                probe,
                run_as,
                expect,
                control,
                undo,
                ..
            } => {
                let refused = is_of_agent(expect);
                let verdict = if refused { control } else { expect };
                let task = Action::Probe(teeth::task(probe, run_as));
                push(
                    Phase::Steps,
                    index,
                    (task, Expectation::Verdict(verdict.clone())),
                );
                for undo in undo.iter().filter(|_| refused) {
                    push(Phase::Steps, index, making(undo));
                }
            }
            // Its teeth are all that can be seen of it.
            Step::Storm { .. }
            | Step::Start { .. }
            | Step::Reload { .. }
            | Step::Apply { .. }
            | Step::Unchanged { .. }
            | Step::Kill { .. }
            | Step::Signal { .. }
            | Step::Suspend { .. }
            | Step::Fault { .. }
            | Step::Lift { .. }
            | Step::Ends { .. }
            | Step::Accounting { .. }
            | Step::Detach { .. }
            | Step::Event { .. }
            | Step::NoEvent { .. }
            | Step::Health { .. }
            | Step::Links { .. } => {}
        }
    }
    agent.release();
    actions.append(&mut agent.actions);
    Program {
        idle: true,
        ..Program::of(actions)
    }
}

const fn allowed() -> Expectation {
    Expectation::Verdict(Expect::Allowed)
}

/// Whether it is an agent that refuses so. What a kernel says by itself has
/// another errno.
const fn is_of_agent(expect: &Expect) -> bool {
    matches!(expect, Expect::Killed | Expect::Denied(Errno::EPERM))
}
