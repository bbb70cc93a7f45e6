//! What listens without TLS.

use std::io::{self, Read as _, Write as _};

use super::tls::connect;
use crate::{
    moment::Age,
    service::tls::{Plaintext, split},
};

const MOST_BYTES: u64 = 16 << 10;

pub(super) fn try_address(address: &str, timeout: Age) -> Plaintext {
    let stream = match connect(address, timeout) {
        Ok(stream) => stream,
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            return Plaintext::Refused;
        }
        Err(error) => return Plaintext::Unsure(error.to_string()),
    };
    match exchange(stream, address) {
        Ok(answer) => read(&answer),
        Err(error) => match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Plaintext::Ended,
            _ => Plaintext::Unsure(error.to_string()),
        },
    }
}

fn exchange(mut stream: std::net::TcpStream, address: &str) -> io::Result<Vec<u8>> {
    let host = split(address).map_or("", |(host, _)| host);
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(MOST_BYTES).read_to_end(&mut answer)?;
    Ok(answer)
}

fn read(answer: &[u8]) -> Plaintext {
    let text = String::from_utf8_lossy(answer);
    let mut lines = text.lines();
    let status = lines.next().and_then(|line| {
        let (version, rest) = line.split_once(' ')?;
        version.starts_with("HTTP/").then_some(())?;
        rest.get(..3)?.parse().ok()
    });
    let Some(status) = status else {
        // Even an alert of TLS is no answer to who speaks without it.
        return Plaintext::Ended;
    };
    let headers = lines.take_while(|line| !line.is_empty());
    let mut pairs = headers.filter_map(|line| line.split_once(':'));
    let location = pairs.find(|(name, _)| name.eq_ignore_ascii_case("location"));
    Plaintext::Answered {
        status,
        location: location.map(|(_, value)| value.trim().to_owned()),
    }
}
