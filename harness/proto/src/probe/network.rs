//! Ways to reach a peer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Socket type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// `SOCK_STREAM`.
    Tcp,
    /// `SOCK_DGRAM`.
    Udp,
}

/// By which calls [`super::Probe::Connect`] connects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SocketWay {
    /// `connect(2)`.
    #[default]
    Connect,
    /// `IORING_OP_CONNECT`.
    IoUring,
    /// `connect(2)` on a socket of MPTCP, which a TCP listener answers.
    Mptcp,
}

/// By which calls [`super::Probe::Send`] sends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SendWay {
    /// `sendto(2)` from a UDP socket.
    #[default]
    Sendto,
    /// `sendmsg(2)` from a UDP socket.
    Sendmsg,
    /// `sendmmsg(2)` from a UDP socket.
    Sendmmsg,
    /// `sendmsg(2)` with `MSG_FASTOPEN` from a TCP socket.
    FastOpen,
    /// `sendto(2)` from a UDP socket to an IPv4 address of family `AF_UNSPEC`.
    Unspecified,
    /// `sendto(2)` from an IPv6 UDP socket to an IPv4 address.
    OtherFamily,
    /// `sendto(2)` from a raw IPv4 socket, of a UDP datagram.
    Raw,
    /// `sendto(2)` from a packet socket on the loopback device, of a UDP
    /// datagram in IPv4.
    Packet,
}
