//! Peers and local addresses without BPF LSM: programs on the cgroup at the
//! root can deny these, and nothing else.

use aegisbpf_abi::{Operation, verdict::Request};
use aya_ebpf::{bindings::bpf_sock_addr, macros::cgroup_sock_addr, programs::SockAddrContext};
use core::ptr;

use crate::{
    decide, emit,
    maps::active,
    network::{End, lists_of, protocol_of},
};

// What these programs return; not what LSM programs do.
const DENIED: i32 = 0;
const ALLOWED: i32 = 1;

/// Connecting by IPv4.
#[cgroup_sock_addr(connect4)]
pub fn cgroup_connect4(context: SockAddrContext) -> i32 {
    decide_about(&context, ipv4(&context), Operation::Connect)
}

/// Connecting by IPv6.
#[cgroup_sock_addr(connect6)]
pub fn cgroup_connect6(context: SockAddrContext) -> i32 {
    decide_about(&context, ipv6(&context), Operation::Connect)
}

/// Sending by IPv4 from a socket that is not connected.
#[cgroup_sock_addr(sendmsg4)]
pub fn cgroup_sendmsg4(context: SockAddrContext) -> i32 {
    decide_about(&context, ipv4(&context), Operation::Send)
}

/// The same by IPv6.
#[cgroup_sock_addr(sendmsg6)]
pub fn cgroup_sendmsg6(context: SockAddrContext) -> i32 {
    decide_about(&context, ipv6(&context), Operation::Send)
}

/// Binding to an IPv4 address.
#[cgroup_sock_addr(bind4)]
pub fn cgroup_bind4(context: SockAddrContext) -> i32 {
    decide_about(&context, ipv4(&context), Operation::Bind)
}

/// Binding to an IPv6 address.
#[cgroup_sock_addr(bind6)]
pub fn cgroup_bind6(context: SockAddrContext) -> i32 {
    decide_about(&context, ipv6(&context), Operation::Bind)
}

/// A field of the context: the verifier wants each read as it is declared.
macro_rules! field {
    ($context:expr, $($field:tt)+) => {{
        let address: *const bpf_sock_addr = $context.sock_addr;
        // SAFETY: the context is valid for as long as the program runs.
        unsafe { ptr::read_volatile(&raw const (*address).$($field)+) }
    }};
}

#[inline(always)]
fn ipv4(context: &SockAddrContext) -> End {
    End::ipv4(field!(context, user_ip4), port(context))
}

#[inline(always)]
fn ipv6(context: &SockAddrContext) -> End {
    let half = |first: u32, second: u32| u64::from(first) | u64::from(second) << 32;
    let halves = [
        half(field!(context, user_ip6[0]), field!(context, user_ip6[1])),
        half(field!(context, user_ip6[2]), field!(context, user_ip6[3])),
    ];
    End::ipv6(halves, port(context))
}

#[inline(always)]
fn port(context: &SockAddrContext) -> u16 {
    u16::from_be(field!(context, user_port) as u16)
}

#[inline(always)]
fn decide_about(context: &SockAddrContext, end: End, operation: Operation) -> i32 {
    let Some(active) = active() else {
        return ALLOWED;
    };
    let lists = lists_of(active, &end);
    if !lists.may_decide(operation.alone()) {
        return ALLOWED;
    }
    let protocol = protocol_of(field!(context, type_) as u16);
    let request = Request::new(operation.alone()).at(end.port, protocol);
    let decision = decide::decision(active, &lists, request);
    emit::report(active, decision, |event| {
        emit::by_task(event);
        end.describe(event);
    });
    if decision.denies() { DENIED } else { ALLOWED }
}
