//! The boot, and the conversation with its guest.

use harness_proto::Facts;
use thiserror::Error;

use super::{
    CountProgram, Reading,
    reading::{self, ReadingError},
};
use crate::{
    boot::{BootFailure, Greeted, greet},
    judge::{Evidence, judge},
    outcome::Outcome,
    session::{Start, drive},
    vm::{BootSpec, Hypervisor},
};

/// Why there are no counts.
#[derive(Debug, Error)]
pub enum CountError {
    /// The machine did not come up.
    #[error("the machine did not boot: {}", .0.reason)]
    Boot(BootFailure),
    /// Something on this host.
    #[error("{0}")]
    Host(String),
    /// The kernel, the agent or the guest did something else than planned.
    #[error("{}: {}", .0.code().unwrap_or_default(), .0.reason().unwrap_or_default())]
    Judged(Outcome),
    /// It went as planned, but the counts are of no use.
    #[error(transparent)]
    Reading(#[from] ReadingError),
}

/// Boot a machine, run the program in it, and read what was counted. A boot
/// that died before user space is tried once more, and `retried` is told why.
pub fn count(
    hypervisor: &dyn Hypervisor,
    spec: &BootSpec,
    name: &str,
    program: &CountProgram,
    retried: &dyn Fn(&str),
) -> Result<(Facts, Reading), CountError> {
    let host = |error: &dyn std::fmt::Display| CountError::Host(error.to_string());
    let greeted = greet(hypervisor, spec).or_else(|failure| {
        if failure.before_user_space {
            retried(&failure.reason);
            greet(hypervisor, spec)
        } else {
            Err(failure)
        }
    });
    let Greeted {
        mut machine, facts, ..
    } = greeted.map_err(CountError::Boot)?;
    let start = Start::fresh(name.to_owned()).map_err(|error| host(&error))?;
    let transcript = drive(&mut *machine, &start, &program.program);
    let console = machine.end().map_err(|error| host(&error))?;
    let outcome = judge(Evidence {
        program: &program.program,
        nonce: &start.nonce,
        transcript: &transcript,
        console: &console,
    });
    match outcome {
        Outcome::Passed => Ok((facts, reading::read(program, &transcript)?)),
        other => Err(CountError::Judged(other)),
    }
}
