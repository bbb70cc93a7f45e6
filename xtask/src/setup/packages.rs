//! What the distribution's package manager provides.

use anyhow::{Result, bail};

use super::step::{State, Step};
use crate::process::Invocation;
use crate::progress::Stage;

/// A need that a package fulfils.
#[derive(Debug)]
pub(super) struct SystemPackage {
    name: &'static str,
    /// How to see that it is there: the detail to show, or what is wanting.
    probe: fn() -> Result<String, String>,
    apt: &'static str,
    dnf: &'static str,
}

/// QEMU for x86-64.
pub(super) const QEMU: SystemPackage = SystemPackage {
    name: "QEMU",
    probe: || {
        let version = Invocation::new(QEMU_PROGRAM)
            .arg("--version")
            .stdout()
            .map_err(|error| error.to_string())?;
        Ok(version.lines().next().unwrap_or_default().to_owned())
    },
    apt: "qemu-system-x86",
    dnf: "qemu-system-x86-core",
};

/// The program of [`QEMU`].
pub(super) const QEMU_PROGRAM: &str = "qemu-system-x86_64";

/// A shell for guests, in one file that needs no other.
pub(super) const BUSYBOX: SystemPackage = SystemPackage {
    name: "busybox",
    probe: || {
        let run = duct::cmd!(BUSYBOX_PROGRAM, "--help").stderr_null().read();
        let says = run.map_err(|error| format!("{BUSYBOX_PROGRAM}: {error}"))?;
        Ok(says.lines().next().unwrap_or_default().to_owned())
    },
    apt: "busybox-static",
    dnf: "busybox",
};

/// The program of [`BUSYBOX`]; both distributions have it there.
pub(super) const BUSYBOX_PROGRAM: &str = "/bin/busybox";

/// What makes the file systems of disks.
pub(super) const MKE2FS: SystemPackage = SystemPackage {
    name: "mke2fs",
    probe: || {
        // It says its version on standard error.
        let program = harness::powercut::mke2fs();
        let run = duct::cmd!(program, "-V").stderr_to_stdout().read();
        let version = run.map_err(|error| error.to_string())?;
        Ok(version.lines().next().unwrap_or_default().to_owned())
    },
    apt: "e2fsprogs",
    dnf: "e2fsprogs",
};

/// The static C library that the executables of the guest are linked with.
pub(super) const STATIC_LIBC: SystemPackage = SystemPackage {
    name: "static libc",
    probe: || {
        let path = Invocation::new("cc")
            .arg("-print-file-name=libc.a")
            .stdout()
            .map_err(|error| error.to_string())?;
        // The compiler answers with the bare name when it finds no such file.
        match path.trim() {
            "libc.a" => Err("the C compiler finds no libc.a".to_owned()),
            path => Ok(std::fs::canonicalize(path)
                .map_or_else(|_| path.to_owned(), |path| path.display().to_string())),
        }
    },
    apt: "libc6-dev",
    dnf: "glibc-static",
};

impl Step for SystemPackage {
    fn name(&self) -> &'static str {
        self.name
    }

    fn check(&self) -> Result<State> {
        Ok(match (self.probe)() {
            Ok(detail) => State::present(detail),
            Err(why) => State::missing(why, self.remedy(Manager::find())),
        })
    }

    fn install(&self, stage: &Stage) -> Result<State> {
        let State::Missing { why, remedy } = self.check()? else {
            return self.check();
        };
        let (Some(manager), Some(privilege)) = (Manager::find(), Privilege::find()) else {
            return Ok(State::missing(why, remedy));
        };
        stage.announce("installing the distribution's package …");
        let [refresh, install] = manager.commands(self.package(manager), privilege);
        run_both(&refresh, &install, stage)?;
        self.check()
    }
}

impl SystemPackage {
    fn package(&self, manager: Manager) -> &'static str {
        match manager {
            Manager::Apt => self.apt,
            Manager::Dnf => self.dnf,
        }
    }

    fn remedy(&self, manager: Option<Manager>) -> String {
        match manager {
            Some(manager) => manager
                .commands(self.package(manager), Privilege::Sudo)
                .map(|command| command.to_string())
                .join("; "),
            None => format!(
                "install {} with your package manager (Debian: {}, Fedora: {})",
                self.name, self.apt, self.dnf
            ),
        }
    }
}

