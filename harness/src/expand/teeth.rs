//! The probes that must be refused, and what shows that it is the rule that
//! refuses them.

use harness_proto::{Action, Hold, Probe, RunAs, Task};
use scenarios::{Expect, Scenario, Setup, Step};

use super::making::making;
use crate::expectation::Expectation;

/// One probe to be repeated without the agent and without its rule.
pub(super) struct Tooth<'a> {
    /// The step that has it.
    pub(super) step: usize,
    task: Task,
    /// What must come of it then.
    control: Expect,
    /// What puts right what it has done.
    undo: &'a [Setup],
    /// What opens the descriptor that it uses.
    hold: Option<Action>,
}

impl Tooth<'_> {
    /// The probe, with what it needs before and after. What was held since the
    /// steps shows in the negative that the rule is gone, so it is opened only
    /// for the control.
    pub(super) fn actions(&self, opens: bool) -> impl Iterator<Item = (Action, Expectation)> {
        let hold = self.hold.iter().filter(move |_| opens).cloned();
        let hold = hold.map(|hold| (hold, Expectation::Verdict(Expect::Allowed)));
        let probe = (
            Action::Probe(self.task.clone()),
            Expectation::Verdict(self.control.clone()),
        );
        hold.chain([probe]).chain(self.undo.iter().map(making))
    }
}

/// The teeth of a scenario, once each. Without an agent nothing can be told
/// from its absence: a scenario that starts none is about the probes themselves.
pub(super) fn of(scenario: &Scenario) -> Vec<Tooth<'_>> {
    let starts = |step: &Step| matches!(step, Step::Start { .. });
    if !scenario.steps.iter().any(starts) {
        return Vec::new();
    }
    let mut teeth: Vec<Tooth<'_>> = Vec::new();
    for (index, step) in scenario.steps.iter().enumerate() {
        if let Step::Storm { storm } = step {
            teeth.push(Tooth {
                step: index,
                task: task(&super::storm::tooth(storm), &RunAs::default()),
                control: Expect::Allowed,
                undo: &[],
                hold: None,
            });
        }
        let Step::Probe {
            probe,
            run_as,
            expect,
            control,
            undo,
            no_teeth: None,
        } = step
        else {
            continue;
        };
        let task = task(probe, run_as);
        if expect.is_refusal() && !teeth.iter().any(|known| known.task == task) {
            let before = &scenario.steps[..index];
            teeth.push(Tooth {
                step: index,
                task,
                control: control.clone(),
                undo,
                hold: holder(before, probe),
            });
        }
    }
    teeth
}

/// The last step that opens what a probe uses.
fn holder(before: &[Step], probe: &Probe) -> Option<Action> {
    let Probe::Held { name: used, .. } = probe else {
        return None;
    };
    let opens = |step: &&Step| matches!(step, Step::Hold { name, .. } if name == used);
    before.iter().rfind(opens).and_then(hold)
}

pub(super) fn task(probe: &Probe, run_as: &RunAs) -> Task {
    Task {
        probe: probe.clone(),
        run_as: run_as.clone(),
    }
}

/// The action of [`Step::Hold`].
pub(super) fn hold(step: &Step) -> Option<Action> {
    let Step::Hold {
        name,
        path,
        access,
        run_as,
    } = step
    else {
        return None;
    };
    Some(Action::Hold {
        name: name.clone(),
        hold: Hold {
            path: path.clone(),
            access: *access,
            run_as: run_as.clone(),
        },
    })
}
