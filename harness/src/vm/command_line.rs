//! QEMU's command line, as a pure function.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use harness_proto::HIDE_BTF;
use kernel_matrix::BootMode;

use crate::accel::Accel;

/// The file descriptor on which QEMU speaks QMP. Both sockets are inherited:
/// no names in the file system, no waiting for them to appear, and the end of
/// QEMU is the end of the file.
pub const QMP_FD: i32 = 0;
/// The file descriptor of the guest's second serial port.
pub const CONTROL_FD: i32 = 1;

/// What differs between machines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hardware {
    /// What executes instructions.
    pub accel: Accel,
    /// Memory.
    pub memory_mib: u32,
    /// Processors.
    pub processors: u32,
    /// The socket of somebody who wants the third serial port.
    pub shell: Option<PathBuf>,
}

/// One invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// The same for a boot and for the restores from it.
    pub hardware: Hardware,
    /// An uncompressed kernel.
    pub image: PathBuf,
    /// The archive with the guest's files.
    pub initramfs: PathBuf,
    /// Decides the active LSMs and whether the guest shows type information.
    pub boot_mode: BootMode,
    /// LSMs that are active besides those of the boot mode.
    pub lsms: Vec<String>,
    /// The kernel's console is written here.
    pub console: PathBuf,
    /// The content of a disk.
    pub disk: Option<PathBuf>,
    /// Wait for a saved state instead of booting.
    pub incoming: bool,
}

impl CommandLine {
    /// The arguments.
    pub fn arguments(&self) -> Vec<OsString> {
        let Hardware {
            accel,
            memory_mib,
            processors,
            shell,
        } = &self.hardware;
        let (accel_option, cpu) = match accel {
            Accel::Kvm => ("kvm", "host"),
            // Without `cx16=off` QEMU 7.2 corrupts state around cmpxchg16b,
            // and newer kernels panic in most boots.
            Accel::Tcg => ("tcg,thread=multi", "max,cx16=off"),
            Accel::TcgCounting => ("tcg,thread=single", "max,cx16=off"),
        };
        let mut arguments: Vec<OsString> = Vec::new();
        let mut put = |name: &str, value: OsString| arguments.extend([name.into(), value]);
        put("-accel", accel_option.into());
        if *accel == Accel::TcgCounting {
            // One instruction, one nanosecond; an idle guest does not wait for
            // its next timer, its clock goes there at once.
            put("-icount", "shift=0,sleep=off".into());
        }
        put("-cpu", cpu.into());
        put("-m", memory_mib.to_string().into());
        // Counting is for one: others would wait, and be counted doing so.
        let processors = match accel {
            Accel::TcgCounting => 1,
            Accel::Kvm | Accel::Tcg => *processors,
        };
        put("-smp", processors.to_string().into());
        put("-display", "none".into());
        put("-kernel", self.image.clone().into());
        put("-initrd", self.initramfs.clone().into());
        put(
            "-append",
            kernel_command_line(self.boot_mode, &self.lsms, *accel).into(),
        );
        put(
            "-chardev",
            with_path("file,id=console,path=", &self.console),
        );
        put("-serial", "chardev:console".into());
        put(
            "-chardev",
            format!("socket,id=control,fd={CONTROL_FD}").into(),
        );
        put("-serial", "chardev:control".into());
        if let Some(socket) = shell {
            put("-chardev", with_path("socket,id=shell,path=", socket));
            put("-serial", "chardev:shell".into());
        }
        put("-chardev", format!("socket,id=qmp,fd={QMP_FD}").into());
        put("-mon", "chardev=qmp,mode=control".into());
        if let Some(disk) = &self.disk {
            // What the guest has handed to the disk stays there when this
            // process is killed; what it keeps in its own memory does not.
            let before = "if=none,id=disk,format=raw,cache=writeback,file=";
            put("-drive", with_path(before, disk));
            put("-device", "nvme,drive=disk,serial=disk".into());
        }
        if self.incoming {
            put("-incoming", "defer".into());
        }
        arguments.extend(["-nodefaults", "-no-user-config", "-no-reboot"].map(OsString::from));
        arguments
    }
}

/// `loglevel=5` rather than `quiet`, which hides the first line of a
/// `WARN_ON`. With `panic=-1` and `-no-reboot` a panic ends the machine. Where
/// instructions are counted, nothing lies at a random place.
fn kernel_command_line(boot_mode: BootMode, lsms: &[String], accel: Accel) -> String {
    let lsm = boot_mode.lsm_parameter();
    let mut line = format!("console=ttyS0 panic=-1 loglevel=5 norandmaps {lsm}");
    for more in lsms {
        line.push(',');
        line.push_str(more);
    }
    if accel == Accel::TcgCounting {
        line.push_str(" nokaslr");
    }
    if boot_mode == BootMode::NoBtf {
        line.push(' ');
        line.push_str(HIDE_BTF);
    }
    line
}

