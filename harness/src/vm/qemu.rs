//! Machines that QEMU runs.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use super::{
    BootSpec, Booted, Hypervisor, Machine, Received, Snapshot, VmError,
    command_line::{CommandLine, Hardware},
    lifeline,
    lines::Lines,
    process::Process,
    qmp::{Qmp, QmpError},
};
use crate::{interrupt::Interrupt, room::Kept};
use serde_json::json;

/// The console's log in the folder of a machine.
pub(super) const CONSOLE_LOG: &str = "console.log";
/// What QEMU itself says, there.
const QEMU_LOG: &str = "qemu.log";
/// The end of QEMU's words that an error shows.
const LAST_WORDS_BYTES: u64 = 2048;
/// What it says there when a signal makes it end in order.
const TOLD_BY_SIGNAL: &str = "terminating on signal";
/// For 60 MB; a busy disk delays it.
const MIGRATION: Duration = Duration::from_mins(1);
/// No limit: the machine is stopped, nothing competes with it.
const BYTES_PER_SECOND: u64 = 1 << 40;

/// QEMU as found on this host.
#[derive(Debug, Clone)]
pub struct Qemu {
    /// The executable.
    pub program: PathBuf,
    /// The machines it makes.
    pub hardware: Hardware,
    /// Ends them.
    pub interrupt: Interrupt,
}

impl Qemu {
    fn start(&self, line: CommandLine) -> Result<QemuMachine, VmError> {
        let folder = line.console.parent().unwrap_or(Path::new("."));
        let log_path = folder.join(QEMU_LOG);
        let log = File::create(&log_path).map_err(VmError::file(Kept::Results, &log_path))?;
        let (qmp, qmp_theirs) = UnixStream::pair().map_err(VmError::file(Kept::Results, folder))?;
        let (control, control_theirs) =
            UnixStream::pair().map_err(VmError::file(Kept::Results, folder))?;
        let mut command = Command::new(&self.program);
        command
            .args(line.arguments())
            .stdin(Stdio::from(OwnedFd::from(qmp_theirs)))
            .stdout(Stdio::from(OwnedFd::from(control_theirs)))
            .stderr(log);
        lifeline::tie(&mut command);
        let child = command.spawn().map_err(|cause| VmError::Start {
            program: self.program.clone(),
            cause,
        })?;
        // The command holds the other ends: with them open here, the end of
        // QEMU would not be the end of the file.
        let shown = format!("{command:?}");
        drop(command);
        let guard = self.interrupt.guard(child.id());
        let process = Process::new(child, guard);
        let qmp = Qmp::greet(qmp).map_err(|error| {
            let said = last_words(&log_path).unwrap_or_default();
            VmError::no_room(Kept::Results, folder, &said).unwrap_or_else(|| VmError::Refused {
                said: if said.is_empty() {
                    error.to_string()
                } else {
                    said
                },
                command: shown,
            })
        })?;
        Ok(QemuMachine {
            process,
            qmp,
            control: Lines::new(control),
            line,
            qemu: self.clone(),
        })
    }
}

impl Hypervisor for Qemu {
    fn boot(&self, spec: &BootSpec) -> Result<Box<dyn Booted>, VmError> {
        let machine = self.start(CommandLine {
            hardware: self.hardware.clone(),
            image: spec.image.clone(),
            initramfs: spec.initramfs.clone(),
            boot_mode: spec.boot_mode,
            lsms: spec.lsms.clone(),
            console: spec.folder.join(CONSOLE_LOG),
            disk: spec.disk.clone(),
            incoming: false,
        })?;
        Ok(Box::new(machine))
    }
}

#[derive(Debug)]
struct QemuMachine {
    process: Process,
    qmp: Qmp,
    control: Lines,
    line: CommandLine,
    qemu: Qemu,
}

impl QemuMachine {
    fn execute(
        &mut self,
        command: &'static str,
        arguments: &serde_json::Value,
    ) -> Result<(), VmError> {
        let result = self.qmp.execute(command, arguments);
        result.map(drop).map_err(refused(command))
    }

