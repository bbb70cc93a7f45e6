//! Counting and reporting a decision.

use aegisbpf_abi::{Active, Counter, Effect, Event, verdict::Decision};
use aya_ebpf::{
    helpers::{
        bpf_get_current_pid_tgid, bpf_get_current_uid_gid,
        generated::{
            bpf_get_current_cgroup_id, bpf_get_current_comm, bpf_get_current_task, bpf_ktime_get_ns,
        },
    },
    maps::RingBuf,
};

use crate::{
    config,
    kernel::glance,
    maps::{AUDITS, DENIALS, TENANTS, add_one, count, rules},
    subject::Cgroup,
};

/// Says whose attempt it was, as most types of programs can: by helpers.
#[inline(always)]
pub(crate) fn by_helpers(event: &mut Event) {
    let ids = bpf_get_current_pid_tgid();
    event.pid = (ids >> 32) as u32;
    event.tid = ids as u32;
    // SAFETY: a helper without arguments, and one that writes at most the
    // bytes of the field.
    unsafe {
        event.cgroup = bpf_get_current_cgroup_id();
        bpf_get_current_comm(
            event.command.as_mut_ptr().cast(),
            event.command.len() as u32,
        );
    }
}

/// The same for programs that may not call these on every kernel.
#[inline(always)]
pub(crate) fn by_task(event: &mut Event) {
    // SAFETY: a helper without arguments.
    let task = unsafe { bpf_get_current_task() };
    event.pid = glance(task, &config::OFFSET_TASK_TGID);
    event.tid = glance(task, &config::OFFSET_TASK_PID);
    event.cgroup = Cgroup::of(task).id();
    event.command = glance(task, &config::OFFSET_TASK_COMM);
}

/// Report a decision. `describe` fills in who tried, and what; every other
/// byte of the record is set here, because the ring hands out old memory.
#[inline(always)]
pub(crate) fn report(active: Active, decision: Decision, describe: impl FnOnce(&mut Event)) {
    if decision.denies() {
        send(
            &DENIALS,
            Counter::Denials,
            Counter::DenialsLost,
            (active, decision),
            describe,
        );
    } else if decision.effect() != Effect::None as u32 {
        send(
            &AUDITS,
            Counter::Audits,
            Counter::AuditsLost,
            (active, decision),
            describe,
        );
    }
}

#[inline(always)]
fn send(
    ring: &RingBuf,
    attempted: Counter,
    lost: Counter,
    (active, decision): (Active, Decision),
    describe: impl FnOnce(&mut Event),
) {
    count(attempted);
    let rule = u64::from(decision.rule().index());
    aegisbpf_count_tenant(u64::from(active.slot()), rule, decision.effect().into());
    let Some(mut entry) = ring.reserve::<Event>(0) else {
        count(lost);
        return;
    };
    let users = bpf_get_current_uid_gid();
    // Written in place: a record is too large to be put together on the stack
    // of 512 bytes.
    // SAFETY: an event is plain integers, so all zeroes is one.
    let event = unsafe {
        let words = entry.as_mut_ptr().cast::<u64>();
        let mut word = 0;
        // Byte by byte, as the compiler's own way is, would take the verifier
        // longer than the rest of a program.
        while word < size_of::<Event>() / 8 {
            words.add(word).write_volatile(0);
            word += 1;
        }
        entry.assume_init_mut()
    };
    // SAFETY: a helper without arguments.
    event.monotonic_ns = unsafe { bpf_ktime_get_ns() };
    event.generation = active.generation();
    event.rule = decision.rule().0;
    event.uid = users as u32;
    event.gid = (users >> 32) as u32;
    event.operations = decision.operations().0;
    event.effect = decision.effect() as u8;
    describe(event);
    entry.submit(0);
}

/// Count a decision of the policy in a slot for the tenant of its rule. A
/// function that the verifier checks by itself, once.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn aegisbpf_count_tenant(slot: u64, rule: u64, effect: u64) -> u64 {
    let rule = rules(slot as u32 & 1).and_then(|rules| rules.get(rule as u32));
    let tenant = rule.map_or(0, |rule| rule.tenant);
    if let Some(tenant) = TENANTS.get_ptr_mut(tenant) {
        // SAFETY: members of a valid element of the map.
        let (denied, killed, audited) = unsafe {
            (
                &raw mut (*tenant).denied,
                &raw mut (*tenant).killed,
                &raw mut (*tenant).audited,
            )
        };
        if effect == Effect::Deny as u64 {
            add_one(denied);
        } else if effect == Effect::Kill as u64 {
            add_one(killed);
        } else {
            add_one(audited);
        }
    }
    0
}
