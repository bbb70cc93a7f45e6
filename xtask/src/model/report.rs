//! What came of it, for machines and for people.

use std::{collections::BTreeMap, fmt::Write as _};

use ::model::{
    compare::{Compared, Mismatch},
    coverage::{Coverage, Kind, Object, Pair, text},
};
use serde::Serialize;

use super::machine::Spent;
use crate::exit_code::ExitCode;

/// Of the report.
pub(super) const SCHEMA_VERSION: u32 = 1;
/// So many of a hundred decisions must be denials.
const DENIALS: u64 = 20;

/// Everything.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) schema_version: u32,
    pub(super) commit: Option<String>,
    pub(super) seed: u64,
    pub(super) fault: Option<String>,
    pub(super) kernels: Vec<KernelReport>,
}

/// What came of one kernel.
#[derive(Debug, Default, Serialize)]
pub(super) struct KernelReport {
    pub(super) kernel: String,
    /// How many were asked for.
    pub(super) wanted: u64,
    /// Policies.
    pub(super) cases: u64,
    /// Verdicts of the kernel with a policy in force.
    pub(super) decisions: u64,
    /// Those that a rule refused.
    pub(super) denials: u64,
    /// Verdicts on the same attempts without an agent.
    pub(super) controls: u64,
    pub(super) mismatches: u64,
    /// Until the last case was compared, without shrinking, in milliseconds.
    pub(super) took_ms: u64,
    /// What the guests' time went into.
    pub(super) spent_ms: Spent,
    /// By kind of rule: how often it decided.
    pub(super) coverage: Vec<Covered>,
    /// What had to meet and did not.
    pub(super) missing: Vec<Pair>,
    pub(super) counter_example: Option<CounterExample>,
    /// What stopped it, which is no verdict on a decision.
    pub(super) trouble: Option<String>,
    #[serde(skip)]
    pub(super) trouble_code: Option<ExitCode>,
    #[serde(skip)]
    pub(super) kinds: Coverage,
}

/// A kind of rule, and how often it decided.
#[derive(Debug, Serialize)]
pub(super) struct Covered {
    #[serde(flatten)]
    kind: Kind,
    decisions: u64,
}

/// A case in which the kernel decided otherwise.
#[derive(Debug, Serialize)]
pub(super) struct CounterExample {
    /// Of the seed.
    pub(super) case: u64,
    /// In the smallest case.
    pub(super) mismatch: Mismatch,
    pub(super) rules: usize,
    pub(super) attempts: usize,
    /// Whether nothing of it can be left out.
    pub(super) minimal: bool,
    /// Machines that were booted to find that out.
    pub(super) boots: u32,
    /// A file for the catalogue.
    pub(super) scenario: String,
}

impl KernelReport {
    pub(super) fn add(&mut self, compared: &Compared) {
        self.cases += 1;
        self.decisions += compared.decisions;
        self.denials += compared.denials;
        self.controls += compared.controls;
        self.mismatches += compared.mismatches.len() as u64;
        self.kinds.merge(&compared.coverage);
    }

    /// Say what was covered, of these objects.
    pub(super) fn conclude(&mut self, objects: &[Object], without: &[(Object, &str)]) {
        self.coverage = self
            .kinds
            .0
            .iter()
            .map(|(kind, decisions)| Covered {
                kind: *kind,
                decisions: *decisions,
            })
            .collect();
        self.missing = self.kinds.missing(objects);
        self.missing.retain(|(object, other)| {
            !without
                .iter()
                .any(|(one, name)| text(one) == *object && name == other)
        });
    }

    pub(super) fn has_enough(&self) -> bool {
        self.decisions >= self.wanted
    }

    fn too_few_denials(&self) -> bool {
        self.denials * 100 < self.decisions * DENIALS
    }

    /// A mismatch, too few denials or something uncovered is a failure.
    pub(super) fn exit_code(&self) -> ExitCode {
        if self.mismatches > 0 {
            return ExitCode::Failed;
        }
        if let Some(code) = self.trouble_code {
            return code;
        }
        if self.too_few_denials() || !self.missing.is_empty() {
            return ExitCode::Failed;
        }
        ExitCode::Ok
    }

    /// A sentence.
    pub(super) fn verdict(&self) -> String {
        let per_second = self.decisions * 1000 / self.took_ms.max(1);
        let mut words = format!(
            "{}: {} decisions ({} denials, {} %) in {} policies, {} controls, {} mismatches; \
             {per_second} decisions a second",
            self.kernel,
            self.decisions,
            self.denials,
            self.denials * 100 / self.decisions.max(1),
            self.cases,
            self.controls,
            self.mismatches,
        );
        if self.decisions > 0 && self.too_few_denials() {
            let _ = write!(words, "; fewer than {DENIALS} % are denials");
        }
        if !self.missing.is_empty() {
            let missing = self.missing.iter();
            let missing: Vec<_> = missing
                .map(|(one, other)| format!("{one} × {other}"))
                .collect();
            let _ = write!(words, "; never decided: {}", missing.join(", "));
        }
        if let Some(trouble) = &self.trouble {
            let _ = write!(words, "; {trouble}");
        }
        words
    }

    /// How often each object decided about each operation, and how.
    pub(super) fn table(&self) -> String {
        let mut rows: BTreeMap<(Object, String), [u64; 4]> = BTreeMap::new();
        for covered in &self.coverage {
            let key = (covered.kind.object, text(&covered.kind.operation));
            let row = rows.entry(key).or_default();
            row[covered.kind.action as usize] += covered.decisions;
            let scoped = covered.kind.scope != ::model::coverage::Scope::Everyone;
            row[3] += covered.decisions * u64::from(scoped);
        }
        let mut table = format!(
            "{:<14} {:<15} {:>7} {:>7} {:>7} {:>7}\n",
            "rule", "operation", "audit", "deny", "kill", "scoped"
        );
        for ((object, operation), [audit, deny, kill, scoped]) in rows {
            let object = text(&object);
            let _ = writeln!(
                table,
                "{object:<14} {operation:<15} {audit:>7} {deny:>7} {kill:>7} {scoped:>7}"
            );
        }
        table
    }
}

impl CounterExample {
    pub(super) fn text(&self) -> String {
        let mismatch = &self.mismatch;
        let minimal = if self.minimal {
            "nothing of it can be left out"
        } else {
            "there was no time to make it smaller"
        };
        format!(
            "counter-example: attempt {} of {} {}: the oracle says {:?}, the kernel {:?}{}\n\
             {} rules, {} boots; {minimal}\n\n{}",
            mismatch.attempt + 1,
            self.attempts,
            if mismatch.with_rules {
                "under the policy"
            } else {
                "without an agent"
            },
            mismatch.foretold,
            mismatch.seen,
            mismatch
                .because
                .as_ref()
                .map(|because| format!(" ({because})"))
                .unwrap_or_default(),
            self.rules,
            self.boots,
            self.scenario,
        )
    }
}