    fn announce_migration(&mut self) -> Result<(), VmError> {
        let events = json!({"capabilities": [{"capability": "events", "state": true}]});
        self.execute("migrate-set-capabilities", &events)
    }

    fn migrate(&mut self, command: &'static str, uri: &str) -> Result<(), VmError> {
        self.execute(command, &json!({"uri": uri}))?;
        self.qmp
            .await_migration(Instant::now() + MIGRATION)
            .map_err(|error| {
                // The helper that reads or writes says more than QEMU.
                let said =
                    last_words(&self.line.console.with_file_name(QEMU_LOG)).unwrap_or_default();
                let temporary = std::env::temp_dir();
                VmError::no_room(Kept::MachineStates, &temporary, &said).unwrap_or_else(|| {
                    VmError::Migration {
                        command,
                        reason: error.to_string(),
                        said,
                    }
                })
            })
    }
}

fn refused(command: &'static str) -> impl FnOnce(QmpError) -> VmError {
    move |error| VmError::Command {
        command,
        reason: error.to_string(),
    }
}

impl Machine for QemuMachine {
    fn send(&mut self, line: &str) -> io::Result<()> {
        self.control.send(line)
    }

    fn receive(&mut self, deadline: Instant) -> Received {
        self.control.receive(deadline)
    }

    fn suspend(&mut self, time: Duration) -> Result<(), VmError> {
        self.execute("stop", &json!({}))?;
        std::thread::sleep(time);
        self.execute("cont", &json!({}))
    }

    fn end(mut self: Box<Self>) -> Result<String, VmError> {
        let odd_end = self.process.odd_end(self.control.is_closed());
        self.process.end();
        let log = self.line.console.with_file_name(QEMU_LOG);
        let said = last_words(&log).unwrap_or_default();
        let was_told = said.lines().find(|line| line.contains(TOLD_BY_SIGNAL));
        if let Some(how) = odd_end.or_else(|| was_told.map(str::to_owned)) {
            return Err(VmError::Died { how });
        }
        let path = &self.line.console;
        let bytes = fs::read(path).map_err(VmError::file(Kept::Results, path))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl Booted for QemuMachine {
    fn save(mut self: Box<Self>) -> Result<Box<dyn Snapshot>, VmError> {
        let state = SavedState::new()?;
        self.announce_migration()?;
        let speed = json!({"max-bandwidth": BYTES_PER_SECOND});
        self.execute("migrate-set-parameters", &speed)?;
        self.execute("stop", &json!({}))?;
        self.migrate("migrate", &format!("exec:cat > {}", state.path()))?;
        self.process.end();
        Ok(Box::new(QemuSnapshot {
            state,
            line: self.line.clone(),
            qemu: self.qemu.clone(),
        }))
    }
}

/// A file without a name: however this process ends, it goes with it. QEMU's
/// helper reaches it through this process's table of open files.
#[derive(Debug)]
struct SavedState(File);

impl SavedState {
    fn new() -> Result<Self, VmError> {
        tempfile::tempfile()
            .map(Self)
            .map_err(VmError::file(Kept::MachineStates, &std::env::temp_dir()))
    }

    fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }
}

#[derive(Debug)]
struct QemuSnapshot {
    state: SavedState,
    line: CommandLine,
    qemu: Qemu,
}

impl Snapshot for QemuSnapshot {
    fn restore(&self, folder: &Path) -> Result<Box<dyn Machine>, VmError> {
        let mut machine = self.qemu.start(CommandLine {
            console: folder.join(CONSOLE_LOG),
            incoming: true,
            ..self.line.clone()
        })?;
        machine.announce_migration()?;
        let from = format!("exec:cat {}", self.state.path());
        machine.migrate("migrate-incoming", &from)?;
        machine.execute("cont", &json!({}))?;
        Ok(Box::new(machine))
    }
}

fn last_words(log: &Path) -> io::Result<String> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LAST_WORDS_BYTES)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}
