//! Which accelerator runs the machines.
//!
//! That `/dev/kvm` exists and answers says little: in nested virtualisation
//! QEMU may abort on it or hang, also where a tiny real-mode guest runs. Only
//! a kernel that boots with it, in time, shows that it works. The answer is
//! kept until the host reboots or QEMU or the kernel changes.

use std::{
    fmt, fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    atomic,
    room::{Kept, cannot_write},
    vm::lifeline::tie,
};

/// A kernel needs less than a second to its first attempt at a root file
/// system under KVM; a hanging one needs for ever.
const DEADLINE: Duration = Duration::from_secs(8);
/// What the kernel says once it is up and finds nothing to run.
const BOOTED: &str = "Unable to mount root fs";
const KVM_DEVICE: &str = "/dev/kvm";
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// What executes the guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Accel {
    /// The processor, through `/dev/kvm`.
    Kvm,
    /// QEMU's translator.
    Tcg,
    /// QEMU's translator in one thread, with a clock that advances by one
    /// nanosecond for each instruction, and by nothing else; for one processor.
    TcgCounting,
}

impl fmt::Display for Accel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
            Self::TcgCounting => "tcg-counting",
        })
    }
}

/// An accelerator and why it was chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detection {
    /// The choice.
    pub accel: Accel,
    /// For people.
    pub reason: String,
}

/// Why no accelerator could be chosen.
#[derive(Debug, Error)]
pub enum AccelError {
    /// QEMU does not run at all.
    #[error("cannot run {}: {source}; run `cargo xtask setup`", qemu.display())]
    Qemu {
        /// The program.
        qemu: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The kernel to try it with cannot be read.
    #[error("cannot read the kernel {}: {source}", path.display())]
    Kernel {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The answer cannot be kept.
    #[error("{}", cannot_write(Kept::Cache, path, source))]
    Cache {
        /// Where it was to be kept.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// The accelerator that works with this QEMU and this kernel (an ELF file);
/// `forced` is taken as it is. Answers are kept in the folder `cache`.
pub fn detect(
    qemu: &Path,
    kernel: &Path,
    cache: &Path,
    forced: Option<Accel>,
) -> Result<Detection, AccelError> {
    let because = |accel, reason: &str| Detection {
        accel,
        reason: reason.to_owned(),
    };
    if let Some(accel) = forced {
        return Ok(because(accel, "asked for"));
    }
    if !Path::new(KVM_DEVICE).exists() {
        return Ok(because(Accel::Tcg, "there is no /dev/kvm"));
    }
    let subject = Subject::of(qemu, kernel)?;
    let file = cache.join("accelerator.json");
    if let Some(known) = recall(&file, &subject) {
        return Ok(known);
    }
    let detection = try_kvm(qemu, kernel)?;
    let record = Record { subject, detection };
    serde_json::to_vec_pretty(&record)
        .map_err(Into::into)
        .and_then(|text| atomic::write(&file, &text))
        .map_err(|source| AccelError::Cache { path: file, source })?;
    Ok(record.detection)
}

/// What an answer holds for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Subject {
    /// A boot of the host.
    boot_id: String,
    /// QEMU's version line.
    qemu: String,
    kernel: PathBuf,
    kernel_bytes: u64,
    kernel_modified_seconds: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    subject: Subject,
    detection: Detection,
}

impl Subject {
    fn of(qemu: &Path, kernel: &Path) -> Result<Self, AccelError> {
        let version = Command::new(qemu)
            .arg("--version")
            .stdin(Stdio::null())
            .output()
            .map_err(|source| AccelError::Qemu {
                qemu: qemu.into(),
                source,
            })?;
        let metadata = fs::metadata(kernel).map_err(|source| AccelError::Kernel {
            path: kernel.into(),
            source,
        })?;
        let modified = metadata
            .modified()
            .ok()
            .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Ok(Self {
            boot_id: fs::read_to_string(BOOT_ID).unwrap_or_default(),
            qemu: first_line(&version.stdout),
            kernel: kernel.into(),
            kernel_bytes: metadata.len(),
            kernel_modified_seconds: modified.map_or(0, |since| since.as_secs()),
        })
    }
}

fn recall(file: &Path, subject: &Subject) -> Option<Detection> {
    let record: Record = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    // Without a boot id, nothing says that the host is still the same.
    (record.subject == *subject && !subject.boot_id.is_empty()).then_some(record.detection)
}

fn arguments(kernel: &Path) -> Vec<std::ffi::OsString> {
    let mut arguments: Vec<_> = [
        "-accel",
        "kvm",
        "-cpu",
        "host",
        "-m",
        "128",
        "-nodefaults",
        "-no-user-config",
        "-no-reboot",
        "-display",
        "none",
        "-serial",
        "stdio",
        "-append",
        "console=ttyS0 panic=-1",
        "-kernel",
    ]
    .map(Into::into)
    .into();
    arguments.push(kernel.into());
    arguments
}

/// Boots the kernel with nothing to run: it must come as far as to say so.
fn try_kvm(qemu: &Path, kernel: &Path) -> Result<Detection, AccelError> {
    let mut command = Command::new(qemu);
    command
        .args(arguments(kernel))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Ok(match try_boot(command, DEADLINE) {
        Ok(Boot::Reached(took)) => Detection {
            accel: Accel::Kvm,
            reason: format!("a kernel booted with it in {:.1} s", took.as_secs_f64()),
        },
        Ok(Boot::Ended(how)) => Detection {
            accel: Accel::Tcg,
            reason: format!("no kernel boots with KVM: {how}"),
        },
        Ok(Boot::Hung) => Detection {
            accel: Accel::Tcg,
            reason: format!(
                "a kernel with KVM was not up after {} s",
                DEADLINE.as_secs()
            ),
        },
        Err(source) => {
            return Err(AccelError::Qemu {
                qemu: qemu.into(),
                source,
            });
        }
    })
}

/// What became of the attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Boot {
    /// The kernel said what it says when it is up.
    Reached(Duration),
    /// The process ended before that; what it said last.
    Ended(String),
    /// Nothing of that before the deadline.
    Hung,
}

fn try_boot(mut command: Command, deadline: Duration) -> std::io::Result<Boot> {
    tie(&mut command);
    let started = Instant::now();
    let mut child = command.spawn()?;
    let console = watch(child.stdout.take());
    let errors = watch(child.stderr.take());
    let mut seen = Vec::new();
    let boot = loop {
        let left = deadline.saturating_sub(started.elapsed());
        match console.recv_timeout(left) {
            Ok(bytes) => seen.extend(bytes),
            Err(RecvTimeoutError::Timeout) => break Boot::Hung,
            Err(RecvTimeoutError::Disconnected) => {
                break Boot::Ended(how_it_ended(&mut child, &errors)?);
            }
        }
        if String::from_utf8_lossy(&seen).contains(BOOTED) {
            break Boot::Reached(started.elapsed());
        }
    };
    child.kill()?;
    child.wait()?;
    Ok(boot)
}

fn how_it_ended(child: &mut Child, errors: &mpsc::Receiver<Vec<u8>>) -> std::io::Result<String> {
    // It may have closed its output and stay; it is of no use then.
    child.kill()?;
    let status = child.wait()?;
    let said: Vec<u8> = errors.iter().flatten().collect();
    Ok(match first_line(&said) {
        said if said.is_empty() => status.to_string(),
        said => format!("{status}, {said}"),
    })
}

/// The stream's bytes as they come; the channel ends with the stream.
fn watch(stream: Option<impl Read + Send + 'static>) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    if let Some(mut stream) = stream {
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = stream.read(&mut buffer) {
                if sender.send(buffer[..read].to_vec()).is_err() {
                    break;
                }
            }
        });
    }
    receiver
}

