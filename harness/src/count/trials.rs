//! One boot with comparisons whose answer is known: the same agent is both sides, and
//! what counts the newer one slows an operation down by a known part.
//!
//! ```text
//! count without any agent
//! for each round of trials: base → head → head → base, each an agent started anew;
//!                           head is counted as it is, and slowed down in each way
//! count without any agent, once more
//! ```

use harness_proto::count::{CountPlan, Counts, Operation};
use perf::{
    check::{SLOWED_BY, Seed},
    count::{Subject, slowed},
};
use scenarios::{Expect, Mode, schema::Errno};

use super::{
    builder::Builder,
    program,
    reading::{ReadingError, printed},
};
use crate::{
    Adapter,
    expectation::{Phase, Program},
    session::Transcript,
};

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct TrialsRequest {
    /// What is counted.
    pub plan: CountPlan,
    /// How often both sides are started, each time with one comparison of each kind.
    pub rounds: u32,
    /// How many rules of each kind the agent has.
    pub rules: u32,
    /// How many rounds there were in earlier boots: which operation is slowed down
    /// goes on from there.
    pub earlier: u32,
}

/// Whose a count is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Of {
    round: u32,
    subject: Subject,
    seed: Seed,
}

/// The program, and where in it the figures are.
#[derive(Debug, Clone, PartialEq)]
pub struct TrialsProgram {
    /// For the guest and the judge.
    pub program: Program,
    counts: Vec<(Of, usize)>,
    rounds: u32,
}

/// The counts of one comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Side {
    /// What was done to the newer side.
    pub seed: Seed,
    /// By whom.
    pub counts: Vec<(Subject, Counts)>,
}

/// The seeds of a round: nothing, and one operation slowed down by each part.
fn seeds(plan: &CountPlan, round: u32) -> Vec<Seed> {
    let operations: Vec<Operation> = plan.operations.iter().map(|it| it.operation).collect();
    let operation = operations[round as usize % operations.len()];
    let slowed = SLOWED_BY.map(|by| Seed::Slowed { operation, by });
    std::iter::once(Seed::Same).chain(slowed).collect()
}

/// Build the program.
///
/// # Panics
/// When the plan counts nothing.
pub fn program(adapter: &dyn Adapter, request: &TrialsRequest) -> TrialsProgram {
    let TrialsRequest {
        plan,
        rounds,
        rules,
        earlier,
    } = request;
    let mut builder: Builder<'_, Of> = Builder::new(adapter);
    let none = Of {
        round: 0,
        subject: Subject::None,
        seed: Seed::Same,
    };
    builder.populate(*rules, 0);
    builder.count(none, plan, 1);
    builder.policy(&program::rules(*rules).iter().collect::<Vec<_>>());
    for round in 0..*rounds {
        for subject in [Subject::Base, Subject::Agent, Subject::Agent, Subject::Base] {
            let seeds = match subject {
                Subject::Base => vec![Seed::Same],
                _ => seeds(plan, earlier + round),
            };
            builder.start(Mode::Enforce);
            builder.probes(Phase::Steps, &Expect::Denied(Errno::EPERM));
            for seed in seeds {
                let plan = match seed {
                    Seed::Same => plan.clone(),
                    Seed::Slowed { operation, by } => slowed(plan, operation, by),
                };
                let of = Of {
                    round,
                    subject,
                    seed,
                };
                builder.count(of, &plan, 1);
            }
            builder.stop();
        }
    }
    builder.count(none, plan, 1);
    TrialsProgram {
        program: Program::of(builder.actions),
        counts: builder.counts,
        rounds: *rounds,
    }
}

/// The counts of every comparison, from a transcript that has been judged.
pub fn read(program: &TrialsProgram, transcript: &Transcript) -> Result<Vec<Side>, ReadingError> {
    let read = |(of, index): &(Of, usize)| Ok((*of, printed(transcript, *index, "counts")?));
    let counts: Vec<(Of, Counts)> = program
        .counts
        .iter()
        .map(read)
        .collect::<Result<_, ReadingError>>()?;
    let mut sides = Vec::new();
    for round in 0..program.rounds {
        let of_head = counts
            .iter()
            .filter(|(of, _)| of.round == round && of.subject == Subject::Agent);
        let mut seeds: Vec<Seed> = of_head.map(|(of, _)| of.seed).collect();
        seeds.sort_unstable();
        seeds.dedup();
        sides.extend(seeds.into_iter().map(|seed| {
            let own = counts.iter().filter(|(of, _)| match of.subject {
                Subject::None => true,
                Subject::Base => of.round == round,
                _ => of.round == round && of.seed == seed,
            });
            Side {
                seed,
                counts: own
                    .map(|(of, counts)| (of.subject, counts.clone()))
                    .collect(),
            }
        }));
    }
    Ok(sides)
}

#[cfg(test)]
mod tests;
