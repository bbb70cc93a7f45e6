//! From a kernel to a snapshot that is ready for cells.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use harness_proto::{Facts, Feature, GuestMessage, PROTOCOL_VERSION, wire};
use kernel_matrix::Capability;

use crate::{
    judge::{Trouble, find_trouble},
    outcome::{InfraCode, Outcome},
    vm::{BootSpec, Booted, Hypervisor, Machine, Received, Snapshot},
};

/// From start to the runner's first words: 2.4 to 4.7 s were measured on an
/// idle host; a busy one takes several times that.
const BOOT: Duration = Duration::from_secs(90);

/// A saved machine whose runner waits for its cell.
pub struct Ready {
    /// Where every cell starts.
    pub snapshot: Box<dyn Snapshot>,
    /// What the kernel says of itself.
    pub facts: Facts,
    /// From start to the runner's first words.
    pub booted_in: Duration,
}

/// Why there is no snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootFailure {
    /// What kind of trouble.
    pub code: InfraCode,
    /// In words.
    pub reason: String,
    /// The machine died before its user space said anything. It happens to
    /// about one boot in 75 under TCG, so this, and only this, may be tried
    /// again.
    pub before_user_space: bool,
}

/// A machine whose runner waits for its cell.
pub struct Greeted {
    /// It is running.
    pub machine: Box<dyn Booted>,
    /// What the kernel says of itself.
    pub facts: Facts,
    /// From start to the runner's first words.
    pub booted_in: Duration,
}

/// Boot, wait for the runner, save.
pub fn boot(hypervisor: &dyn Hypervisor, spec: &BootSpec) -> Result<Ready, BootFailure> {
    let Greeted {
        machine,
        facts,
        booted_in,
    } = greet(hypervisor, spec)?;
    let snapshot = machine.save().map_err(|error| BootFailure {
        code: error.code(),
        reason: error.to_string(),
        before_user_space: false,
    })?;
    Ok(Ready {
        snapshot,
        facts,
        booted_in,
    })
}

/// Boot, wait for the runner, and leave it running.
pub fn greet(hypervisor: &dyn Hypervisor, spec: &BootSpec) -> Result<Greeted, BootFailure> {
    let started = Instant::now();
    let mut machine = hypervisor.boot(spec).map_err(|error| BootFailure {
        code: error.code(),
        reason: error.to_string(),
        before_user_space: false,
    })?;
    match await_hello(&mut *machine, started + BOOT) {
        Ok(facts) => Ok(Greeted {
            machine,
            facts,
            booted_in: started.elapsed(),
        }),
        Err(silence) => Err(explain(silence, machine)),
    }
}

/// Why no greeting came.
enum Silence {
    Closed,
    Deadline,
    Fatal(String),
    OtherProtocol(u32),
}

fn await_hello(machine: &mut dyn Machine, deadline: Instant) -> Result<Facts, Silence> {
    loop {
        let line = match machine.receive(deadline) {
            Received::Line(line) => line,
            Received::Deadline => return Err(Silence::Deadline),
            Received::Closed => return Err(Silence::Closed),
        };
        match wire::decode(&line) {
            Ok(GuestMessage::Hello { protocol, facts }) if protocol == PROTOCOL_VERSION => {
                return Ok(facts);
            }
            Ok(GuestMessage::Hello { protocol, .. }) => {
                return Err(Silence::OtherProtocol(protocol));
            }
            Ok(GuestMessage::Fatal { message }) => return Err(Silence::Fatal(message)),
            // The port's own noise, and whatever got damaged: it is repeated.
            Ok(_) | Err(_) => {}
        }
    }
}

fn explain(silence: Silence, machine: Box<dyn Booted>) -> BootFailure {
    let console = match machine.end() {
        Ok(console) => console,
        Err(error) => {
            return BootFailure {
                code: error.code(),
                reason: error.to_string(),
                before_user_space: false,
            };
        }
    };
    let trouble = find_trouble(&console);
    let said = match trouble {
        Some(trouble) => format!("; the console says \"{}\"", trouble.line()),
        None => console
            .lines()
            .rev()
            .find(|line| !line.trim().is_empty())
            .map(|line| format!("; the console's last line is \"{}\"", line.trim()))
            .unwrap_or_default(),
    };
    let failure = |code, reason: String, before_user_space| BootFailure {
        code,
        reason,
        before_user_space,
    };
    // A kernel that panics because of PID 1 has got to user space.
    let user_space_died = matches!(
        trouble,
        Some(Trouble::Panic(line)) if line.contains("init")
    );
    match silence {
        Silence::Closed => failure(
            InfraCode::Boot,
            format!("the machine ended before its runner said anything{said}"),
            !user_space_died,
        ),
        Silence::Deadline => failure(
            InfraCode::Boot,
            format!("the runner said nothing within {} s{said}", BOOT.as_secs()),
            !user_space_died,
        ),
        Silence::Fatal(message) => failure(
            InfraCode::Boot,
            format!("the guest's runner gave up: {message}"),
            false,
        ),
        Silence::OtherProtocol(found) => failure(
            InfraCode::Artefact,
            format!(
                "the guest speaks protocol {found}, the host {PROTOCOL_VERSION}: build both anew with `cargo xtask build`"
            ),
            false,
        ),
    }
}