fn first_line(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.lines().next().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boot(script: &str, deadline: Duration) -> Boot {
        let mut command = Command::new("sh");
        command
            .args(["-c", script])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        try_boot(command, deadline).unwrap()
    }

    #[test]
    fn only_a_kernel_that_came_up_counts_as_booted() {
        let reached = boot(
            "echo Linux version; echo 'VFS: Unable to mount root fs'; exec sleep 60",
            DEADLINE,
        );
        assert!(matches!(reached, Boot::Reached(_)), "{reached:?}");
        let ended = boot("echo Linux version; echo no kvm >&2; exit 3", DEADLINE);
        assert_eq!(ended, Boot::Ended("exit status: 3, no kvm".into()));
        let hung = boot(
            "echo Linux version; exec sleep 60",
            Duration::from_millis(80),
        );
        assert_eq!(hung, Boot::Hung);
    }

    #[test]
    fn a_forced_accelerator_is_taken_without_a_look() {
        let nowhere = Path::new("/nonexistent");
        let found = detect(nowhere, nowhere, nowhere, Some(Accel::Kvm)).unwrap();
        assert_eq!(found.accel, Accel::Kvm);
    }

    #[test]
    fn an_answer_holds_for_the_same_boot_qemu_and_kernel_only() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("accelerator.json");
        let subject = Subject {
            boot_id: "1".into(),
            qemu: "QEMU 7".into(),
            kernel: "/k".into(),
            kernel_bytes: 1,
            kernel_modified_seconds: 2,
        };
        let detection = Detection {
            accel: Accel::Tcg,
            reason: "no".into(),
        };
        assert_eq!(recall(&file, &subject), None);
        let record = Record {
            subject: subject.clone(),
            detection: detection.clone(),
        };
        fs::write(&file, serde_json::to_vec(&record).unwrap()).unwrap();
        assert_eq!(recall(&file, &subject), Some(detection));
        let rebooted = Subject {
            boot_id: "2".into(),
            ..subject
        };
        assert_eq!(recall(&file, &rebooted), None);
        fs::write(&file, "{").unwrap();
        assert_eq!(recall(&file, &rebooted), None);
    }
}
