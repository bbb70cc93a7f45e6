//! What can be tried, one at a time and as a set.

/// One kind of attempt.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Opening a file for reading.
    Read = 0,
    /// Opening a file for writing.
    Write = 1,
    /// Making a file, folder, device or link at a place.
    Create = 2,
    /// Removing a name.
    Delete = 3,
    /// Renaming, from a name or to it.
    Rename = 4,
    /// Making a hard link of a file.
    Link = 5,
    /// Changing a file's length.
    Truncate = 6,
    /// Changing mode, owner, times, extended attributes or access lists.
    Attributes = 7,
    /// Executing a program.
    Exec = 8,
    /// Mapping a file executable.
    MmapExec = 9,
    /// Connecting a socket to a peer.
    Connect = 10,
    /// Sending to a peer without connecting.
    Send = 11,
    /// Binding a socket to a local address.
    Bind = 12,
    /// Listening on a local address.
    Listen = 13,
    /// Tracing another process, or reading and writing its memory.
    Ptrace = 14,
    /// Loading a kernel module.
    ModuleLoad = 15,
    /// Loading another kernel.
    Kexec = 16,
    /// The `bpf(2)` system call.
    Bpf = 17,
    /// Mounting, moving a mount, unmounting, changing the root.
    Mount = 18,
    /// Making a user namespace.
    UserNamespace = 19,
    /// Opening a block device that holds a mounted file system.
    RawDevice = 20,
    /// Reading through a descriptor, however old. No policy names it: it comes
    /// with [`Operation::Read`] in a rule that revokes, and is shown as that.
    HeldRead = 21,
    /// The same for writing.
    HeldWrite = 22,
}

impl Operation {
    /// All, by number.
    pub const ALL: [Self; 23] = [
        Self::Read,
        Self::Write,
        Self::Create,
        Self::Delete,
        Self::Rename,
        Self::Link,
        Self::Truncate,
        Self::Attributes,
        Self::Exec,
        Self::MmapExec,
        Self::Connect,
        Self::Send,
        Self::Bind,
        Self::Listen,
        Self::Ptrace,
        Self::ModuleLoad,
        Self::Kexec,
        Self::Bpf,
        Self::Mount,
        Self::UserNamespace,
        Self::RawDevice,
        Self::HeldRead,
        Self::HeldWrite,
    ];

    /// From a record's number.
    pub const fn from_number(number: u8) -> Option<Self> {
        if (number as usize) < Self::ALL.len() {
            Some(Self::ALL[number as usize])
        } else {
            None
        }
    }

    /// Its name in policies and in output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read | Self::HeldRead => "read",
            Self::Write | Self::HeldWrite => "write",
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Rename => "rename",
            Self::Link => "link",
            Self::Truncate => "truncate",
            Self::Attributes => "attributes",
            Self::Exec => "exec",
            Self::MmapExec => "mmap-exec",
            Self::Connect => "connect",
            Self::Send => "send",
            Self::Bind => "bind",
            Self::Listen => "listen",
            Self::Ptrace => "ptrace",
            Self::ModuleLoad => "module-load",
            Self::Kexec => "kexec",
            Self::Bpf => "bpf",
            Self::Mount => "mount",
            Self::UserNamespace => "user-namespace",
            Self::RawDevice => "raw-device",
        }
    }

    /// The set of only this one.
    #[inline(always)]
    pub const fn alone(self) -> Operations {
        Operations(1 << self as u32)
    }

    /// The domain it belongs to.
    pub const fn domain(self) -> Domain {
        match self {
            Self::Read
            | Self::Write
            | Self::Create
            | Self::Delete
            | Self::Rename
            | Self::Link
            | Self::Truncate
            | Self::Attributes
            | Self::HeldRead
            | Self::HeldWrite => Domain::File,
            Self::Exec | Self::MmapExec => Domain::Exec,
            Self::Connect | Self::Send | Self::Bind | Self::Listen => Domain::Network,
            Self::Ptrace
            | Self::ModuleLoad
            | Self::Kexec
            | Self::Bpf
            | Self::Mount
            | Self::UserNamespace
            | Self::RawDevice => Domain::Kernel,
        }
    }
}

/// A part of the system with hooks and a mode of its own.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Domain {
    /// Files and folders.
    File = 0,
    /// Programs.
    Exec = 1,
    /// Sockets.
    Network = 2,
    /// The kernel itself.
    Kernel = 3,
}

impl Domain {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::File, Self::Exec, Self::Network, Self::Kernel];

    /// Its name in output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Exec => "exec",
            Self::Network => "network",
            Self::Kernel => "kernel",
        }
    }
}

/// A set of operations, one bit each.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Operations(pub u32);

impl Operations {
    /// None.
    pub const NONE: Self = Self(0);
    /// Everything that can be done to a file by its path.
    pub const FILE: Self = Self(0x3ff);
    /// What is done through a descriptor that may be older than the rule.
    pub const HELD: Self = Self(0x60_0000);
    /// Executing, in every way.
    pub const EXEC: Self = Self(0x300);
    /// Reaching a peer.
    pub const PEER: Self = Self(0xc00);
    /// Offering something at a local address.
    pub const LOCAL: Self = Self(0x3000);
    /// Everything about the kernel.
    pub const KERNEL: Self = Self(0x1f_c000);

    /// Both.
    #[must_use]
    #[inline(always)]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both.
    #[must_use]
    #[inline(always)]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether there is none.
    #[inline(always)]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether it holds an operation.
    #[inline(always)]
    pub const fn has(self, operation: Operation) -> bool {
        self.0 & operation.alone().0 != 0
    }

    /// The one with the lowest number, which an event names.
    pub const fn first(self) -> Option<Operation> {
        Operation::from_number(self.0.trailing_zeros() as u8)
    }

    /// All of them, in the order of their numbers.
    pub fn iter(self) -> impl Iterator<Item = Operation> {
        Operation::ALL
            .into_iter()
            .filter(move |operation| self.has(*operation))
    }

    /// Those of one domain.
    #[must_use]
    pub fn of(self, domain: Domain) -> Self {
        self.iter()
            .filter(|operation| operation.domain() == domain)
            .fold(Self::NONE, |set, operation| set.with(operation.alone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_named_sets_hold_what_their_names_say() {
        let set = |domain| {
            let all = Operation::ALL.into_iter();
            all.filter(|operation| operation.domain() == domain)
                .fold(Operations::NONE, |set, one| set.with(one.alone()))
        };
        assert_eq!(Operations::EXEC, set(Domain::Exec));
        let files = Operations::FILE.with(Operations::HELD);
        assert_eq!(files, set(Domain::File).with(set(Domain::Exec)));
        assert_eq!(
            Operations::PEER.with(Operations::LOCAL),
            set(Domain::Network)
        );
        assert_eq!(Operations::KERNEL, set(Domain::Kernel));
    }

    #[test]
    fn numbers_and_operations_are_the_same() {
        for (number, operation) in (0..).zip(Operation::ALL) {
            assert_eq!(operation as u8, number);
            assert_eq!(Operation::from_number(number), Some(operation));
            assert_eq!(operation.alone().first(), Some(operation));
        }
        assert_eq!(Operation::from_number(23), None);
        assert_eq!(Operations::NONE.first(), None);
    }
}
