//! One boot that goes through every policy that matters.
//!
//! ```text
//! count without any agent
//! for each policy: agent ready → probed → count → what it occupies → probed → detached
//! an agent with few rules is given many: what that takes
//! null programs on the hooks of one of the policies → count → killed
//! count without any agent, once more
//! ```

use std::net::Ipv4Addr;

use harness_proto::count::{
    CountPlan, Footprint, Metered, RULES_FOLDER, WORKLOAD_PATH, rule_file, sibling_file,
};
use perf::run::{self, Case, Policy, Rules, Surveyed};
use scenarios::{
    Expect, Mode, Rule, Target,
    rule::{FileObject, Held, NetworkTarget, Ports},
    schema::Errno,
};

use super::{
    builder::{Builder, open},
    program,
    reading::{ReadingError, listed, printed},
};
use crate::{
    Adapter,
    expectation::{Phase, Program},
    outcome::FailCode,
    session::Transcript,
};

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Sweep {
    /// The agent's policies, in this order.
    pub policies: Vec<Counted>,
    /// The one whose hooks the null LSM has; one of the policies.
    pub floor: Policy,
    /// What is counted without an agent, and with the null LSM.
    pub plan: CountPlan,
    /// How many processes count that, each time.
    pub processes: u32,
    /// So many rules of each kind are applied to an agent that has few, in this
    /// order.
    pub apply: Vec<u32>,
}

/// A policy, and what is counted with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Counted {
    /// Which.
    pub policy: Policy,
    /// What is counted. Nothing that is not counted without an agent as well.
    pub plan: CountPlan,
    /// How many processes count it.
    pub processes: u32,
}

/// The program, and where in it the figures are.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepProgram {
    /// For the guest and the judge.
    pub program: Program,
    counts: Vec<((Case, CountPlan), usize)>,
    agent_hooks: usize,
    null_hooks: usize,
    footprints: Vec<(Policy, usize)>,
    floor: Policy,
    applied: Vec<(u32, usize)>,
}

/// Rules of an agent that others are applied to.
const FEW: u32 = 7;
const PORT_OF_NOBODY: u16 = 1;
/// What the operations on the network connect to.
const COUNTED_PEER: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// The rules of a policy.
pub fn rules(rules: Rules) -> Vec<Rule> {
    let with_one = |more: Vec<Rule>| {
        let mut all = program::rules(1);
        all.extend(more);
        all
    };
    match rules {
        Rules::Exact(count) => program::rules(count),
        Rules::Siblings(count) => with_one(
            (0..count)
                .map(|number| {
                    let object = FileObject::Path(sibling_file(number));
                    file(format!("sibling-{number}"), object)
                })
                .collect(),
        ),
        Rules::Subtree => {
            let object = FileObject::Subtree(format!("{RULES_FOLDER}/0000"));
            with_one(vec![file("subtree".into(), object)])
        }
        Rules::Networks(lengths) => with_one((0..lengths).map(network).collect()),
        Rules::Revoking => {
            let mut all = program::rules(1);
            for rule in &mut all {
                if matches!(rule.target, Target::File { .. }) {
                    rule.held = Held::Revoke;
                }
            }
            all
        }
    }
}

fn file(id: String, object: FileObject) -> Rule {
    let operations = Vec::new();
    plain(id, Target::File { object, operations })
}

/// The network of 8 + `number` bits that differs from the counted peer only in the
/// last of them: to see that it does not contain it, a lookup has to go as far
/// as that.
fn network(number: u32) -> Rule {
    let length = 8 + number;
    let beside = COUNTED_PEER.to_bits() ^ (1 << (32 - length));
    let address = Ipv4Addr::from_bits(beside & (u32::MAX << (32 - length)));
    let target = NetworkTarget {
        address: format!("{address}/{length}"),
        ports: Some(Ports::One(PORT_OF_NOBODY)),
        protocol: None,
        operations: Vec::new(),
    };
    plain(format!("network-{length}"), Target::Network(target))
}

fn plain(id: String, target: Target) -> Rule {
    Rule {
        id,
        action: scenarios::rule::Action::Deny,
        target,
        scope: Vec::new(),
        except: Vec::new(),
        held: Held::Keep,
    }
}

impl Sweep {
    /// Files of rules that must be there: elsewhere, and beside what is measured.
    fn files(&self) -> (u32, u32) {
        let mut files = (1, 0);
        let all = self.policies.iter().map(|counted| counted.policy.rules);
        for rules in all.chain(self.apply.iter().map(|&count| Rules::Exact(count))) {
            match rules {
                Rules::Exact(count) => files.0 = files.0.max(count),
                Rules::Siblings(count) => files.1 = files.1.max(count),
                Rules::Subtree | Rules::Networks(_) | Rules::Revoking => {}
            }
        }
        files
    }
}