/// In QEMU's option lists a comma ends a value, and two are one.
fn with_path(before: &str, path: &Path) -> OsString {
    let mut argument = OsString::from(before);
    argument.push(path.to_string_lossy().replace(',', ",,"));
    argument
}

#[cfg(test)]
mod tests {
    use super::{Accel, BootMode, CommandLine, Hardware, kernel_command_line, with_path};
    use std::path::Path;

    fn shown(accel: Accel, incoming: bool) -> String {
        let line = CommandLine {
            hardware: Hardware {
                accel,
                memory_mib: 256,
                processors: 2,
                shell: None,
            },
            image: "/k/vmlinux".into(),
            initramfs: "/r/guest.cpio".into(),
            boot_mode: BootMode::BpfLsm,
            lsms: Vec::new(),
            console: "/r/console.log".into(),
            disk: None,
            incoming,
        };
        let words: Vec<String> = line
            .arguments()
            .iter()
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        words.join(" ").replace(" -", "\n-")
    }

    #[test]
    fn a_boot_under_tcg() {
        insta::assert_snapshot!(shown(Accel::Tcg, false), @r"
        -accel tcg,thread=multi
        -cpu max,cx16=off
        -m 256
        -smp 2
        -display none
        -kernel /k/vmlinux
        -initrd /r/guest.cpio
        -append console=ttyS0 panic=-1 loglevel=5 norandmaps lsm=lockdown,capability,landlock,bpf
        -chardev file,id=console,path=/r/console.log
        -serial chardev:console
        -chardev socket,id=control,fd=1
        -serial chardev:control
        -chardev socket,id=qmp,fd=0
        -mon chardev=qmp,mode=control
        -nodefaults
        -no-user-config
        -no-reboot
        ");
    }

    #[test]
    fn a_boot_that_counts_instructions() {
        insta::assert_snapshot!(shown(Accel::TcgCounting, false), @r"
        -accel tcg,thread=single
        -icount shift=0,sleep=off
        -cpu max,cx16=off
        -m 256
        -smp 1
        -display none
        -kernel /k/vmlinux
        -initrd /r/guest.cpio
        -append console=ttyS0 panic=-1 loglevel=5 norandmaps lsm=lockdown,capability,landlock,bpf nokaslr
        -chardev file,id=console,path=/r/console.log
        -serial chardev:console
        -chardev socket,id=control,fd=1
        -serial chardev:control
        -chardev socket,id=qmp,fd=0
        -mon chardev=qmp,mode=control
        -nodefaults
        -no-user-config
        -no-reboot
        ");
    }

    #[test]
    fn a_restore_under_kvm() {
        insta::assert_snapshot!(shown(Accel::Kvm, true), @r"
        -accel kvm
        -cpu host
        -m 256
        -smp 2
        -display none
        -kernel /k/vmlinux
        -initrd /r/guest.cpio
        -append console=ttyS0 panic=-1 loglevel=5 norandmaps lsm=lockdown,capability,landlock,bpf
        -chardev file,id=console,path=/r/console.log
        -serial chardev:console
        -chardev socket,id=control,fd=1
        -serial chardev:control
        -chardev socket,id=qmp,fd=0
        -mon chardev=qmp,mode=control
        -incoming defer
        -nodefaults
        -no-user-config
        -no-reboot
        ");
    }

    #[test]
    fn the_boot_mode_decides_the_active_lsms_and_what_is_hidden() {
        insta::assert_snapshot!(BootMode::ALL.map(|mode| kernel_command_line(mode, &[], Accel::Tcg)).join("\n"), @r"
        console=ttyS0 panic=-1 loglevel=5 norandmaps lsm=lockdown,capability,landlock,bpf
        console=ttyS0 panic=-1 loglevel=5 norandmaps lsm=lockdown,capability,landlock,yama
        console=ttyS0 panic=-1 loglevel=5 norandmaps lsm=lockdown,capability,landlock,bpf aegis.hide_btf
        console=ttyS0 panic=-1 loglevel=5 norandmaps lsm=lockdown,capability,landlock,bpf
        ");
    }

    #[test]
    fn a_comma_in_a_path_does_not_end_it() {
        assert_eq!(with_path("path=", Path::new("/a,b/c")), "path=/a,,b/c");
    }
}
