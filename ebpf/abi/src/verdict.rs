//! The pure functions that decide. The programs call them in the kernel; a
//! naive oracle in the tests disagrees if they are wrong.

use crate::{
    event::Operation,
    key::{FileRules, PORT_RANGES, PortRules, RuleRef},
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
    /// From a global's number; an unknown one is [`Mode::Enforce`], because a
    /// mistake must not open anything.
    #[inline(always)]
    pub const fn from_number(number: u64) -> Self {
        match number {
            0 => Self::Off,
            1 => Self::Audit,
            _ => Self::Enforce,
        }
    }
}

/// What becomes of an operation.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on, and nothing is said.
    Allow = 0,
    /// It goes on, and an event says that enforce would have denied it.
    WouldDeny = 1,
    /// It fails with `EPERM`, and an event says so.
    Deny = 2,
}

/// The verdict on an operation to which `rule` applies.
#[inline(always)]
pub const fn verdict(mode: Mode, rule: RuleRef) -> Verdict {
    match (mode, rule.is_none()) {
        (_, true) | (Mode::Off, _) => Verdict::Allow,
        (Mode::Audit, false) => Verdict::WouldDeny,
        (Mode::Enforce, false) => Verdict::Deny,
    }
}

/// The rule against an operation on a file, if any.
#[inline(always)]
pub const fn file_rule(rules: &FileRules, operation: Operation) -> RuleRef {
    match operation {
        Operation::Open => rules.open,
        Operation::Exec => rules.exec,
        Operation::Connect => RuleRef::NONE,
    }
}

/// The rule against connecting to a port, if any: the first that holds it.
#[inline(always)]
pub fn port_rule(rules: &PortRules, port: u16) -> RuleRef {
    let mut index = 0;
    while index < PORT_RANGES {
        let range = &rules.ranges[index];
        if range.rule.is_none() {
            return RuleRef::NONE;
        }
        if range.first <= port && port <= range.last {
            return range.rule;
        }
        index += 1;
    }
    RuleRef::NONE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::PortRange;

    #[test]
    fn only_enforce_with_a_rule_denies() {
        let some = RuleRef::from_index(0);
        let check = |mode, rule, expected| assert_eq!(verdict(mode, rule), expected);
        check(Mode::Off, some, Verdict::Allow);
        check(Mode::Audit, some, Verdict::WouldDeny);
        check(Mode::Enforce, some, Verdict::Deny);
        check(Mode::Audit, RuleRef::NONE, Verdict::Allow);
        check(Mode::Enforce, RuleRef::NONE, Verdict::Allow);
    }

    #[test]
    fn an_unknown_mode_is_enforce() {
        assert_eq!(Mode::from_number(77), Mode::Enforce);
    }

    #[test]
    fn a_full_list_is_read_to_its_end() {
        let mut rules = PortRules::default();
        for (index, range) in (0u16..).zip(&mut rules.ranges) {
            *range = PortRange {
                first: index * 10,
                last: index * 10 + 5,
                rule: RuleRef::from_index(u32::from(index)),
            };
        }
        let check = |port, index: Option<u32>| assert_eq!(port_rule(&rules, port).index(), index);
        check(0, Some(0));
        check(5, Some(0));
        check(6, None);
        check(75, Some(7));
        check(76, None);
    }
}
