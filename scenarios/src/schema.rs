//! The types of a scenario file. Unknown fields are refused.

mod expect;
mod setup;
mod storm;
mod suite;

use harness_proto::{
    Fault, Probe,
    probe::{Access, RunAs},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use expect::{Errno, Expect};
pub use setup::Setup;
pub use storm::{Storm, StormAgent};
pub use suite::{Bypass, Suite};

use crate::rule::Rule;

/// One scenario: policy, mode, faults, probes and what must be observed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Unique; equals the name of the file.
    pub id: String,
    /// One sentence: what is true when it passes.
    pub title: String,
    /// What it is about.
    #[serde(default)]
    pub suite: Suite,
    /// The way round a rule that it tries.
    #[serde(default)]
    pub bypass: Option<Bypass>,
    /// The lowest tier that runs it.
    #[serde(default)]
    pub tier: Tier,
    /// What the kernel must be able to do, else the cell is skipped.
    #[serde(default)]
    pub needs: Vec<Requirement>,
    /// What the kernel must lack, else the cell is skipped: for scenarios
    /// about the absence of something.
    #[serde(default)]
    pub needs_absent: Vec<Requirement>,
    /// Skipping it in boot mode `bpf-lsm` is a failure.
    #[serde(default)]
    pub must_run: bool,
    /// Made in the guest before anything else.
    #[serde(default)]
    pub setup: Vec<Setup>,
    /// The policy.
    #[serde(default, rename = "rule")]
    pub rules: Vec<Rule>,
    /// Programs that no rule holds for.
    #[serde(default)]
    pub never_deny: Vec<String>,
    /// What is done, in order.
    #[serde(rename = "step")]
    pub steps: Vec<Step>,
}

impl Scenario {
    /// Whether it is of a suite; one that tries a way round a rule is of
    /// `bypass` whatever else it is about.
    pub fn is_of(&self, suite: Suite) -> bool {
        self.suite == suite || (suite == Suite::Bypass && self.bypass.is_some())
    }
}

/// How often a scenario runs: each tier holds the ones before it.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// With every `cargo xtask test`.
    Smoke,
    /// With every change.
    #[default]
    Pr,
    /// Every night.
    Nightly,
}

/// What a scenario needs of a booted kernel.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Requirement {
    /// The kernel loads BPF programs at all.
    Bpf,
    /// `bpf` is an active LSM and the kernel has BTF, so LSM programs run.
    BpfLsm,
    /// The kernel describes its types in `/sys/kernel/btf/vmlinux`.
    Btf,
    /// LSM programs may sleep.
    SleepableLsm,
    /// LSM programs can ask for the digest of a file's content.
    ImaFileHash,
    /// Making a user namespace is an LSM hook.
    UsernsCreate,
    /// Things can be asked for through io_uring.
    IoUring,
    /// TCP connections can be made over several paths.
    Mptcp,
    /// Overlays can be mounted.
    Overlay,
    /// There is a block device in memory.
    RamDisk,
}

/// A mode of the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Deny.
    Enforce,
    /// Report what would be denied.
    Audit,
}

/// A domain that can be audited instead of enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Degraded {
    /// Files and folders.
    File,
    /// Programs.
    Exec,
}

