//! Where things are. Fixed: two agents with different folders would not see
//! each other's state.

/// Pinned maps and links; on a BPF file system.
pub const PINS: &str = "/sys/fs/bpf/aegisbpf";
/// The BPF file system.
pub const BPFFS: &str = "/sys/fs/bpf";
/// What lives until the next boot: the lock.
pub const RUNTIME: &str = "/run/aegisbpf";
/// What stays: the files of the canary. Programs must be executable there.
pub const STATE: &str = "/var/lib/aegisbpf";
/// The policy that is read when none is named.
pub const POLICY: &str = "/etc/aegisbpf/policy.yaml";
/// Keys whose signatures on policies are believed.
pub const TRUST: &str = "/etc/aegisbpf/trust.toml";
/// Where the daemon is asked.
pub const CONTROL: &str = "/run/aegisbpf/control.sock";
/// Every policy that was applied, and the record of it.
pub const HISTORY: &str = "/var/lib/aegisbpf/history";
