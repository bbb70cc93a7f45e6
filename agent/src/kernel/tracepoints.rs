//! Attaching the tracepoints of the fallback. Nothing of them is pinned: they
//! end with the agent.

use std::fs;

use aegisbpf_abi::Domain;
use aya::programs::TracePoint;

use super::programs::{Programs, ProgramsError, load_error, program};
use crate::image::Modes;
use aegisbpf_abi::Mode;

/// Program, category and name of a tracepoint, domain, and whether a kernel
/// may lack it (arm64 has no `open(2)`).
const TRACEPOINTS: [(&str, &str, &str, Domain, bool); 8] = [
    (
        "enter_open",
        "syscalls",
        "sys_enter_open",
        Domain::File,
        true,
    ),
    ("exit_open", "syscalls", "sys_exit_open", Domain::File, true),
    (
        "enter_openat",
        "syscalls",
        "sys_enter_openat",
        Domain::File,
        false,
    ),
    (
        "exit_open",
        "syscalls",
        "sys_exit_openat",
        Domain::File,
        false,
    ),
    (
        "enter_openat",
        "syscalls",
        "sys_enter_openat2",
        Domain::File,
        false,
    ),
    (
        "exit_open",
        "syscalls",
        "sys_exit_openat2",
        Domain::File,
        false,
    ),
    (
        "process_exec",
        "sched",
        "sched_process_exec",
        Domain::Exec,
        false,
    ),
    (
        "enter_connect",
        "syscalls",
        "sys_enter_connect",
        Domain::Network,
        false,
    ),
];

/// What is attached already.
#[derive(Debug, Default)]
pub struct Tracepoints {
    loaded: Vec<&'static str>,
    attached: Vec<&'static str>,
}

impl Tracepoints {
    /// Attach those of every domain that is audited.
    pub fn attach(&mut self, programs: &mut Programs, modes: &Modes) -> Result<(), ProgramsError> {
        for (name, category, tracepoint, domain, may_be_missing) in TRACEPOINTS {
            if modes.of(domain) != Mode::Audit || self.attached.contains(&tracepoint) {
                continue;
            }
            let program: &mut TracePoint = program(&mut programs.object, name)?;
            if !self.loaded.contains(&name) {
                program.load().map_err(|error| load_error(name, error))?;
                self.loaded.push(name);
            }
            match program.attach(category, tracepoint) {
                Ok(_) => self.attached.push(tracepoint),
                Err(_) if may_be_missing && !exists(category, tracepoint) => {}
                Err(source) => {
                    return Err(ProgramsError::Attach {
                        program: format!("{name} at {category}:{tracepoint}"),
                        source,
                    });
                }
            }
        }
        Ok(())
    }
}

fn exists(category: &str, name: &str) -> bool {
    ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"]
        .iter()
        .any(|root| fs::exists(format!("{root}/events/{category}/{name}")).unwrap_or(true))
}
