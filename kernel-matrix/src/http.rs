//! Reading over HTTP. The only module that knows the HTTP library.

use std::{
    io::{self, Read},
    time::Duration,
};

use thiserror::Error;
use ureq::{
    Agent,
    http::header,
    tls::{RootCerts, TlsConfig},
};

const TIMEOUT_CONNECT: Duration = Duration::from_secs(10);
/// For the answer's header, and then for each further piece of its body.
const TIMEOUT_READ: Duration = Duration::from_secs(30);

/// Something that files can be got from; a trait so that tests can break it.
pub trait Transport: Sync {
    /// Ask for a file, from byte `from` on.
    fn get(&self, url: &str, from: u64) -> Result<Answer, TransportError>;

    /// Leave the server alone for a while after so many tries in a row that
    /// brought nothing. There is no event to wait for: the fault is at the
    /// other end, and asking at once makes an overloaded server worse.
    fn pause(&self, tries: u32) {
        std::thread::sleep(Duration::from_millis(250 << tries.min(5)));
    }
}

/// The beginning of an answer.
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The first byte of the body is this byte of the file.
    pub starts_at: u64,
    /// The rest.
    pub body: Box<dyn Read>,
}

/// No answer.
#[derive(Debug, Error)]
#[error("{message}")]
pub struct TransportError {
    /// What happened.
    pub message: String,
    /// Whether asking again may help.
    pub transient: bool,
}

/// HTTP and HTTPS, with the system's certificates and the proxy of the usual
/// variables.
#[derive(Debug, Clone)]
pub struct Http(Agent);

impl Default for Http {
    fn default() -> Self {
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .build();
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .tls_config(tls)
            .timeout_connect(Some(TIMEOUT_CONNECT))
            .timeout_recv_response(Some(TIMEOUT_READ))
            .timeout_per_read(Some(TIMEOUT_READ))
            .user_agent(concat!("aegisbpf/", env!("CARGO_PKG_VERSION")))
            .build();
        Self(config.into())
    }
}

impl Transport for Http {
    fn get(&self, url: &str, from: u64) -> Result<Answer, TransportError> {
        let mut request = self.0.get(url);
        if from > 0 {
            request = request.header(header::RANGE, format!("bytes={from}-"));
        }
        let response = request.call().map_err(|error| TransportError {
            message: error.to_string(),
            transient: is_transient(&error),
        })?;
        let status = response.status().as_u16();
        let starts_at = if status == 206 {
            response
                .headers()
                .get(header::CONTENT_RANGE)
                .and_then(|value| value.to_str().ok())
                .and_then(range_start)
                .ok_or_else(|| TransportError {
                    message: "the server sent a part without saying which (Content-Range)".into(),
                    transient: false,
                })?
        } else {
            0
        };
        Ok(Answer {
            status,
            starts_at,
            body: Box::new(response.into_body().into_reader()),
        })
    }
}

fn is_transient(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Timeout(_)
        | ureq::Error::HostNotFound
        | ureq::Error::ConnectionFailed
        | ureq::Error::Protocol(_) => true,
        ureq::Error::Io(error) => error.kind() != io::ErrorKind::InvalidInput,
        _ => false,
    }
}

/// The first number of `bytes 100-199/200`.
fn range_start(content_range: &str) -> Option<u64> {
    let range = content_range.trim().strip_prefix("bytes")?.trim_start();
    range.split_once('-')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_of_a_part_is_read() {
        for (header, start) in [
            ("bytes 100-199/200", Some(100)),
            ("bytes 0-0/*", Some(0)),
            ("bytes */200", None),
            ("items 1-2/3", None),
        ] {
            assert_eq!(range_start(header), start, "{header}");
        }
    }
}
