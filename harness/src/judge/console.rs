//! The kernel's own cries for help on its console.

/// A line of the console that no healthy kernel writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble<'a> {
    /// The kernel is dead.
    Panic(&'a str),
    /// It has found a bug of its own and goes on.
    Splat(&'a str),
}

impl<'a> Trouble<'a> {
    /// The line.
    pub const fn line(self) -> &'a str {
        match self {
            Self::Panic(line) | Self::Splat(line) => line,
        }
    }
}

/// What starts a report of a bug. A bare `WARNING:` is not among them: kernels
/// also warn of the processor's flaws that way.
const SPLATS: [&str; 14] = [
    "BUG: ",
    "kernel BUG at ",
    "Oops: ",
    "Oops[#",
    "general protection fault",
    "Unable to handle kernel",
    "soft lockup",
    "hard LOCKUP",
    "blocked for more than",
    "self-detected stall",
    "detected stalls on CPUs",
    "UBSAN: ",
    "possible recursive locking",
    "scheduling while atomic",
];

/// The first panic, else the first other trouble.
pub fn find_trouble(console: &str) -> Option<Trouble<'_>> {
    panic(console).or_else(|| splats(console).next().map(Trouble::Splat))
}

/// The line that says that the kernel is dead.
pub(super) fn panic(console: &str) -> Option<Trouble<'_>> {
    let mut lines = console.lines().map(str::trim);
    lines
        .find(|line| line.contains("Kernel panic - not syncing"))
        .map(Trouble::Panic)
}

/// The lines that start a report of a bug.
pub(super) fn splats(console: &str) -> impl Iterator<Item = &str> {
    console.lines().map(str::trim).filter(|line| is_splat(line))
}

pub(super) fn is_splat(line: &str) -> bool {
    let starts_a_word = |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric());
    SPLATS
        .iter()
        .any(|splat| line.find(splat).is_some_and(starts_a_word))
        || is_warning_with_place(line)
}

/// `WARN_ON` and its kin name the place and the processor: up to 6.18
/// `WARNING: CPU: 0 PID: 1 at file:line`, later `WARNING: file:line at
/// function, CPU#0: task/1`.
fn is_warning_with_place(line: &str) -> bool {
    line.split_once("WARNING: ")
        .is_some_and(|(_, rest)| rest.starts_with("CPU: ") || rest.contains(", CPU#"))
}

#[cfg(test)]
mod tests {
    use super::{Trouble, find_trouble};

    #[test]
    fn only_lines_that_no_healthy_kernel_writes_are_trouble() {
        let check = |line: &str, trouble: bool| {
            let console = format!("[    0.1] Linux version 6.12\n{line}\r\n[    2.0] ok\n");
            assert_eq!(find_trouble(&console).is_some(), trouble, "{line}");
        };
        check(
            "[    1.0] BUG: kernel NULL pointer dereference, address: 0",
            true,
        );
        check("[    1.0] Oops: 0000 [#1] PREEMPT SMP", true);
        check(
            "[    1.0] WARNING: CPU: 0 PID: 1 at kernel/bpf/core.c:12 f+0x1",
            true,
        );
        check(
            "[    1.0] WARNING: kernel/bpf/core.c:12 at f+0x1/0x2, CPU#1: init/1",
            true,
        );
        check(
            "[   21.0] rcu: INFO: rcu_preempt self-detected stall on CPU",
            true,
        );
        check(
            "[   21.0] rcu: INFO: rcu_sched detected stalls on CPUs/tasks:",
            true,
        );
        check(
            "[   30.0] watchdog: BUG: soft lockup - CPU#0 stuck for 22s!",
            true,
        );
        check(
            "[  242.0] INFO: task init:1 blocked for more than 120 seconds.",
            true,
        );
        check(
            "[    0.5] Spectre V2 : WARNING: Unprivileged eBPF is enabled with eIBRS on",
            false,
        );
        check(
            "[    0.5] WARNING: Spectre v2 mitigation leaves CPU vulnerable",
            false,
        );
        check("[    0.5] DEBUG: nothing", false);
        check("[    0.5] x86/fpu: Supporting XSAVE feature 0x001", false);
    }

    #[test]
    fn a_panic_outranks_the_oops_before_it() {
        let console = "Oops: 0000 [#1]\nKernel panic - not syncing: Fatal exception\n";
        let line = "Kernel panic - not syncing: Fatal exception";
        assert_eq!(find_trouble(console), Some(Trouble::Panic(line)));
    }
}
