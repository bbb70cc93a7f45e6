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
    /// The address as numbers: as bytes, putting them together would cost more
    /// than looking them up.
    pub(crate) key: Key,
    pub(crate) port: u16,
}

impl End {
    /// Of an address of IPv4 and a port, as the kernel has the former.
    #[inline(always)]
    pub(crate) fn ipv4(address: u32, port: u16) -> Self {
        let low = 0xffff_0000_0000 | u64::from(u32::from_be(address));
        let key = Key::halves(0, low);
        Self { key, port }
    }

    /// The same for IPv6.
    #[inline(always)]
    pub(crate) fn ipv6([high, low]: [u64; 2], port: u16) -> Self {
        let key = Key::halves(u64::from_be(high), u64::from_be(low));
        Self { key, port }
    }

    #[inline(always)]
    pub(crate) fn describe(&self, event: &mut Event) {
        event.address = self.key.to_address();
        event.port = self.port;
    }
}

/// The bytes that both address families need, of `struct sockaddr_in6`.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
pub(crate) struct SocketAddress {
    family: u16,
    port: u16,
    /// IPv4: the address. IPv6: the flow.
    word: u32,
    /// IPv6: the address.
    address: [u64; 2],
}

impl SocketAddress {
    pub(crate) const EMPTY: Self = Self {
        family: 0,
        port: 0,
        word: 0,
        address: [0; 2],
    };

    /// The end, or `None` for a family without IP addresses. `AF_UNSPEC`
    /// disconnects, but is IPv4 to a UDP socket that sends.
    #[inline(always)]
    pub(crate) fn end(&self, length: u32, unspecified_is_ipv4: bool) -> Option<End> {
        let port = u16::from_be(self.port);
        let is_ipv4 = self.family == AF_INET || (unspecified_is_ipv4 && self.family == AF_UNSPEC);
        if is_ipv4 && length >= IPV4_LENGTH {
            Some(End::ipv4(self.word, port))
        } else if self.family == AF_INET6 && length >= IPV6_LENGTH {
            Some(End::ipv6(self.address, port))
        } else {
            None
        }
    }
}

/// The kernel's own copy of a `struct sockaddr`, which the hooks of `connect`
/// and `bind` have as a typed pointer; `None` when it cannot be read.
#[inline(always)]
fn given(source: Pointer) -> Option<SocketAddress> {
    // SAFETY: within the structure, which the verifier knows.
    let (family, port, word) = unsafe {
        (
            source.cast::<u16>().read_volatile(),
            source.byte_add(2).cast::<u16>().read_volatile(),
            source.byte_add(4).cast::<u32>().read_volatile(),
        )
    };
    if family == AF_INET {
        return Some(SocketAddress {
            family,
            port,
            word,
            ..SocketAddress::EMPTY
        });
    }
    // Longer than the structure, or not to be read: that reads as 0.
    peek_at(source)
}

/// Connecting a socket.
#[lsm(hook = "socket_connect")]
pub fn socket_connect(context: LsmContext) -> i32 {
    let Some(active) = active() else { return ALLOW };
    let source = pointer(&context, &config::ARG_CONNECT_ADDRESS);
    let length = argument(&context, &config::ARG_CONNECT_LENGTH) as u32;
    let Some(address) = given(source) else {
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
    let Some(address) = given(source) else {
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
    let port: u16 = glance(sock, &config::OFFSET_SOCK_PORT);
    let end = match family {
        AF_INET => End::ipv4(glance(sock, &config::OFFSET_SOCK_IPV4), port),
        AF_INET6 => End::ipv6(glance(sock, &config::OFFSET_SOCK_IPV6), port),
        // No socket has it: this is what cannot be read.
        AF_UNSPEC => return unreadable(active, Operation::Listen),
        _ => return ALLOW,
    };
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
    if filter(active).is_none_or(|filter| may_be_listed(filter, active, &end.key)) {
        lists.object = decide::Listed::find(active, end.key);
    }
    if active.has(flag::NETWORKS) {
        lists.place = decide::Listed::find(active, end.key.network());
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
