//! PID 1 of the guest: makes the machine ready, tells the host, runs one
//! cell, and waits to be switched off.

use std::convert::Infallible;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use harness_guest::attempt::Attempt;
use harness_guest::execute::Executor;
use harness_guest::fresh::ThisMachine;
use harness_guest::port::Port;
use harness_guest::supervise::{Orphans, Supervisor};
use harness_guest::{boot, session};
use harness_proto::{CELLS_DIR, CONTROL_PORT, GuestMessage, PROBE_PATH};
use rustix::system::{RebootCommand, reboot};

fn main() -> ExitCode {
    // It would mount over the machine it runs on.
    if std::process::id() != 1 {
        let mut stderr = io::stderr();
        let _ = writeln!(
            stderr,
            "guest-runner is the init of a guest: run it as PID 1"
        );
        return ExitCode::from(2);
    }
    std::panic::set_hook(Box::new(|panic| die(&format!("guest-runner: {panic}"))));
    match run() {
        Ok(never) => match never {},
        Err(error) => die(&error.to_string()),
    }
    ExitCode::FAILURE
}

fn run() -> anyhow::Result<Infallible> {
    boot::mount_file_systems()?;
    boot::hide_btf_if_told()?;
    boot::load_modules()?;
    boot::raise_loopback()?;
    let facts = boot::read_facts();
    let mut port = Port::open(Path::new(CONTROL_PORT))?;
    let orphans = Orphans::watch().attempt(|| "watch for the end of children".into())?;
    let supervisor = Supervisor::with_orphans(orphans);
    let mut executor = Executor::new(supervisor, PROBE_PATH.into());
    session::serve(
        &mut port,
        &facts,
        Path::new(CELLS_DIR),
        &ThisMachine,
        &mut executor,
    )?;
    Ok(executor
        .idle()
        .attempt(|| "wait to be switched off".into())?)
}

/// Tell the host why and switch off. Whatever fails on the way is passed
/// over: there is nobody left to tell.
fn die(message: &str) {
    let _ = writeln!(io::stderr(), "{message}");
    // The port by itself again: the session's own may be what failed.
    if let Ok(mut port) = Port::open(Path::new(CONTROL_PORT)) {
        let message = message.to_owned();
        let _ = port.send(&GuestMessage::Fatal { message });
        let _ = port.flush();
    }
    let _ = reboot(RebootCommand::PowerOff);
}
