//! Connecting sockets: `socket_connect`, and what the fallback shares with it.

use aegisbpf_abi::{AddressKey, Operation, RuleRef, Verdict, verdict};
use aya_ebpf::{
    helpers::generated::bpf_probe_read_kernel, macros::lsm, maps::lpm_trie::Key,
    programs::LsmContext,
};

use crate::{
    ALLOW, DENY, config, emit,
    kernel::argument,
    maps::{ADDRESSES, NETWORKS, is_active},
};

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
/// Bytes of `struct sockaddr_in`.
const IPV4_LENGTH: u32 = 16;
/// Bytes of `struct sockaddr_in6` that every kernel accepts.
const IPV6_LENGTH: u32 = 24;

/// An address and port.
#[derive(Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) address: AddressKey,
    pub(crate) port: u16,
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

    /// The peer, or `None` for a family without IP addresses, `AF_UNSPEC`
    /// (which disconnects) included.
    #[inline(always)]
    pub(crate) fn peer(&self, length: u32) -> Option<Peer> {
        let port = u16::from_be_bytes(self.port);
        if self.family == AF_INET && length >= IPV4_LENGTH {
            let mut address = [0; 16];
            address[10] = 0xff;
            address[11] = 0xff;
            address[12] = self.word[0];
            address[13] = self.word[1];
            address[14] = self.word[2];
            address[15] = self.word[3];
            Some(Peer { address, port })
        } else if self.family == AF_INET6 && length >= IPV6_LENGTH {
            let address = self.address;
            Some(Peer { address, port })
        } else {
            None
        }
    }
}

/// Decides about connecting a socket.
#[lsm(hook = "socket_connect")]
pub fn socket_connect(context: LsmContext) -> i32 {
    if !is_active() {
        return ALLOW;
    }
    let source = argument(&context, &config::ARG_CONNECT_ADDRESS) as *const u8;
    let length = argument(&context, &config::ARG_CONNECT_LENGTH) as u32;
    let mut socket_address = SocketAddress::EMPTY;
    // SAFETY: the kernel copied the address into a `sockaddr_storage`, which
    // is larger than this.
    let read = unsafe {
        bpf_probe_read_kernel(
            (&raw mut socket_address).cast(),
            size_of::<SocketAddress>() as u32,
            source.cast(),
        )
    };
    if read != 0 {
        // Cannot happen to the kernel's own copy. If it does, nobody knows
        // the peer: fail closed where the rules are enforced.
        return match verdict::verdict(config::mode(&config::NETWORK_MODE), RuleRef(u32::MAX)) {
            Verdict::Deny => DENY,
            Verdict::Allow | Verdict::WouldDeny => ALLOW,
        };
    }
    let Some(peer) = socket_address.peer(length) else {
        return ALLOW;
    };
    let rule = rule_against(&peer);
    let verdict = verdict::verdict(config::mode(&config::NETWORK_MODE), rule);
    emit::report(Operation::Connect, verdict, rule, |event| {
        event.address = peer.address;
        event.port = peer.port;
    });
    match verdict {
        Verdict::Allow | Verdict::WouldDeny => ALLOW,
        Verdict::Deny => DENY,
    }
}

/// The rule against a peer: its address's own, then those of the smallest
/// network around it, which carries those of the larger ones too.
#[inline(always)]
pub(crate) fn rule_against(peer: &Peer) -> RuleRef {
    // SAFETY: the values are never changed while the generation is active.
    if let Some(rules) = unsafe { ADDRESSES.get(peer.address) } {
        let rule = verdict::port_rule(rules, peer.port);
        if !rule.is_none() {
            return rule;
        }
    }
    if config::HAVE_NETWORKS.load() != 0
        && let Some(rules) = NETWORKS.get(Key::new(128, peer.address))
    {
        return verdict::port_rule(rules, peer.port);
    }
    RuleRef::NONE
}
