//! The guest's network: only loopback, with addresses that stand for peers.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rtnetlink::{Handle, LinkUnspec, new_connection};
use thiserror::Error;

/// The network could not be brought up.
#[derive(Debug, Error)]
pub enum NetworkError {
    /// No runtime, socket or loopback device.
    #[error("prepare to configure lo: {0}")]
    Prepare(#[from] io::Error),
    /// The kernel refused.
    #[error("{attempt} lo: {source}")]
    Refused {
        /// What was tried.
        attempt: String,
        /// What the kernel said.
        source: rtnetlink::Error,
    },
}

/// Beside 127.0.0.1/8 and `::1`, which the kernel adds by itself. On lo, the
/// whole of an IPv4 network is local: 10.99.0.2 answers too.
const ADDRESSES: &[(IpAddr, u8)] = &[
    (IpAddr::V4(Ipv4Addr::new(10, 99, 0, 1)), 24),
    (IpAddr::V6(Ipv6Addr::new(0xfd99, 0, 0, 0, 0, 0, 0, 1)), 64),
];

pub(super) fn raise_loopback() -> Result<(), NetworkError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    runtime.block_on(async {
        let (connection, handle, _) = new_connection()?;
        tokio::spawn(connection);
        configure(&handle, loopback_index()?).await
    })
}

async fn configure(handle: &Handle, index: u32) -> Result<(), NetworkError> {
    let up = LinkUnspec::new_with_index(index).up().build();
    handle
        .link()
        .set(up)
        .execute()
        .await
        .map_err(|source| NetworkError::Refused {
            attempt: "bring up".into(),
            source,
        })?;
    for &(address, prefix) in ADDRESSES {
        handle
            .address()
            .add(index, address, prefix)
            .execute()
            .await
            .map_err(|source| NetworkError::Refused {
                attempt: format!("add {address}/{prefix} to"),
                source,
            })?;
    }
    Ok(())
}

fn loopback_index() -> io::Result<u32> {
    let socket = rustix::net::socket(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::DGRAM,
        None,
    )?;
    Ok(rustix::net::netdevice::name_to_index(&socket, "lo")?)
}