/// One step of a scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "do", deny_unknown_fields)]
pub enum Step {
    /// Start the agent and wait until it is ready or has refused.
    Start {
        /// The mode.
        mode: Mode,
        /// Domains that may be audited where they cannot be enforced.
        #[serde(default)]
        degrade: Vec<Degraded>,
        /// Ids of rules to leave out of the policy.
        #[serde(default)]
        without: Vec<String>,
        /// A policy in the agent's own language instead of the rules, for
        /// what the rules cannot say, such as a policy with a mistake.
        #[serde(default)]
        raw_policy: Option<String>,
        /// How often it tests itself while it runs, as a person writes it; else
        /// only when it brings a policy into force.
        #[serde(default)]
        canary_every: Option<String>,
        /// What must come of it.
        #[serde(default)]
        expect: StartExpect,
    },
    /// Give the running agent another policy.
    Reload {
        /// Ids of rules to leave out of the policy.
        #[serde(default)]
        without: Vec<String>,
        /// A policy in the agent's own language instead of the rules.
        #[serde(default)]
        raw_policy: Option<String>,
        /// What must come of it.
        #[serde(default)]
        expect: ReloadExpect,
    },
    /// Run the agent's command that brings a policy into force.
    Apply {
        /// Ids of rules to leave out of the policy.
        #[serde(default)]
        without: Vec<String>,
        /// A policy in the agent's own language instead of the rules.
        #[serde(default)]
        raw_policy: Option<String>,
        /// Take it back unless it is confirmed within this time, as a person
        /// writes it.
        #[serde(default)]
        confirm_within: Option<String>,
        /// Only ask what it would do.
        #[serde(default)]
        dry_run: bool,
        /// Its exit status.
        #[serde(default)]
        exit: i32,
        /// A part of what it says on standard error.
        #[serde(default)]
        says: String,
        /// Subset of its JSON output, when the exit status is 0.
        #[serde(default)]
        matches: serde_json::Value,
    },
    /// Do something and look at the kernel's verdict. For each probe that
    /// must be denied the harness adds its teeth: the same probe must be
    /// allowed before the agent starts, and again at the end with the rules
    /// removed.
    Probe {
        /// What to do.
        probe: Probe,
        /// As whom.
        #[serde(default)]
        run_as: RunAs,
        /// The verdict that must be observed.
        expect: Expect,
        /// The verdict of its teeth: another than allowed for what an
        /// undisturbed kernel refuses with an errno of its own.
        #[serde(default = "allowed")]
        control: Expect,
        /// What puts right again what each of its teeth has done, so that the
        /// probe can be repeated.
        #[serde(default)]
        undo: Vec<Setup>,
        /// Leave out the teeth, with the reason: for a probe that is asked a
        /// second time, or cannot be repeated.
        #[serde(default)]
        no_teeth: Option<String>,
    },
    /// Open a file without pause while policies change.
    Storm {
        /// How.
        storm: Storm,
    },
    /// Let a process open a file and keep it for [`Probe::Held`]. Opening must
    /// be allowed. What the teeth of such probes use is opened for them, too.
    Hold {
        /// What probes call it.
        name: String,
        /// Absolute path.
        path: String,
        /// How it is opened.
        #[serde(default)]
        access: Access,
        /// As whom.
        #[serde(default)]
        run_as: RunAs,
    },
    /// Make something, as a setup does.
    Make {
        /// What.
        make: Setup,
    },
    /// Send the agent a signal and wait until it is gone.
    Kill {
        /// `SIGKILL`, `SIGTERM` or another signal that ends it.
        signal: SignalName,
    },
    /// Send the agent a signal that does not end it; with `SIGSTOP`, wait
    /// until it is stopped.
    Signal {
        /// Which.
        signal: PauseSignal,
    },
    /// Let something go wrong around the agent, until it is lifted, at the latest
    /// after the last step.
    Fault {
        /// What `lift` calls it; by default the kind of fault it is.
        #[serde(default)]
        name: Option<String>,
        /// What.
        fault: Fault,
    },
    /// Put right what a fault made wrong.
    Lift {
        /// What it is called.
        fault: String,
    },
    /// Stop the whole machine for a while.
    Suspend {
        /// In milliseconds, of the host's time.
        for_ms: u64,
    },
    /// Wait until the agent ends by itself.
    Ends {
        /// Its exit status.
        exit: i32,
        /// A part of what it has said on standard error.
        says: String,
    },
    /// Hold what an agent that has ended says of its events against the
    /// events it sent: every attempt was delivered or counted as lost.
    Accounting {
        /// Which of its channels.
        ring: Ring,
        /// Exactly so many denials, or reports, the agent's own tests of
        /// itself included.
        attempts: u64,
        /// Whether some of them were lost.
        lost: Lost,
    },
    /// Run the agent's command that ends enforcement.
    Detach {
        /// Its exit status.
        #[serde(default)]
        exit: i32,
        /// A part of what it says on standard error.
        #[serde(default)]
        says: String,
    },
    /// Wait for events of the running agent.
    Event {
        /// Subset of the event, of fields that the agent's adapter knows.
        matches: serde_json::Value,
        /// At least so many, at least one.
        #[serde(default = "one")]
        count: u64,
        /// No more than `count`, either.
        #[serde(default)]
        exactly: bool,
    },
    /// No event that the agent has sent so far matches.
    NoEvent {
        /// Subset of the event.
        matches: serde_json::Value,
    },
    /// Ask the agent for its health.
    Health {
        /// Its exit status.
        #[serde(default)]
        exit: i32,
        /// Subset of its JSON output.
        matches: serde_json::Value,
    },
    /// Ask the agent for its health again: what it said of these at the health
    /// step before is still so.
    Unchanged {
        /// Fields of its JSON output, which must be there.
        fields: Vec<String>,
    },
    /// Ask the kernel which BPF links exist.
    Links {
        /// What must be true of them.
        expect: LinksExpect,
    },
}

/// What must come of [`Step::Start`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum StartExpect {
    /// The agent says it is ready.
    #[default]
    Ready,
    /// The agent exits before it is ready.
    Refused {
        /// With this status.
        exit: i32,
        /// Having said this on standard error.
        says: String,
    },
}

/// What must come of [`Step::Reload`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReloadExpect {
    /// The new policy is in force.
    #[default]
    Applied,
    /// The agent refused it and goes on.
    Refused,
}

/// The signals a scenario may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SignalName {
    /// 9
    SIGKILL,
    /// 15
    SIGTERM,
}

impl SignalName {
    /// The number on Linux, the same on x86-64 and arm64.
    pub const fn number(self) -> i32 {
        match self {
            Self::SIGKILL => 9,
            Self::SIGTERM => 15,
        }
    }
}

/// The signals that do not end an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PauseSignal {
    /// 19: it stops where it is.
    SIGSTOP,
    /// 18: it goes on.
    SIGCONT,
}

/// A channel of an agent's events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ring {
    /// Of what was denied.
    Denials,
    /// Of what was only reported.
    Audits,
}

/// What [`Step::Accounting`] says of losses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Lost {
    /// Nothing was lost.
    None,
    /// Something was lost, and counted.
    Some,
}

/// What must be true of the kernel's BPF links.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum LinksExpect {
    /// There is none.
    None,
    /// There is at least one; they are remembered under this name.
    Remember(String),
    /// The same link and program ids as were remembered under this name.
    SameAs(String),
}

const fn one() -> u64 {
    1
}

const fn allowed() -> Expect {
    Expect::Allowed
}
