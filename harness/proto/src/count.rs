//! What the counting bench and its guest say to each other: which operations
//! are counted, how often, and what came of it.

use std::{fmt, net::Ipv4Addr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the guest finds the executable that is counted.
pub const WORKLOAD_PATH: &str = "/bin/workload";
/// Where the guest finds the loader of programs that do nothing.
pub const NULL_LSM_PATH: &str = "/bin/null-lsm";
/// Everything that is measured happens here; no rule speaks of it.
pub const BENCH_FOLDER: &str = "/srv/bench";
/// The folder with the folders of the files that rules speak of.
pub const RULES_FOLDER: &str = "/srv/rules";
/// What the first address rule speaks of; it answers on loopback.
pub const DENIED_PEER: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 7);
/// How many files of rules share a folder.
const FILES_IN_A_FOLDER: u32 = 100;

/// The file that the rule of this number speaks of.
pub fn rule_file(number: u32) -> String {
    let folder = number / FILES_IN_A_FOLDER;
    format!("{RULES_FOLDER}/{folder:04}/file-{number:06}")
}

/// The file beside what is measured that the sibling rule of this number speaks
/// of.
pub fn sibling_file(number: u32) -> String {
    format!("{BENCH_FOLDER}/sibling-{number:06}")
}

/// What is counted. One of each is what the figures are for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// `getppid(2)`: a call that no rule can speak of.
    Getppid,
    /// `openat(2)` for reading, and `close(2)`.
    OpenClose,
    /// The same of a file with eight folders above it.
    #[serde(rename = "open-deep-8")]
    OpenDeep8,
    /// The same of one with 32.
    #[serde(rename = "open-deep-32")]
    OpenDeep32,
    /// The same of the file that the first rule speaks of.
    OpenListed,
    /// `newfstatat(2)` of a path.
    Stat,
    /// `pread(2)` of 4 KiB on an open descriptor.
    Pread,
    /// `connect(2)` of a UDP socket to an IPv4 address.
    UdpConnect,
    /// The same to an IPv6 address.
    #[serde(rename = "udp-connect-6")]
    UdpConnect6,
    /// The same to the IPv4 address that the first rule speaks of.
    UdpConnectListed,
    /// `sendto(2)` of 64 bytes on a UDP socket that is not connected; the
    /// receipt is not counted.
    UdpSend,
    /// `accept4(2)` of a TCP connection that waits; what makes and ends it is
    /// not counted.
    Accept,
    /// `mmap(2)` of a file, readable and executable, and `munmap(2)`.
    MmapExec,
    /// `vfork`, `execve(2)` of a program that does nothing, its end, and
    /// `wait4(2)`.
    Exec,
    /// `fork(2)`, the end of the child, and `wait4(2)`.
    Fork,
    /// `openat(2)` with `O_CREAT`, `close(2)` and `unlinkat(2)`.
    CreateUnlink,
    /// `renameat2(2)` within a folder.
    Rename,
}

impl Operation {
    /// In the order in which tables show them.
    pub const ALL: [Self; 17] = [
        Self::Getppid,
        Self::OpenClose,
        Self::OpenDeep8,
        Self::OpenDeep32,
        Self::OpenListed,
        Self::Stat,
        Self::Pread,
        Self::UdpConnect,
        Self::UdpConnect6,
        Self::UdpConnectListed,
        Self::UdpSend,
        Self::Accept,
        Self::MmapExec,
        Self::Exec,
        Self::Fork,
        Self::CreateUnlink,
        Self::Rename,
    ];