/// Build the program.
pub fn program(adapter: &dyn Adapter, sweep: &Sweep) -> SweepProgram {
    let mut builder: Builder<'_, (Case, usize)> = Builder::new(adapter);
    let mut plans: Vec<CountPlan> = vec![sweep.plan.clone()];
    let executable = adapter.executable().unwrap_or_default();
    let (files, siblings) = sweep.files();
    builder.populate(files, siblings);
    builder.count((Case::None, 0), &sweep.plan, sweep.processes);

    let (mut agent_hooks, mut footprints) = (0, Vec::new());
    for Counted {
        policy,
        plan,
        processes,
    } in &sweep.policies
    {
        plans.push(plan.clone());
        let case = Case::Agent(*policy);
        builder.policy(&rules(policy.rules).iter().collect::<Vec<_>>());
        builder.start(match policy.mode {
            run::Mode::Audit => Mode::Audit,
            run::Mode::Enforce => Mode::Enforce,
        });
        let probed = if case.refuses() {
            Expect::Denied(Errno::EPERM)
        } else {
            Expect::Allowed
        };
        builder.probes(Phase::Steps, &probed);
        if *policy == sweep.floor {
            agent_hooks = builder.list_hooks();
        }
        builder.count((case, plans.len() - 1), plan, *processes);
        let occupied = [WORKLOAD_PATH, "footprint", executable];
        footprints.push((*policy, builder.run(&occupied, FailCode::ProbeBroken)));
        builder.probes(Phase::Steps, &probed);
        builder.stop();
        builder.probes(Phase::Release, &Expect::Allowed);
    }
    let applied = apply(&mut builder, adapter, &sweep.apply);
    let null_hooks = builder.null_lsm((Case::NullLsm, 0), &sweep.plan, sweep.processes);
    builder.count((Case::None, 0), &sweep.plan, sweep.processes);

    let counts = builder.counts.into_iter();
    let counts = counts.map(|((case, plan), index)| ((case, plans[plan].clone()), index));
    SweepProgram {
        counts: counts.collect(),
        program: Program::of(builder.actions),
        agent_hooks,
        null_hooks,
        footprints,
        floor: sweep.floor,
        applied,
    }
}

/// Each policy is applied over a small one, and shown to be in force by its last
/// rule.
fn apply(
    builder: &mut Builder<'_, (Case, usize)>,
    adapter: &dyn Adapter,
    counts: &[u32],
) -> Vec<(u32, usize)> {
    let Some(command) = adapter.apply(false, None) else {
        return Vec::new();
    };
    let mut metered = vec![WORKLOAD_PATH, "meter"];
    metered.extend(command.iter().map(String::as_str));
    let denied = Expect::Denied(Errno::EPERM);
    let mut applied = Vec::new();
    for &count in counts {
        let small = program::rules(FEW.min(count));
        builder.policy(&small.iter().collect::<Vec<_>>());
        builder.start(Mode::Enforce);
        builder.probes(Phase::Steps, &denied);
        builder.policy(&program::rules(count).iter().collect::<Vec<_>>());
        applied.push((count, builder.run(&metered, FailCode::AgentExit)));
        builder.probe(Phase::Steps, open(rule_file(count - 1)), &denied);
        builder.stop();
    }
    applied
}

/// Read a transcript that has been judged: every action came to what it had to.
pub fn read(program: &SweepProgram, transcript: &Transcript) -> Result<Surveyed, ReadingError> {
    let hooks = listed(transcript, program.agent_hooks, program.null_hooks)?;
    let counts = program.counts.iter().map(|((case, plan), index)| {
        let counts = printed(transcript, *index, "counts")?;
        Ok((*case, plan.clone(), counts))
    });
    let footprints = program.footprints.iter().map(|(policy, index)| {
        let footprint: Footprint = printed(transcript, *index, "footprint")?;
        Ok((*policy, footprint))
    });
    let footprints: Vec<_> = footprints.collect::<Result<_, ReadingError>>()?;
    let applied = program.applied.iter().map(|(count, index)| {
        let metered: Metered = printed(transcript, *index, "meter reading")?;
        Ok((*count, metered))
    });
    let own = footprints.iter().find(|(of, _)| *of == program.floor);
    Ok(Surveyed {
        hooks,
        programs: own.map_or_else(Vec::new, |(_, footprint)| footprint.programs.clone()),
        counts: counts.collect::<Result<_, ReadingError>>()?,
        footprints: footprints
            .into_iter()
            .map(|(policy, footprint)| (Case::Agent(policy), footprint))
            .collect(),
        applied: applied.collect::<Result<_, ReadingError>>()?,
    })
}

#[cfg(test)]
mod tests;
