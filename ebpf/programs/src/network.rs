//! Sockets, and what the fallback shares with them.

use aegisbpf_abi::{Active, Event, Key, Operation, Reference, active::flag, verdict::Request};
use aya_ebpf::{Global, macros::lsm, programs::LsmContext};

use crate::{
    ALLOW, config, decide,
    kernel::{Pointer, argument, glance, member, peek_at, pointer},
    maps::{active, filter, may_be_listed},
};

const AF_UNSPEC: u16 = 0;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
/// Bytes of `struct sockaddr_in`.
const IPV4_LENGTH: u32 = 16;
/// Bytes of `struct sockaddr_in6` that every kernel accepts.
const IPV6_LENGTH: u32 = 24;
const SOCK_STREAM: u16 = 1;
const SOCK_DGRAM: u16 = 2;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// An address and port, of a peer or of this machine.
#[derive(Clone, Copy)]
pub(crate) struct End {
    pub(crate) address: [u8; 16],
    pub(crate) port: u16,
}

impl End {
    #[inline(always)]
    pub(crate) fn describe(&self, event: &mut Event) {
        event.address = self.address;
        event.port = self.port;
    }
}

/// The bytes that both address families need, of `struct sockaddr_in6`.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
pub(crate) struct SocketAddress {
    family: u16,
    port: [u8; 2],
    /// IPv4: the address. IPv6: the flow.
    word: [u8; 4],
    /// IPv6: the address.
    address: [u8; 16],
}

impl SocketAddress {
    pub(crate) const EMPTY: Self = Self {
        family: 0,
        port: [0; 2],
        word: [0; 4],
        address: [0; 16],
    };

    /// The end, or `None` for a family without IP addresses. `AF_UNSPEC`
    /// disconnects, but is IPv4 to a UDP socket that sends.
    #[inline(always)]
    pub(crate) fn end(&self, length: u32, unspecified_is_ipv4: bool) -> Option<End> {
        let port = u16::from_be_bytes(self.port);
        let is_ipv4 = self.family == AF_INET || (unspecified_is_ipv4 && self.family == AF_UNSPEC);
        if is_ipv4 && length >= IPV4_LENGTH {
            Some(End {
                address: mapped(self.word),
                port,
            })
        } else if self.family == AF_INET6 && length >= IPV6_LENGTH {
            let address = self.address;
            Some(End { address, port })
        } else {
            None
        }
    }
}

#[inline(always)]
pub(crate) fn mapped(ipv4: [u8; 4]) -> [u8; 16] {
    let mut address = [0; 16];
    address[10] = 0xff;
    address[11] = 0xff;
    address[12] = ipv4[0];
    address[13] = ipv4[1];
    address[14] = ipv4[2];
    address[15] = ipv4[3];
    address
}

/// Connecting a socket.
#[lsm(hook = "socket_connect")]
pub fn socket_connect(context: LsmContext) -> i32 {
    let Some(active) = active() else { return ALLOW };
    let source = pointer(&context, &config::ARG_CONNECT_ADDRESS);
    let length = argument(&context, &config::ARG_CONNECT_LENGTH) as u32;
    let Some(address) = peek_at::<SocketAddress>(source) else {
        return unreadable(active, Operation::Connect);
    };
    match address.end(length, false) {
        Some(end) => decide_about(
            active,
            &context,
            &config::ARG_CONNECT_SOCK,
            &end,
            Operation::Connect,
        ),
        None => ALLOW,
    }
}

/// Binding a socket.
#[lsm(hook = "socket_bind")]
pub fn socket_bind(context: LsmContext) -> i32 {
    let Some(active) = active() else { return ALLOW };
    let source = pointer(&context, &config::ARG_BIND_ADDRESS);
    let length = argument(&context, &config::ARG_BIND_LENGTH) as u32;
    let Some(address) = peek_at::<SocketAddress>(source) else {
        return unreadable(active, Operation::Bind);
    };
    match address.end(length, true) {
        Some(end) => decide_about(
            active,
            &context,
            &config::ARG_BIND_SOCK,
            &end,
            Operation::Bind,
        ),
        None => ALLOW,
    }
}

