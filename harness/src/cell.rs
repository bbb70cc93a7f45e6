//! One cell: scenario × kernel × boot mode × agent.

use std::{fmt, path::PathBuf};

use kernel_matrix::BootMode;
use serde::{Deserialize, Serialize};

/// A machine that several cells start from: one kernel in one boot mode.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Group {
    /// The kernel's name: its series, or what a kernel of the user's is called.
    pub kernel: String,
    /// How it is booted.
    pub boot_mode: BootMode,
}

/// What is judged. Ordered by kernel as the plan lists them, not by name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cell {
    /// The machine.
    #[serde(flatten)]
    pub group: Group,
    /// The scenario's id.
    pub scenario: String,
    /// The agent's name.
    pub agent: String,
}

impl Group {
    /// The folder of this group below a run's folders of boots or cells.
    pub fn folder(&self) -> PathBuf {
        PathBuf::from(&self.kernel).join(self.boot_mode.name())
    }
}

impl Cell {
    /// What the guest calls it: the stem of a file name. It is the same in
    /// every group, so that one initramfs serves all of them.
    pub fn program_name(&self) -> String {
        program_name(&self.scenario, &self.agent)
    }

    /// Its folder below a run's folder of cells.
    pub fn folder(&self) -> PathBuf {
        self.group.folder().join(&self.scenario).join(&self.agent)
    }

    /// The command that runs this cell alone. A kernel of the user's has to be
    /// named by `--kernel-image` again.
    pub fn rerun_command(&self, kernel_image: Option<&std::path::Path>) -> String {
        let Group { kernel, boot_mode } = &self.group;
        let which = kernel_image.map_or_else(
            || format!("--kernel {kernel}"),
            |image| format!("--kernel-image {}", quoted(&image.display().to_string())),
        );
        // The one that is run when none is named.
        let agent = match self.agent.as_str() {
            "aegisbpf" => String::new(),
            other => format!(" --agent {other}"),
        };
        format!(
            "cargo xtask e2e --tier nightly {which} --boot-mode {boot_mode} --scenario {}{agent}",
            self.scenario
        )
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if word.chars().all(plain) {
        word.into()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// See [`Cell::program_name`].
pub fn program_name(scenario: &str, agent: &str) -> String {
    format!("{scenario}.{agent}")
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kernel, self.boot_mode)
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.group, self.scenario, self.agent)
    }
}

#[cfg(test)]
mod tests {
    use super::{Cell, Group};
    use kernel_matrix::BootMode;
    use std::path::Path;

    #[test]
    fn a_cell_has_one_name_for_each_use() {
        let cell = Cell {
            group: Group {
                kernel: "6.12".into(),
                boot_mode: BootMode::BpfLsm,
            },
            scenario: "open-denied".into(),
            agent: "aegisbpf".into(),
        };
        assert_eq!(cell.to_string(), "6.12/bpf-lsm/open-denied/aegisbpf");
        assert_eq!(cell.program_name(), "open-denied.aegisbpf");
        assert_eq!(
            cell.folder(),
            Path::new("6.12/bpf-lsm/open-denied/aegisbpf")
        );
        assert_eq!(
            cell.rerun_command(None),
            "cargo xtask e2e --tier nightly --kernel 6.12 --boot-mode bpf-lsm --scenario open-denied"
        );
        assert_eq!(
            cell.rerun_command(Some(Path::new("/k/vmlinux"))),
            "cargo xtask e2e --tier nightly --kernel-image /k/vmlinux --boot-mode bpf-lsm --scenario open-denied"
        );
        let odd = cell.rerun_command(Some(Path::new("/my kernels/it's")));
        assert!(
            odd.contains(r"--kernel-image '/my kernels/it'\''s' --boot"),
            "{odd}"
        );
    }
}
