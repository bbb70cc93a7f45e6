//! One kernel: cases until there are enough decisions, or one is otherwise.

use std::{num::NonZeroUsize, thread, time::Instant};

use ::model::{Case, case::Abilities, compare::Mismatch, coverage::Object, generate};
use anyhow::Result;
use harness::model::Hooks;
use kernel_matrix::{BootMode, Capability, Kernel};

use super::{
    machine::{Bench, Tried},
    report::KernelReport,
    shrinking::shrink,
};
use crate::{exit_code::ExitCode, progress::Stages};

/// Cases that share a machine.
const TOGETHER: u64 = 25;

/// In one of so many machines, each policy has only the hooks that it needs.
const AS_NEEDED: u64 = 4;

/// Some cases, and what came of them.
type Round = (Vec<(u64, Case)>, Hooks, Tried);

/// Look for a decision that is otherwise.
pub(super) fn search(
    bench: &Bench<'_>,
    kernel: &Kernel,
    (wanted, seed, jobs): (u64, u64, NonZeroUsize),
    stages: &Stages,
) -> Result<KernelReport> {
    let able = bench.able;
    let mut report = KernelReport {
        kernel: kernel.series.to_string(),
        wanted,
        ..KernelReport::default()
    };
    let begun = Instant::now();
    let mut next = 0;
    let mut found = None;
    while !report.has_enough() && found.is_none() && report.trouble.is_none() {
        let begin = next;
        let rounds: Vec<_> = (0..jobs.get() as u64)
            .map(|job| {
                let first = begin + job * TOGETHER;
                let numbers = first..first + TOGETHER;
                numbers
                    .map(|number| (number, generate::case(seed, number, able)))
                    .collect()
            })
            .collect();
        next += jobs.get() as u64 * TOGETHER;
        for round in try_rounds(bench, rounds) {
            let (cases, hooks, tried) = round?;
            report.spent_ms.add(tried.spent);
            for ((number, case), compared) in cases.into_iter().zip(&tried.compared) {
                report.add(compared);
                if let Some(mismatch) = compared.mismatches.first() {
                    stages.note(&told(&case, mismatch));
                }
                if found.is_none()
                    && let Some(mismatch) = compared.mismatches.first()
                {
                    found = Some((number, case, hooks, mismatch.clone()));
                }
            }
            if let Some((code, reason)) = tried.trouble() {
                report.trouble = Some(reason.to_owned());
                report.trouble_code = Some(code);
            }
            if bench.qemu.interrupt.requested() {
                report.trouble = Some("interrupted".into());
                report.trouble_code = Some(ExitCode::Interrupted);
            }
        }
        report.took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        stages.note(&format!(
            "{}: {} of {wanted} decisions, {} denials, {} mismatches",
            report.kernel, report.decisions, report.denials, report.mismatches
        ));
    }
    if let Some((number, case, hooks, mismatch)) = found {
        report.counter_example = Some(shrink(bench, (number, hooks), &case, &mismatch, stages)?);
    }
    report.conclude(&objects(able), &without(able));
    Ok(report)
}

/// Each in a machine of its own, at the same time.
fn try_rounds(bench: &Bench<'_>, rounds: Vec<Vec<(u64, Case)>>) -> Vec<Result<Round>> {
    thread::scope(|scope| {
        let running: Vec<_> = rounds
            .into_iter()
            .map(|cases| {
                scope.spawn(move || {
                    let only: Vec<Case> = cases.iter().map(|(_, case)| case.clone()).collect();
                    let name = cases.first().map_or(0, |(number, _)| *number);
                    // Now and then as each policy by itself would have it.
                    let hooks = if name / TOGETHER % AS_NEEDED == AS_NEEDED - 1 {
                        Hooks::AsNeeded
                    } else {
                        Hooks::Kept
                    };
                    let tried = bench.try_all(&format!("case-{name}"), &only, hooks)?;
                    Ok((cases, hooks, tried))
                })
            })
            .collect();
        let joined = running.into_iter().map(|round| {
            round
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        joined.collect()
    })
}

/// What its rules can be about.
pub(super) fn abilities(kernel: &Kernel) -> Abilities {
    let has = kernel.capabilities_in(BootMode::BpfLsm);
    Abilities {
        content: has.contains(&Capability::SleepableLsm) && has.contains(&Capability::ImaFileHash),
        user_namespaces: has.contains(&Capability::UsernsCreate),
    }
}

fn objects(able: Abilities) -> Vec<Object> {
    let all = Object::ALL.into_iter();
    all.filter(|object| able.content || *object != Object::ExecSha256)
        .collect()
}

/// What the kernel cannot do.
fn without(able: Abilities) -> Vec<(Object, &'static str)> {
    if able.user_namespaces {
        Vec::new()
    } else {
        vec![(Object::Kernel, "user-namespace")]
    }
}

fn told(case: &Case, mismatch: &Mismatch) -> String {
    let attempt = &case.attempts[mismatch.attempt];
    format!(
        "{} attempt {} by doer {}, {}: {:?}: the oracle says {:?}, the kernel {:?}",
        case.world.root,
        mismatch.attempt + 1,
        attempt.by,
        if mismatch.with_rules {
            "under its policy"
        } else {
            "without an agent"
        },
        attempt.probe,
        mismatch.foretold,
        mismatch.seen,
    )
}
