//! The ways a kernel is booted.

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{capability::Capability, unknown::UnknownName};

/// A way to boot a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BootMode {
    /// LSM programs run.
    BpfLsm,
    /// `bpf` is not among the active LSMs: LSM programs load, attach and are
    /// never run.
    NoBpfLsm,
    /// The guest shows no type information, as a kernel built without it:
    /// what needs it cannot be loaded, all else can.
    NoBtf,
    /// The kernel's own type information is malformed: it refuses every BPF
    /// program.
    BrokenBtf,
}

impl BootMode {
    /// Every boot mode.
    pub const ALL: [Self; 4] = [Self::BpfLsm, Self::NoBpfLsm, Self::NoBtf, Self::BrokenBtf];

    /// The name in files and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BpfLsm => "bpf-lsm",
            Self::NoBpfLsm => "no-bpf-lsm",
            Self::NoBtf => "no-btf",
            Self::BrokenBtf => "broken-btf",
        }
    }

    /// The part of the kernel's command line that sets the active LSMs. Given
    /// in every mode: whether `bpf` is among the defaults differs.
    pub const fn lsm_parameter(self) -> &'static str {
        match self {
            Self::BpfLsm | Self::NoBtf | Self::BrokenBtf => "lsm=lockdown,capability,landlock,bpf",
            Self::NoBpfLsm => "lsm=lockdown,capability,landlock,yama",
        }
    }

    /// Whether a kernel can be booted in this mode: only what is there can be
    /// broken.
    pub fn suits(self, capabilities: &BTreeSet<Capability>) -> bool {
        self != Self::BrokenBtf || capabilities.contains(&Capability::Btf)
    }

    /// What remains of a kernel's capabilities in this mode.
    pub fn limit(self, capabilities: &BTreeSet<Capability>) -> BTreeSet<Capability> {
        let remains = |capability: Capability| match self {
            Self::BpfLsm => true,
            Self::NoBpfLsm => !capability.is_of_lsm_programs(),
            // An LSM program is attached by the BTF id of its hook.
            Self::NoBtf => capability != Capability::Btf && !capability.is_of_lsm_programs(),
            Self::BrokenBtf => !capability.is_of_bpf(),
        };
        capabilities
            .iter()
            .copied()
            .filter(|&capability| remains(capability))
            .collect()
    }
}

impl fmt::Display for BootMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for BootMode {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        UnknownName::look_up("boot mode", text, Self::ALL, Self::name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mode_leaves_what_it_says() {
        let all = BTreeSet::from(Capability::ALL);
        assert_eq!(BootMode::BpfLsm.limit(&all), all);
        let check = |mode: BootMode, of_bpf: &[Capability]| {
            let rest = all.iter().filter(|capability| !capability.is_of_bpf());
            let expected: BTreeSet<_> = of_bpf.iter().chain(rest).copied().collect();
            assert_eq!(mode.limit(&all), expected, "{mode}");
        };
        check(BootMode::NoBpfLsm, &[Capability::Bpf, Capability::Btf]);
        check(BootMode::NoBtf, &[Capability::Bpf]);
        check(BootMode::BrokenBtf, &[]);
    }

    #[test]
    fn bpf_is_active_unless_the_mode_is_about_its_absence() {
        for (mode, active) in [
            (BootMode::BpfLsm, true),
            (BootMode::NoBpfLsm, false),
            (BootMode::NoBtf, true),
            (BootMode::BrokenBtf, true),
        ] {
            let lsms = mode.lsm_parameter().strip_prefix("lsm=").unwrap_or("");
            assert_eq!(lsms.split(',').any(|lsm| lsm == "bpf"), active, "{mode}");
        }
    }

    #[test]
    fn only_type_information_that_is_there_can_be_broken() {
        for mode in BootMode::ALL {
            assert!(mode.suits(&BTreeSet::from(Capability::ALL)), "{mode}");
            let suits = mode.suits(&BTreeSet::from([Capability::Bpf]));
            assert_eq!(suits, mode != BootMode::BrokenBtf, "{mode}");
        }
    }

    #[test]
    fn every_name_is_read_back_also_by_serde() {
        for mode in BootMode::ALL {
            assert_eq!(mode.name().parse(), Ok(mode));
            let json = serde_json::to_string(&mode).expect("a unit variant");
            assert_eq!(json, format!("\"{mode}\""));
        }
    }
}