/// Sending to a peer that is named with the message: by a socket that is not
/// connected, or with TCP Fast Open, which connects.
#[lsm(hook = "socket_sendmsg")]
pub fn socket_sendmsg(context: LsmContext) -> i32 {
    let message = pointer(&context, &config::ARG_SENDMSG_MSG);
    let name: Pointer = member(message, &config::OFFSET_MSG_NAME);
    if name.is_null() {
        return ALLOW;
    }
    let Some(active) = active() else { return ALLOW };
    let length: u32 = member(message, &config::OFFSET_MSG_LENGTH);
    let Some(address) = peek_at::<SocketAddress>(name) else {
        return unreadable(active, Operation::Send);
    };
    match address.end(length, true) {
        Some(end) => decide_about(
            active,
            &context,
            &config::ARG_SENDMSG_SOCK,
            &end,
            Operation::Send,
        ),
        None => ALLOW,
    }
}

/// Listening at the address to which a socket is bound.
#[lsm(hook = "socket_listen")]
pub fn socket_listen(context: LsmContext) -> i32 {
    let Some(active) = active() else { return ALLOW };
    let socket = argument(&context, &config::ARG_LISTEN_SOCK);
    let sock: u64 = glance(socket, &config::OFFSET_SOCKET_SOCK);
    let family: u16 = glance(sock, &config::OFFSET_SOCK_FAMILY);
    let address = match family {
        AF_INET => mapped(glance(sock, &config::OFFSET_SOCK_IPV4)),
        AF_INET6 => glance(sock, &config::OFFSET_SOCK_IPV6),
        // No socket has it: this is what cannot be read.
        AF_UNSPEC => return unreadable(active, Operation::Listen),
        _ => return ALLOW,
    };
    let port: u16 = glance(sock, &config::OFFSET_SOCK_PORT);
    let end = End { address, port };
    decide_about(
        active,
        &context,
        &config::ARG_LISTEN_SOCK,
        &end,
        Operation::Listen,
    )
}

#[inline(always)]
fn decide_about(
    active: Active,
    context: &LsmContext,
    socket: &Global<u64>,
    end: &End,
    operation: Operation,
) -> i32 {
    let lists = lists_of(active, end);
    let mut operations = operation.alone();
    if !lists.may_decide(operations.with(Operation::Connect.alone())) {
        return ALLOW;
    }
    let kind: u16 = member(pointer(context, socket), &config::OFFSET_SOCKET_TYPE);
    let protocol = protocol_of(kind);
    if matches!(operation, Operation::Send) && protocol == TCP {
        // Fast Open. A connected socket ignores the name, and has been asked
        // about when it connected.
        operations = operations.with(Operation::Connect.alone());
    }
    if !lists.may_decide(operations) {
        return ALLOW;
    }
    let request = Request::new(operations).at(end.port, protocol);
    decide::conclude(active, &lists, request, |event| end.describe(event))
}

/// The protocol of a type of socket.
#[inline(always)]
pub(crate) fn protocol_of(kind: u16) -> u8 {
    match kind {
        SOCK_STREAM => TCP,
        SOCK_DGRAM => UDP,
        _ => 0,
    }
}

/// Cannot happen to the kernel's own copy of an address. If it does, nobody
/// knows the peer: closed where the rules are enforced.
#[inline(always)]
fn unreadable(active: Active, operation: Operation) -> i32 {
    let closed = active.has(flag::NETWORK_CLOSED);
    let decision = decide::without_rule(closed, Reference::UNREADABLE, operation.alone());
    decide::finish(active, decision, |_| {})
}

/// The lists that speak of an address: its own, and that of the smallest
/// network around it, which carries those of the larger ones too.
#[inline(always)]
pub(crate) fn lists_of(active: Active, end: &End) -> decide::Lists {
    let mut lists = decide::Lists::default();
    let key = Key::address(end.address);
    let may_be_listed = match filter(active) {
        Some(filter) => may_be_listed(filter, active, &key),
        None => true,
    };
    if may_be_listed {
        lists.object = decide::Listed::find(active, key);
    }
    if active.has(flag::NETWORKS) {
        lists.place = decide::Listed::find(active, key.network());
    }
    lists
}

/// Fallback: report a peer that some rule denies.
#[inline(always)]
pub(crate) fn watch(active: Active, end: &End) {
    let lists = lists_of(active, end);
    let operations = Operation::Connect.alone();
    if lists.may_decide(operations) {
        let request = Request::new(operations).at(end.port, 0);
        decide::conclude(active, &lists, request, |event| end.describe(event));
    }
}
