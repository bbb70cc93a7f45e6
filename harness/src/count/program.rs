//! What the guest does, and what must be observed of it.
//!
//! ```text
//! count without any agent
//! agent ready → a file and a peer denied → hooks listed → count → denied again → detached
//! null programs on the hooks that were listed → hooks listed → count → killed
//! count without any agent, once more
//! ```
//!
//! The null programs come after the agent, because the hooks are the agent's;
//! that counting without any agent gives the same at both ends shows that
//! nothing else has changed meanwhile.

use std::net::Ipv4Addr;

use harness_proto::{
    Action,
    count::{CountPlan, DENIED_PEER, rule_file},
};
use perf::count::Subject;
use scenarios::{
    Expect, Mode, Rule, Target,
    rule::{FileObject, Held, NetworkTarget},
    schema::Errno,
};

use super::builder::{Builder, InForce};
use crate::{
    Adapter,
    expectation::{Blame, Expectation, Phase, Program},
};

/// The other peers of rules are above this.
const FIRST_PEER: u32 = u32::from_be_bytes([10, 128, 0, 0]);

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// How many rules about files the agent has, and about addresses as many;
    /// at least one.
    pub rules: u32,
    /// What is counted, and how often.
    pub plan: CountPlan,
    /// How many processes count the plan, one after the other, each time. What
    /// makes processes differs from one process to the next by more than from
    /// round to round: only several of them show it.
    pub processes: u32,
}

/// The program, and where in it the figures are.
#[derive(Debug, Clone, PartialEq)]
pub struct CountProgram {
    /// For the guest and the judge.
    pub program: Program,
    /// The indices of the actions that count.
    pub counts: Vec<(Subject, usize)>,
    /// The index of the action that lists the agent's hooks.
    pub agent_hooks: usize,
    /// The index of the one that lists the hooks of the null programs.
    pub null_hooks: usize,
}

/// The rules: exact files and exact addresses. The first of each is probed,
/// none is about anything that is counted.
pub fn rules(count: u32) -> Vec<Rule> {
    let files = (0..count).map(|number| Target::File {
        object: FileObject::Path(rule_file(number)),
        operations: Vec::new(),
    });
    let peers = (0..count).map(|number| {
        let address = match number {
            0 => DENIED_PEER,
            number => Ipv4Addr::from_bits(FIRST_PEER + number),
        };
        Target::Network(NetworkTarget {
            address: address.to_string(),
            ports: None,
            protocol: None,
            operations: Vec::new(),
        })
    });
    let rule = |(number, target)| Rule {
        id: format!("rule-{number}"),
        action: scenarios::rule::Action::Deny,
        target,
        scope: Vec::new(),
        except: Vec::new(),
        held: Held::Keep,
    };
    files.chain(peers).enumerate().map(rule).collect()
}

/// Build the program.
pub fn program(adapter: &dyn Adapter, request: &Request) -> CountProgram {
    let (plan, processes) = (&request.plan, request.processes);
    let mut builder = Builder::new(adapter);
    builder.populate(request.rules, 0);
    builder.count(Subject::None, plan, processes);

    builder.policy(&rules(request.rules).iter().collect::<Vec<_>>());
    let agent_hooks = builder.agent(Subject::Agent, &enforced(request));
    builder.probes(Phase::Release, &Expect::Allowed);
    let null_hooks = builder.null_lsm(Subject::NullLsm, plan, processes);
    builder.count(Subject::None, plan, processes);
    CountProgram {
        program: Program::of(builder.actions),
        counts: builder.counts,
        agent_hooks,
        null_hooks,
    }
}

/// A program that compares two agents, and where in it the figures are.
#[derive(Debug, Clone, PartialEq)]
pub struct CompareProgram {
    /// For the guest and the judge.
    pub program: Program,
    /// The indices of the actions that count.
    pub counts: Vec<(Subject, usize)>,
}

/// Build a program in which each of two executables is the agent twice, in the
/// order base, head, head, base, so that what changes in the course of a boot
/// falls on both alike.
///
/// # Panics
/// When the adapter's agent has no executable: there is nothing to exchange.
pub fn comparison(
    adapter: &dyn Adapter,
    request: &Request,
    (base, head): (&str, &str),
) -> CompareProgram {
    let (plan, processes) = (&request.plan, request.processes);
    let executable = adapter.executable().expect("two executables to compare");
    let mut builder = Builder::new(adapter);
    builder.populate(request.rules, 0);
    builder.count(Subject::None, plan, processes);
    builder.policy(&rules(request.rules).iter().collect::<Vec<_>>());
    for subject in [Subject::Base, Subject::Agent, Subject::Agent, Subject::Base] {
        let from = if subject == Subject::Base { base } else { head };
        let copy = Action::Copy {
            from: from.into(),
            to: executable.into(),
        };
        builder.push(Phase::Setup, copy, Expectation::Done(Blame::Harness));
        builder.agent(subject, &enforced(request));
        builder.probes(Phase::Release, &Expect::Allowed);
    }
    builder.count(Subject::None, plan, processes);
    CompareProgram {
        program: Program::of(builder.actions),
        counts: builder.counts,
    }
}

/// The agent, denying what the first rules speak of.
fn enforced(request: &Request) -> InForce<'_> {
    InForce {
        mode: Mode::Enforce,
        probed: Expect::Denied(Errno::EPERM),
        plan: &request.plan,
        processes: request.processes,
    }
}
