//! What an operator gives up where the kernel cannot deny it.

use std::str::FromStr;

use aegisbpf_abi::{Domain, Mode};

use crate::image::Modes;

/// Domains that may be audited instead of enforced where BPF LSM is missing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Degrade {
    file: bool,
    exec: bool,
}

impl Degrade {
    /// Whether rules of a domain may be audited instead.
    pub const fn allows(self, domain: Domain) -> bool {
        match domain {
            Domain::File => self.file,
            Domain::Exec => self.exec,
            Domain::Network | Domain::Kernel => false,
        }
    }

    /// The modes of a policy in enforce, where only the network can be denied.
    pub fn lower(self, mut modes: Modes) -> Modes {
        for domain in Domain::ALL {
            if modes.of(domain) == Mode::Enforce && self.allows(domain) {
                modes.0[domain as usize] = Mode::Audit;
            }
        }
        modes
    }
}

impl FromStr for Degrade {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "expected `file=audit`, `exec=audit` or `file,exec=audit`";
        let Some((domains, "audit")) = text.split_once('=') else {
            return Err(expected.into());
        };
        let mut degrade = Self::default();
        for domain in domains.split(',') {
            let asked = match domain {
                "file" => &mut degrade.file,
                "exec" => &mut degrade.exec,
                "network" => {
                    return Err(
                        "the network is enforced without BPF LSM, too; to audit it, \
                                use `--mode audit`"
                            .into(),
                    );
                }
                "kernel" => {
                    return Err(
                        "nothing without BPF LSM sees what `kernel` rules are about: \
                                remove them from the policy"
                            .into(),
                    );
                }
                _ => return Err(format!("{domain:?} is no domain; {expected}")),
            };
            if *asked {
                return Err(format!("{domain:?} is named twice"));
            }
            *asked = true;
        }
        Ok(degrade)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_domains_that_tracepoints_see_can_be_degraded() {
        let both = Degrade {
            file: true,
            exec: true,
        };
        assert_eq!("file,exec=audit".parse(), Ok(both));
        assert_eq!("exec,file=audit".parse(), Ok(both));
        let check = |text: &str, says: &str| {
            let problem = text.parse::<Degrade>().unwrap_err();
            assert!(problem.contains(says), "{text}: {problem}");
        };
        check("file", "expected `file=audit`");
        check("file=off", "expected `file=audit`");
        check("=audit", "\"\" is no domain");
        check("network=audit", "is enforced without BPF LSM");
        check("file,kernel=audit", "remove them from the policy");
        check("file,file=audit", "named twice");
    }

    #[test]
    fn only_what_was_given_up_is_lowered() {
        let modes = Modes([Mode::Enforce, Mode::Off, Mode::Enforce, Mode::Enforce]);
        let both: Degrade = "file,exec=audit".parse().unwrap();
        let lowered = both.lower(modes);
        assert_eq!(
            lowered.0,
            [Mode::Audit, Mode::Off, Mode::Enforce, Mode::Enforce]
        );
        assert_eq!(Degrade::default().lower(modes), modes);
    }
}
