//! One cell: scenario × kernel × boot mode × agent.

use std::{
    fmt::{self, Write as _},
    path::PathBuf,
    str::FromStr,
};

use kernel_matrix::{BootMode, Digest};
use serde::{Deserialize, Serialize};
use thiserror::Error;

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

    /// What its guest's random pool is given in a run with this seed.
    pub fn seed(&self, run: u64) -> u64 {
        let digest = Digest::of(format!("{run}/{self}").as_bytes());
        let digits: String = digest.to_string().chars().take(16).collect();
        u64::from_str_radix(&digits, 16).unwrap_or(run)
    }

    /// The command that runs this cell alone, as it was run.
    pub fn repro_command(&self, again: &Again) -> String {
        let mut command = format!("cargo xtask repro {self}");
        if let Some(image) = &again.kernel_image {
            let image = quoted(&image.display().to_string());
            let _ = write!(command, " --kernel-image {image}");
        }
        if let Some(adapter) = &again.adapter {
            let adapter = quoted(&adapter.display().to_string());
            let _ = write!(command, " --agent {adapter}");
        }
        if again.seed != 0 {
            let _ = write!(command, " --seed {}", again.seed);
        }
        command
    }
}

impl FromStr for Cell {
    type Err = ParseCellError;

    fn from_str(text: &str) -> Result<Self, ParseCellError> {
        let error = || ParseCellError(text.into());
        let words: Vec<&str> = text.split('/').collect();
        let (kernel, mode, scenario, agent) = match words[..] {
            [kernel, mode, scenario] => (kernel, mode, scenario, "aegisbpf"),
            [kernel, mode, scenario, agent] => (kernel, mode, scenario, agent),
            _ => return Err(error()),
        };
        if words.iter().any(|word| word.is_empty()) {
            return Err(error());
        }
        Ok(Self {
            group: Group {
                kernel: kernel.into(),
                boot_mode: mode.parse().map_err(|_| error())?,
            },
            scenario: scenario.into(),
            agent: agent.into(),
        })
    }
}

/// What the cells of a run have in common that their names do not say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Again {
    /// A kernel of the user's own.
    pub kernel_image: Option<PathBuf>,
    /// The folder of an adapter that is not of the project.
    pub adapter: Option<PathBuf>,
    /// The run's seed.
    pub seed: u64,
}

/// Text that names no cell.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{0:?} names no cell: write kernel/boot-mode/scenario or kernel/boot-mode/scenario/agent, \
     such as 6.12/bpf-lsm/open-denied"
)]
pub struct ParseCellError(String);

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
    use super::{Again, Cell, Group};
    use kernel_matrix::BootMode;
    use std::path::Path;

    fn cell() -> Cell {
        Cell {
            group: Group {
                kernel: "6.12".into(),
                boot_mode: BootMode::BpfLsm,
            },
            scenario: "open-denied".into(),
            agent: "aegisbpf".into(),
        }
    }

    #[test]
    fn a_cell_has_one_name_for_each_use() {
        let cell = cell();
        assert_eq!(cell.to_string(), "6.12/bpf-lsm/open-denied/aegisbpf");
        assert_eq!(cell.program_name(), "open-denied.aegisbpf");
        assert_eq!(
            cell.folder(),
            Path::new("6.12/bpf-lsm/open-denied/aegisbpf")
        );
    }

    #[test]
    fn a_cell_is_found_by_its_name() {
        assert_eq!(cell().to_string().parse(), Ok(cell()));
        assert_eq!("6.12/bpf-lsm/open-denied".parse(), Ok(cell()));
        for text in [
            "",
            "6.12",
            "6.12/bpf-lsm",
            "6.12/bpf/open-denied",
            "6.12/bpf-lsm/",
            "a/b/c/d/e",
        ] {
            let error = text.parse::<Cell>().unwrap_err().to_string();
            assert!(
                error.contains("such as 6.12/bpf-lsm/open-denied"),
                "{error}"
            );
        }
    }

    #[test]
    fn the_command_that_runs_it_again_says_all_that_its_name_does_not() {
        let check = |image: Option<&str>, seed, expected: &str| {
            let again = Again {
                kernel_image: image.map(Into::into),
                adapter: None,
                seed,
            };
            assert_eq!(cell().repro_command(&again), expected);
        };
        let command = "cargo xtask repro 6.12/bpf-lsm/open-denied/aegisbpf";
        check(None, 0, command);
        check(None, 7, &format!("{command} --seed 7"));
        check(
            Some("/my kernels/it's"),
            0,
            &format!(r"{command} --kernel-image '/my kernels/it'\''s'"),
        );
    }

    #[test]
    fn a_seed_is_the_same_for_the_same_cell_of_the_same_run_only() {
        let other = Cell {
            scenario: "exec-denied".into(),
            ..cell()
        };
        assert_eq!(cell().seed(0), cell().seed(0));
        assert_ne!(cell().seed(0), cell().seed(1));
        assert_ne!(cell().seed(0), other.seed(0));
    }
}
