//! The boot, and the conversation with its guest.

use std::collections::BTreeSet;

use harness_proto::Facts;
use kernel_matrix::Capability;
use thiserror::Error;

use super::reading::ReadingError;
use crate::{
    boot::{BootFailure, Greeted, check_facts, greet},
    expectation::Program,
    judge::{Evidence, judge},
    outcome::Outcome,
    session::{Start, Transcript, drive},
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

/// One boot.
pub struct Boot<'a> {
    /// What runs the machine.
    pub hypervisor: &'a dyn Hypervisor,
    /// What is booted; its initramfs holds the program under `name`.
    pub spec: &'a BootSpec,
    /// What the guest calls the program.
    pub name: &'a str,
    /// What the guest does.
    pub program: &'a Program,
    /// What the matrix says of the kernel.
    pub capabilities: &'a BTreeSet<Capability>,
    /// Is told why a boot that died before user space is tried once more.
    pub retried: &'a dyn Fn(&str),
}

/// Boot a machine, run the program in it, and return what was said once all of
/// it came to what it had to.
pub fn count(boot: &Boot<'_>) -> Result<(Facts, Transcript), CountError> {
    let Boot {
        hypervisor,
        spec,
        name,
        program,
        ..
    } = *boot;
    let host = |error: &dyn std::fmt::Display| CountError::Host(error.to_string());
    let greeted = greet(hypervisor, spec).or_else(|failure| {
        if failure.before_user_space {
            (boot.retried)(&failure.reason);
            greet(hypervisor, spec)
        } else {
            Err(failure)
        }
    });
    let Greeted {
        mut machine, facts, ..
    } = greeted.map_err(CountError::Boot)?;
    check_facts(&facts, boot.capabilities).map_err(CountError::Judged)?;
    let start = Start::fresh(name.to_owned()).map_err(|error| host(&error))?;
    let transcript = drive(&mut *machine, &start, program);
    let console = machine.end().map_err(|error| host(&error))?;
    let outcome = judge(Evidence {
        program,
        nonce: &start.nonce,
        transcript: &transcript,
        console: &console,
    });
    match outcome {
        Outcome::Passed => Ok((facts, transcript)),
        other => Err(CountError::Judged(other)),
    }
}