/// One broken source of many fails the refresh, and the lists that are there
/// may well be good enough: so only the installation decides.
fn run_both(refresh: &Invocation, install: &Invocation, stage: &Stage) -> Result<()> {
    let refreshed = refresh.run(|line| stage.line(line));
    if let Err(error) = &refreshed {
        stage.print(&format!(
            "going on with the lists of packages that are there: {error}"
        ));
    }
    match (refreshed, install.run(|line| stage.line(line))) {
        (_, Ok(())) => Ok(()),
        (Ok(()), Err(error)) => Err(error.into()),
        (Err(before), Err(error)) => bail!("{error}\nbefore that, {before}"),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manager {
    Apt,
    Dnf,
}

impl Manager {
    fn find() -> Option<Self> {
        let runs = |program| {
            Invocation::new(program)
                .arg("--version")
                .run_quietly()
                .is_ok()
        };
        if runs("apt-get") {
            Some(Self::Apt)
        } else if runs("dnf") {
            Some(Self::Dnf)
        } else {
            None
        }
    }

    /// What to run, in order.
    fn commands(self, package: &str, privilege: Privilege) -> [Invocation; 2] {
        match self {
            Self::Apt => [
                privilege.run("apt-get").args(["update", "-q"]),
                // By `env`, because sudo drops the caller's variables.
                privilege
                    .run("env")
                    .args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "install"])
                    .args(["-y", "-q", "--no-install-recommends", package]),
            ],
            Self::Dnf => [
                privilege.run("dnf").args(["-y", "-q", "makecache"]),
                privilege.run("dnf").args(["-y", "-q", "install", package]),
            ],
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Privilege {
    Root,
    Sudo,
}

impl Privilege {
    /// Root, or sudo that does not ask for a password.
    fn find() -> Option<Self> {
        if nix::unistd::geteuid().is_root() {
            return Some(Self::Root);
        }
        Invocation::new("sudo")
            .args(["-n", "true"])
            .run_quietly()
            .ok()
            .map(|()| Self::Sudo)
    }

    fn run(self, program: &str) -> Invocation {
        match self {
            Self::Root => Invocation::new(program),
            Self::Sudo => Invocation::new("sudo").arg(program),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Stages;

    fn check(manager: Option<Manager>, expected: &str) {
        assert_eq!(QEMU.remedy(manager), expected);
    }

    #[test]
    fn only_the_installation_decides_and_its_failure_shows_both() {
        let sh = |script: &str| Invocation::new("sh").args(["-c", script]);
        let stage = Stages::new("test").start("fake");
        let both = |refresh, install| run_both(&sh(refresh), &sh(install), &stage);
        assert!(both("exit 0", "exit 0").is_ok());
        assert!(both("exit 100", "exit 0").is_ok());
        let error = both("exit 0", "echo no such package; exit 100").unwrap_err();
        assert!(!error.to_string().contains("before that"), "{error}");
        let error = both(
            "echo no network; exit 100",
            "echo no such package; exit 100",
        );
        let error = error.unwrap_err().to_string();
        let (install, refresh) = error.split_once("before that").unwrap();
        assert!(install.contains("no such package"), "{error}");
        assert!(refresh.contains("no network"), "{error}");
    }

    #[test]
    fn the_remedy_is_a_line_to_copy_where_the_package_manager_is_known() {
        check(
            Some(Manager::Apt),
            "sudo apt-get update -q; sudo env DEBIAN_FRONTEND=noninteractive \
             apt-get install -y -q --no-install-recommends qemu-system-x86",
        );
        check(
            Some(Manager::Dnf),
            "sudo dnf -y -q makecache; sudo dnf -y -q install qemu-system-x86-core",
        );
        check(
            None,
            "install QEMU with your package manager \
             (Debian: qemu-system-x86, Fedora: qemu-system-x86-core)",
        );
    }
}
