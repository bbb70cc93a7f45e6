//! What is done to the kernel and to other processes.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, OwnedFd};

use harness_proto::Verdict;
use harness_proto::probe::KernelProbe;
use rustix::fs::MemfdFlags;
use rustix::process::{
    Pid, PidfdFlags, PidfdGetfdFlags, Resource, Rlimit, Signal, WaitOptions, setrlimit,
};

use super::{broken, raw, verdict};
use crate::bpf;

/// Long enough to be looked at, and neither a module nor a kernel.
const JUNK: [u8; 4096] = [0; 4096];
const STANDARD_INPUT: i32 = 0;

pub(super) fn perform(probe: KernelProbe) -> Verdict {
    match probe {
        KernelProbe::PtraceAttach => to_child(|pid| raw::ptrace(libc::PTRACE_ATTACH, pid)),
        KernelProbe::PtraceSeize => to_child(|pid| raw::ptrace(libc::PTRACE_SEIZE, pid)),
        KernelProbe::PtraceTraceme => trace_me(),
        KernelProbe::ProcessVmRead => {
            let mut room = [0_u8; 8];
            to_child(move |pid| raw::read_memory(pid, &mut room))
        }
        KernelProbe::ProcessVmWrite => {
            let mut content = [0_u8; 8];
            to_child(move |pid| raw::write_memory(pid, &mut content))
        }
        KernelProbe::ProcessMemory => to_child(|pid| {
            let memory = File::open(format!("/proc/{pid}/mem"));
            memory.map(drop).map_err(|error| errno(&error))
        }),
        KernelProbe::PidfdGetfd => to_child(|pid| {
            let pid = Pid::from_raw(pid).ok_or(rustix::io::Errno::SRCH)?;
            let process = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
            rustix::process::pidfd_getfd(process, STANDARD_INPUT, PidfdGetfdFlags::empty())
                .map(drop)
        }),
        KernelProbe::InitModule => verdict(raw::init_module(&JUNK)),
        KernelProbe::FinitModule => with_junk(|file| raw::finit_module(file.as_fd())),
        KernelProbe::KexecLoad => verdict(raw::kexec_load_too_much()),
        KernelProbe::KexecFileLoad => with_junk(|file| raw::kexec_file_load(file.as_fd())),
        KernelProbe::BpfMap => with_memory(bpf::make_smallest_map),
        KernelProbe::BpfProgram => with_memory(bpf::load_smallest_program),
        KernelProbe::UnshareUser => verdict(super::subject::unshare_user()),
        KernelProbe::CloneUser => verdict(raw::clone_and_exit(libc::CLONE_NEWUSER)),
    }
}

fn errno(error: &io::Error) -> rustix::io::Errno {
    rustix::io::Errno::from_io_error(error).unwrap_or(rustix::io::Errno::IO)
}

/// Before 5.11 maps and programs are charged to a limit that the agent's own
/// have used up, of which the kernel says EPERM as well: no verdict on us. Who
/// may not raise it may not use BPF either.
fn with_memory(attempt: impl FnOnce() -> Result<(), crate::attempt::AttemptError>) -> Verdict {
    let unlimited = Rlimit {
        current: None,
        maximum: None,
    };
    let _ = setrlimit(Resource::Memlock, unlimited);
    match attempt() {
        Ok(()) => Verdict::Allowed,
        Err(error) => match error.source.raw_os_error() {
            Some(errno) => Verdict::Denied { errno },
            None => broken(&error.to_string()),
        },
    }
}

/// Something to a child that sleeps, and is ended afterwards.
fn to_child(mut act: impl FnMut(i32) -> rustix::io::Result<()>) -> Verdict {
    let pid = match raw::fork() {
        Ok(None) => raw::sleep_until_killed(),
        Ok(Some(pid)) => pid,
        Err(error) => return broken(&format!("fork: {error}")),
    };
    let result = act(pid);
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = rustix::process::kill_process(pid, Signal::KILL);
        let _ = rustix::process::waitpid(Some(pid), WaitOptions::empty());
    }
    verdict(result)
}

/// The child asks to be traced; its exit status is the errno.
fn trace_me() -> Verdict {
    let pid = match raw::fork() {
        Ok(None) => {
            let result = raw::ptrace(libc::PTRACE_TRACEME, 0);
            raw::exit(result.map_or_else(rustix::io::Errno::raw_os_error, |()| 0));
        }
        Ok(Some(pid)) => Pid::from_raw(pid),
        Err(error) => return broken(&format!("fork: {error}")),
    };
    match rustix::process::waitpid(pid, WaitOptions::empty()) {
        Ok(Some((_, status))) => match (status.exit_status(), status.terminating_signal()) {
            (Some(0), _) => Verdict::Allowed,
            (Some(errno), _) => Verdict::Denied { errno },
            (None, Some(signal)) => Verdict::Killed { signal },
            (None, None) => broken("the child has not ended"),
        },
        Ok(None) => broken("the child has not ended"),
        Err(error) => broken(&format!("wait for the child: {error}")),
    }
}

fn with_junk(act: impl FnOnce(&OwnedFd) -> rustix::io::Result<()>) -> Verdict {
    match junk() {
        Ok(file) => verdict(act(&file)),
        Err(error) => broken(&format!("make a file in memory: {error}")),
    }
}

fn junk() -> io::Result<OwnedFd> {
    let mut memory = File::from(rustix::fs::memfd_create("junk", MemfdFlags::CLOEXEC)?);
    memory.write_all(&JUNK)?;
    Ok(memory.into())
}