/// Hold what a kernel says of itself against what the matrix says of it, as
/// far as it says anything.
pub fn check_facts(facts: &Facts, expected: &BTreeSet<Capability>) -> Result<(), Outcome> {
    let has_bpf_lsm = facts.bpf && facts.btf && facts.lsm.iter().any(|lsm| lsm == "bpf");
    // Of the hooks, a kernel whose LSM programs never run has none.
    let has = |capability, feature| {
        let hidden = Capability::is_of_lsm_programs(capability) && !has_bpf_lsm;
        (capability, facts.features.contains(&feature) && !hidden)
    };
    for (capability, found) in [
        (Capability::Bpf, facts.bpf),
        (Capability::Btf, facts.btf),
        (Capability::BpfLsm, has_bpf_lsm),
        has(Capability::SleepableLsm, Feature::SleepableLsm),
        has(Capability::ImaFileHash, Feature::ImaFileHash),
        has(Capability::UsernsCreate, Feature::UsernsCreate),
        has(Capability::IoUring, Feature::IoUring),
        has(Capability::Mptcp, Feature::Mptcp),
        has(Capability::Overlay, Feature::Overlay),
        has(Capability::RamDisk, Feature::RamDisk),
    ] {
        let wanted = expected.contains(&capability);
        if wanted != found {
            let has = |yes| if yes { "has" } else { "lacks" };
            return Err(Outcome::failed(
                crate::outcome::FailCode::CapabilityMismatch,
                format!(
                    "by the matrix this kernel {} {capability}, booted it {} it (release {}, lsm={}, bpf={}, btf={})",
                    has(wanted),
                    has(found),
                    facts.release,
                    facts.lsm.join(","),
                    facts.bpf,
                    facts.btf
                ),
            ));
        }
    }
    Ok(())
}

/// Whether the LSMs are active that an agent needs, which no matrix speaks of.
pub fn check_lsms(facts: &Facts, wanted: &[String]) -> Result<(), Outcome> {
    match wanted.iter().find(|lsm| !facts.lsm.contains(lsm)) {
        None => Ok(()),
        Some(lsm) => Err(Outcome::failed(
            crate::outcome::FailCode::CapabilityMismatch,
            format!(
                "the agent needs the LSM {lsm}, which this kernel does not have (release {}, lsm={})",
                facts.release,
                facts.lsm.join(",")
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::{BootFailure, boot, check_facts};
    use crate::{
        fake::{FakeHypervisor, Life, spec},
        outcome::{InfraCode, Outcome},
    };
    use harness_proto::Facts;
    use kernel_matrix::Capability;
    use std::collections::BTreeSet;

    fn failure(life: Life) -> BootFailure {
        let hypervisor = FakeHypervisor::new([life]);
        match boot(&hypervisor, &spec()) {
            Ok(_) => panic!("it booted"),
            Err(failure) => failure,
        }
    }

    #[test]
    fn only_a_death_before_user_space_may_be_tried_again() {
        let check = |life, code, again: bool, says: &str| {
            let failure = failure(life);
            assert_eq!((failure.code, failure.before_user_space), (code, again));
            assert!(failure.reason.contains(says), "{}", failure.reason);
        };
        let early = "[    0.4] Kernel panic - not syncing: IO-APIC + timer doesn't work!";
        let init = "[    2.4] Kernel panic - not syncing: Attempted to kill init!";
        check(Life::Dies(early), InfraCode::Boot, true, "IO-APIC");
        check(Life::Dies(init), InfraCode::Boot, false, "kill init");
        check(Life::Killed, InfraCode::QemuDied, false, "SIGKILL");
        check(
            Life::GivesUp("no /proc"),
            InfraCode::Boot,
            false,
            "no /proc",
        );
        check(Life::Speaks(999), InfraCode::Artefact, false, "999");
        check(
            Life::DoesNotStart,
            InfraCode::QemuStart,
            false,
            "xtask setup",
        );
    }

    #[test]
    fn a_kernel_that_is_not_what_the_matrix_says_is_noticed() {
        let all = BTreeSet::from([Capability::Bpf, Capability::Btf, Capability::BpfLsm]);
        let bpf = BTreeSet::from([Capability::Bpf]);
        let none = BTreeSet::new();
        let check = |lsm: &str, bpf, btf, expected: &BTreeSet<Capability>, agrees: bool| {
            let facts = Facts {
                release: "6.12.1".into(),
                lsm: lsm.split(',').map(str::to_owned).collect(),
                bpf,
                btf,
                features: BTreeSet::new(),
            };
            let checked = check_facts(&facts, expected);
            assert_eq!(checked.is_ok(), agrees, "{lsm} {bpf} {btf}");
            if let Err(outcome) = checked {
                assert!(matches!(outcome, Outcome::Failed { .. }));
            }
        };
        check("capability,bpf", true, true, &all, true);
        check("capability", true, true, &all, false);
        check("capability,bpf", true, false, &all, false);
        check("capability,bpf", false, true, &all, false);
        check("capability,bpf", true, false, &bpf, true);
        check("capability,bpf", false, false, &bpf, false);
        check("capability,bpf", true, true, &bpf, false);
        check("capability,bpf", false, false, &none, true);
        check("capability,bpf", true, false, &none, false);
    }
}
