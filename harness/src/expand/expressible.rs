//! What a scenario asks of an agent that the agent does not have.

use scenarios::{Scenario, Step};

use super::teeth;
use crate::{
    ability::{self, Ability, abilities},
    adapter::{Adapter, Role},
};

/// What makes a scenario not expressible for an agent.
///
/// What an agent says of itself, its events and its health, is not looked at
/// where it says nothing, as long as something is left that it can fail: a probe
/// that must be refused, with its teeth, or an event that it must report.
pub fn lacking(scenario: &Scenario, adapter: &dyn Adapter) -> Option<Ability> {
    if adapter.role() != Role::Judged {
        return None;
    }
    let is_said = |ability: &Ability| matches!(ability, Ability::Events | Ability::Health);
    let lacks = |ability: &Ability| !adapter.can(*ability);
    let asked = abilities(scenario);
    let acts = asked.iter().find(|one| !is_said(one) && lacks(one));
    if let Some(lacking) = acts {
        return Some(*lacking);
    }
    let unsaid = scenario.steps.iter().find_map(|step| unsaid(step, adapter));
    let told = |step: &Step| match step {
        Step::Event { matches, .. } => adapter.tells(matches).is_some(),
        _ => false,
    };
    let can_fail = !teeth::of(scenario).is_empty() || scenario.steps.iter().any(told);
    unsaid.filter(|_| !can_fail)
}

/// What the agent would have to say for this step, and does not.
fn unsaid(step: &Step, adapter: &dyn Adapter) -> Option<Ability> {
    match step {
        Step::Event { matches, .. } | Step::NoEvent { matches } => match adapter.tells(matches) {
            Some(_) => None,
            None => Some(Ability::Events),
        },
        _ => ability::of_step(step)
            .into_iter()
            .find(|ability| !adapter.can(*ability)),
    }
}
