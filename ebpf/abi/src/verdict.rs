//! The pure functions that decide. The programs call them in the kernel; a
//! naive oracle in the agent's tests disagrees if they are wrong.

use crate::{
    key::{Reference, Role},
    operation::{Operation, Operations},
    rule::{Effect, Rule, Subject},
};

/// Mode of a domain.
#[repr(u64)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// No rule speaks of the domain; nothing is attached for it.
    Off = 0,
    /// Report, never deny.
    Audit = 1,
    /// Deny and report.
    Enforce = 2,
}

impl Mode {
    /// From a number of the pinned state; an unknown one is
    /// [`Mode::Enforce`], because a mistake must not open anything.
    pub const fn from_number(number: u64) -> Self {
        match number {
            0 => Self::Off,
            1 => Self::Audit,
            _ => Self::Enforce,
        }
    }
}

/// What the rules of a policy that guards a place deny about the folders on
/// the way to it.
pub const GUARDED: Operations = Operation::Rename
    .alone()
    .with(Operation::Delete.alone())
    .with(Operation::Create.alone())
    .with(Operation::Mount.alone());

/// What is tried, in one word: the programs hand it from function to function
/// in a register.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Request(pub u64);

impl Request {
    /// Every operation that this attempt is.
    #[inline(always)]
    pub const fn new(operations: Operations) -> Self {
        Self(operations.0 as u64)
    }

    /// At a port, with a protocol by its IANA number, 0 when it has none.
    #[must_use]
    #[inline(always)]
    pub const fn at(self, port: u16, protocol: u8) -> Self {
        Self(self.0 | (port as u64) << 24 | (protocol as u64) << 40)
    }

    /// Of the list's rules, those with these bits leave it alone.
    #[must_use]
    #[inline(always)]
    pub const fn exempt(self, entries: u64) -> Self {
        Self(self.0 | (entries & 0x7f) << 48)
    }

    /// Only rules about everything beneath matter.
    #[must_use]
    #[inline(always)]
    pub const fn beneath(self) -> Self {
        Self(self.0 | 1 << 56)
    }

    /// The operations.
    #[inline(always)]
    pub const fn operations(self) -> Operations {
        Operations(self.0 as u32 & 0x00ff_ffff)
    }

    const fn port(self) -> u16 {
        (self.0 >> 24) as u16
    }

    const fn protocol(self) -> u8 {
        (self.0 >> 40) as u8
    }

    const fn exempt_bit(self, index: u32) -> u64 {
        self.0 >> (48 + index) & 1
    }

    const fn beneath_bit(self) -> u64 {
        self.0 >> 56 & 1
    }
}

/// What decides, in one word: of two decisions the larger one is the stronger,
/// or is that of the earlier rule.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Decision(pub u64);

impl Decision {
    /// Nothing does.
    pub const NONE: Self = Self(0);

    /// A rule, with the operations of the attempt of which it speaks.
    #[inline(always)]
    pub const fn new(effect: u32, rule: Reference, operations: Operations) -> Self {
        let rule = !rule.0 & 0x00ff_ffff;
        Self((effect as u64) << 48 | (rule as u64) << 24 | (operations.0 & 0x00ff_ffff) as u64)
    }

    /// The stronger of two.
    #[must_use]
    #[inline(always)]
    pub const fn or(self, other: Self) -> Self {
        if other.0 > self.0 { other } else { self }
    }

    /// The number of its [`Effect`].
    #[inline(always)]
    pub const fn effect(self) -> u32 {
        (self.0 >> 48) as u32
    }

    /// The rule, without its role.
    #[inline(always)]
    pub const fn rule(self) -> Reference {
        Reference(!(self.0 >> 24) as u32 & 0x00ff_ffff)
    }

    /// The operations of the attempt of which the rule speaks.
    #[inline(always)]
    pub const fn operations(self) -> Operations {
        Operations(self.0 as u32 & 0x00ff_ffff)
    }

    /// Whether the operation must fail.
    #[inline(always)]
    pub const fn denies(self) -> bool {
        self.effect() >= Effect::Deny as u32
    }
}

/// The operations about which an entry of a list can decide.
#[inline(always)]
pub const fn speaks_of(role: u32, operations: Operations) -> Operations {
    let own = 0_u32.wrapping_sub(role & 1);
    let guarded = 0_u32.wrapping_sub(role >> 1 & 1);
    Operations(operations.0 & own | GUARDED.0 & guarded)
}

/// What the entry at an index of a list decides about an attempt of a process
/// that is these subjects.
#[inline(always)]
pub const fn decide(
    index: u32,
    entry: Reference,
    rule: &Rule,
    request: Request,
    subjects: u64,
) -> Decision {
    // Few branches: to the verifier each may double the ways through a list.
    let operations = speaks_of(entry.role(), rule.operations()).and(request.operations());
    let too_high = below(request.port() as u64, rule.first_port as u64, 16);
    let too_low = below(rule.last_port as u64, request.port() as u64, 16);
    let protocol = ((rule.protocol ^ request.protocol()) & rule.protocol_mask) as u64;
    let only_beneath = request.beneath_bit() & !(entry.role() as u64 >> 2);
    let against = rule.except & subjects
        | too_high
        | too_low
        | protocol
        | request.exempt_bit(index)
        | only_beneath;
    if operations.is_empty() || rule.scope & subjects == 0 || against != 0 {
        return Decision::NONE;
    }
    Decision::new(rule.effect, entry.rule(), operations)
}

