//! Counting and reporting a decision.

use aegisbpf_abi::{Counter, Event, Operation, RuleRef, Verdict};
use aya_ebpf::{
    helpers::{
        bpf_get_current_pid_tgid, bpf_get_current_uid_gid,
        generated::{bpf_get_current_cgroup_id, bpf_get_current_comm, bpf_ktime_get_ns},
    },
    maps::RingBuf,
};

use crate::{
    config,
    maps::{AUDITS, DENIALS, count},
};

/// Report a decision. `describe` fills in what was operated on; every other
/// byte of the record is set here, because the ring hands out old memory.
#[inline(always)]
pub(crate) fn report(
    operation: Operation,
    verdict: Verdict,
    rule: RuleRef,
    describe: impl FnOnce(&mut Event),
) {
    match verdict {
        Verdict::Allow => {}
        Verdict::WouldDeny => send(
            &AUDITS,
            Counter::Audits,
            Counter::AuditsLost,
            (operation, verdict, rule),
            describe,
        ),
        Verdict::Deny => send(
            &DENIALS,
            Counter::Denials,
            Counter::DenialsLost,
            (operation, verdict, rule),
            describe,
        ),
    }
}

#[inline(always)]
fn send(
    ring: &RingBuf,
    attempted: Counter,
    lost: Counter,
    (operation, verdict, rule): (Operation, Verdict, RuleRef),
    describe: impl FnOnce(&mut Event),
) {
    count(attempted);
    let Some(mut entry) = ring.reserve::<Event>(0) else {
        count(lost);
        return;
    };
    let ids = bpf_get_current_pid_tgid();
    let users = bpf_get_current_uid_gid();
    // Written in place: a record is too large to be put together on the stack
    // of 512 bytes.
    // SAFETY: an event is plain integers, so all zeroes is one.
    let event = unsafe {
        entry.as_mut_ptr().write_bytes(0, 1);
        entry.assume_init_mut()
    };
    // SAFETY: helpers without arguments.
    unsafe {
        event.monotonic_ns = bpf_ktime_get_ns();
        event.cgroup = bpf_get_current_cgroup_id();
    }
    event.generation = config::GENERATION.load();
    event.rule = rule.0;
    event.pid = (ids >> 32) as u32;
    event.tid = ids as u32;
    event.uid = users as u32;
    event.gid = (users >> 32) as u32;
    event.operation = operation as u8;
    event.verdict = verdict as u8;
    // SAFETY: the helper writes at most the bytes of the field.
    unsafe {
        bpf_get_current_comm(
            event.command.as_mut_ptr().cast(),
            event.command.len() as u32,
        );
    }
    describe(event);
    entry.submit(0);
}