    /// As on command lines and in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Getppid => "getppid",
            Self::OpenClose => "open-close",
            Self::OpenDeep8 => "open-deep-8",
            Self::OpenDeep32 => "open-deep-32",
            Self::OpenListed => "open-listed",
            Self::Stat => "stat",
            Self::Pread => "pread",
            Self::UdpConnect => "udp-connect",
            Self::UdpConnect6 => "udp-connect-6",
            Self::UdpConnectListed => "udp-connect-listed",
            Self::UdpSend => "udp-send",
            Self::Accept => "accept",
            Self::MmapExec => "mmap-exec",
            Self::Exec => "exec",
            Self::Fork => "fork",
            Self::CreateUnlink => "create-unlink",
            Self::Rename => "rename",
        }
    }

    /// Whether the first rule speaks of it: an agent in enforce refuses it, and
    /// then it counts all the same.
    pub const fn is_listed(self) -> bool {
        matches!(self, Self::OpenListed | Self::UdpConnectListed)
    }

    /// The depth of the file that it opens, as the number of folders above it,
    /// if that is what it is for.
    pub const fn folders_above(self) -> Option<u32> {
        match self {
            Self::OpenDeep8 => Some(8),
            Self::OpenDeep32 => Some(32),
            _ => None,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What the workload is told, as its one argument.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CountPlan {
    /// How often everything is counted; the first round warms up.
    pub rounds: u32,
    /// The calibrated loop of each round.
    pub calibration: Calibration,
    /// What is counted in each round, in this order.
    pub operations: Vec<Planned>,
}

/// A loop of known length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Passes in a window: [`LOOP_INSTRUCTIONS`] each.
    pub passes: u64,
    /// Windows in a round.
    pub windows: u32,
}

/// Instructions in a pass of the calibrated loop.
pub const LOOP_INSTRUCTIONS: u64 = 2;

/// One operation of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Planned {
    /// Which.
    pub operation: Operation,
    /// How often it is done in a window.
    pub times: u32,
    /// Windows in a round.
    pub windows: u32,
    /// Which of the windows, ordered by their counts, stands for the operation
    /// itself: what percent of them is lower. 50 but for operations whose
    /// windows differ by what the kernel's allocators do on the side, of which
    /// the lower ones have least.
    pub percentile: u8,
    /// Instructions of a loop that are put into every operation: a slow-down of
    /// known size, to see whether it is found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slowed_by: Option<PerThousand>,
}

/// A part of what an operation takes.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub struct PerThousand(pub u32);

/// What the workload answers, as one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// The calibrated loop.
    pub loop_rounds: Vec<Round>,
    /// The operations of the plan, in its order.
    pub operations: Vec<Counted>,
}

/// One operation, counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counted {
    /// Which.
    pub operation: Operation,
    /// In the order in which they were counted.
    pub rounds: Vec<Round>,
    /// How often it was refused.
    #[serde(default)]
    pub refused: u64,
    /// Instructions that were put into each to slow it down.
    #[serde(default)]
    pub slowed_by: u64,
}

/// The windows of one round. A window is short, so that few have a timer
/// interrupt in them, or anything else that is not the operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Round {
    /// The machine's counter over the window at the plan's percentile, when they
    /// are ordered by it: what the operation itself takes.
    pub itself: u64,
    /// Over all windows: with interrupts, kernel threads and the agent's own
    /// process.
    pub total: u64,
}

/// What the kernel says of the LSM programs that are attached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LsmHooks {
    /// The hooks, one for each program, in order of their names.
    pub hooks: Vec<String>,
    /// BPF links of any other kind.
    pub other_links: u32,
}

/// What a command took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metered {
    /// Of the machine, from before it was started until it had ended.
    pub instructions: u64,
}

/// What the kernel holds for an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Footprint {
    /// Every BPF program, in the order in which they were loaded.
    pub programs: Vec<BpfProgram>,
    /// What the kernel accounts for all BPF maps.
    pub map_bytes: u64,
    /// How many there are.
    pub maps: u32,
    /// The resident memory of the processes that execute the agent.
    pub resident_bytes: u64,
}

/// What the kernel says of a BPF program.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct BpfProgram {
    /// The first 15 bytes of its name.
    pub name: String,
    /// Bytes of what the verifier made of it.
    pub translated_bytes: u32,
    /// Bytes of machine code.
    pub jited_bytes: u32,
    /// Instructions that the verifier looked at to accept it.
    pub verified: Verified,
}

/// Instructions that the verifier looked at.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Verified {
    /// So many.
    Instructions(u32),
    /// Kernels before 5.16 do not tell.
    NotKnown,
}

#[cfg(test)]
mod tests {
    use super::{Operation, rule_file};

    #[test]
    fn names_in_text_and_in_json_are_the_same() {
        for operation in Operation::ALL {
            assert_eq!(serde_json::to_value(operation).unwrap(), operation.name());
        }
    }

    #[test]
    fn files_of_rules_fill_one_folder_after_another() {
        assert_eq!(rule_file(99), "/srv/rules/0000/file-000099");
        assert_eq!(rule_file(100), "/srv/rules/0001/file-000100");
    }
}