/// Not 0 when one number of so many bits is below another.
#[inline(always)]
const fn below(one: u64, other: u64, bits: u32) -> u64 {
    (((one | 1 << bits).wrapping_sub(other)) >> bits) ^ 1
}

/// Whether an entry of a list exempts what the list speaks of from a rule.
#[inline(always)]
pub const fn exempts(known: Reference, entry: Reference) -> bool {
    known.0 == (Role::Exempt as u32) << 24 | entry.rule().0
}

/// A process, as far as subjects can tell.
#[derive(Clone, Copy, Debug, Default)]
pub struct Who {
    /// Object of its program.
    pub program: crate::Key,
    /// Name of the task.
    pub command: [u64; 2],
    /// Real user.
    pub uid: u32,
    /// Inode number of its mount namespace.
    pub mount_namespace: u32,
}

/// 0 for a process that is a subject; `cgroup` is the id of the one at or
/// above the process's own, at the subject's level.
#[inline(always)]
pub const fn differs(subject: &Subject, who: &Who, cgroup: u64) -> u64 {
    let program = (subject.program.a ^ who.program.a)
        | (subject.program.b ^ who.program.b)
        | (subject.program.c ^ who.program.c) as u64;
    let command = (subject.command[0] ^ who.command[0]) | (subject.command[1] ^ who.command[1]);
    let namespace = (subject.mount_namespace ^ who.mount_namespace) & subject.mount_namespace_mask;
    program & subject.program_mask
        | command & subject.command_mask
        | namespace as u64
        | below(who.uid as u64, subject.first_uid as u64, 32)
        | below(subject.last_uid as u64, who.uid as u64, 32)
        | (subject.cgroup ^ cgroup) & subject.cgroup_mask
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::EVERYONE;

    fn rule(operations: Operations, effect: Effect) -> Rule {
        Rule {
            operations: operations.0,
            effect: effect as u32,
            last_port: u16::MAX,
            scope: EVERYONE,
            ..Rule::default()
        }
    }

    fn decided(entry: Reference, rule: &Rule, operation: Operation, subjects: u64) -> Decision {
        decide(
            0,
            entry,
            rule,
            Request::new(operation.alone()),
            subjects | EVERYONE,
        )
    }

    #[test]
    fn the_strongest_effect_decides_and_the_first_rule_is_named() {
        let read = Operation::Read.alone();
        let mut decision = Decision::NONE;
        let mut consider = |index, effect| {
            let entry = Reference::new(Role::Itself, index);
            decision = decision.or(decided(entry, &rule(read, effect), Operation::Read, 0));
            (decision.effect(), decision.rule().index())
        };
        assert_eq!(consider(7, Effect::Audit), (1, 7));
        assert_eq!(consider(5, Effect::Deny), (3, 5));
        assert_eq!(consider(6, Effect::Deny), (3, 5));
        assert_eq!(consider(4, Effect::Deny), (3, 4));
        assert_eq!(consider(0, Effect::Audit), (3, 4));
        assert_eq!(decision.operations(), read);
    }

    #[test]
    fn a_guard_denies_moving_and_not_reading() {
        let check = |operation: Operation, denied| {
            let guard = Reference::new(Role::Guard, 0);
            let rule = rule(Operation::Read.alone(), Effect::Deny);
            assert_eq!(
                decided(guard, &rule, operation, 0).denies(),
                denied,
                "{operation:?}"
            );
        };
        check(Operation::Rename, true);
        check(Operation::Mount, true);
        check(Operation::Read, false);
        check(Operation::Attributes, false);
    }

    #[test]
    fn scope_and_exception_are_held_against_the_subjects() {
        let check = |scope, except, subjects, denied| {
            let rule = Rule {
                scope,
                except,
                ..rule(Operation::Read.alone(), Effect::Deny)
            };
            let entry = Reference::new(Role::Itself, 0);
            let decision = decided(entry, &rule, Operation::Read, subjects);
            assert_eq!(decision.denies(), denied, "{scope} {except} {subjects}");
        };
        check(EVERYONE, 0, 0, true);
        check(0b10, 0, 0b01, false);
        check(0b10, 0, 0b10, true);
        check(0b10, 0b01, 0b11, false);
        check(EVERYONE, 0b01, 0b01, false);
    }

    #[test]
    fn ports_and_protocols_are_held_against_the_request() {
        let check = |port, protocol, denied| {
            let rule = Rule {
                first_port: 80,
                last_port: 90,
                protocol: 6,
                protocol_mask: u8::MAX,
                ..rule(Operation::Connect.alone(), Effect::Deny)
            };
            let request = Request::new(Operation::Connect.alone()).at(port, protocol);
            let entry = Reference::new(Role::Itself, 0);
            assert_eq!(decide(0, entry, &rule, request, EVERYONE).denies(), denied);
        };
        check(79, 6, false);
        check(80, 6, true);
        check(90, 6, true);
        check(91, 6, false);
        check(80, 17, false);
    }

    #[test]
    fn an_allow_list_leaves_alone_what_it_exempts() {
        let entry = Reference::new(Role::Itself, 8);
        assert!(exempts(Reference::new(Role::Exempt, 8), entry));
        assert!(!exempts(Reference::new(Role::Exempt, 7), entry));
        assert!(!exempts(entry, entry));
        let request = Request::new(Operation::Exec.alone()).exempt(0b10);
        let rule = rule(Operations::EXEC, Effect::Deny);
        assert!(!decide(1, entry, &rule, request, EVERYONE).denies());
        assert!(decide(2, entry, &rule, request, EVERYONE).denies());
    }
}
