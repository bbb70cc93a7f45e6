//! One cell, from a saved machine to an outcome.

use std::time::Instant;

use super::{CellResult, Inputs};
use crate::{
    cell::Cell,
    expectation::Program,
    judge::{Evidence, judge_on},
    outcome::{InfraCode, Outcome},
    run::folder::CellRecord,
    session::{End, Start, Transcript, drive},
    vm::Snapshot,
};

pub(super) fn run(inputs: &Inputs<'_>, snapshot: &dyn Snapshot, cell: Cell) -> CellResult {
    let mut result = CellResult {
        cell,
        outcome: Outcome::NotRun,
        took: None,
        restored_in: None,
        starts_agent: false,
        let_pass: Vec::new(),
        left_out: Vec::new(),
        idle: false,
    };
    if let Err(outcome) = attempt(inputs, snapshot, &mut result) {
        result.outcome = outcome;
    }
    result
}

/// The outcome, in `result` when the cell was judged.
fn attempt(
    inputs: &Inputs<'_>,
    snapshot: &dyn Snapshot,
    result: &mut CellResult,
) -> Result<(), Outcome> {
    let name = result.cell.program_name();
    let program = inputs
        .programs
        .get(&name)
        .ok_or_else(|| Outcome::infra(InfraCode::Harness, format!("there is no program {name}")))?;
    result.starts_agent = program.starts_agent();
    result.idle = program.idle;
    result.left_out = program.left_out.iter().map(ToString::to_string).collect();
    let start = Start::seeded(name, result.cell.seed(inputs.seed))
        .map_err(|error| Outcome::infra(InfraCode::Harness, error.to_string()))?;
    let record = inputs
        .folder
        .make_cell_folder(&result.cell)
        .map_err(|reason| Outcome::infra(InfraCode::Disk, reason))?;

    let begun = Instant::now();
    // Whatever an interruption broke was not run.
    let trouble = |outcome| {
        if inputs.interrupt.requested() {
            Outcome::NotRun
        } else {
            outcome
        }
    };
    let mut machine = snapshot
        .restore(record.path())
        .map_err(|error| trouble(Outcome::infra(error.code(), error.to_string())))?;
    let restored = Instant::now();
    let transcript = drive(&mut *machine, &start, program);
    let took = restored.elapsed();
    let console = machine
        .end()
        .map_err(|error| trouble(Outcome::infra(error.code(), error.to_string())))?;
    if inputs.interrupt.requested() && !matches!(transcript.end, End::Final { .. }) {
        return Err(Outcome::NotRun);
    }
    result.restored_in = Some(restored - begun);
    result.took = Some(took);
    let (kernel, known) = (result.cell.group.kernel.as_str(), inputs.known_splats);
    let evidence = Evidence {
        program,
        nonce: &start.nonce,
        transcript: &transcript,
        console: &console,
    };
    result.outcome = judge_on(kernel, known, evidence);
    result.let_pass = known.let_pass(kernel, &console);
    keep(&record, program, &transcript).map_err(|reason| Outcome::infra(InfraCode::Disk, reason))
}

fn keep(record: &CellRecord, program: &Program, transcript: &Transcript) -> Result<(), String> {
    record.program(program)?;
    record.observations(&transcript.records)?;
    record.logs(&transcript.logs)
}
