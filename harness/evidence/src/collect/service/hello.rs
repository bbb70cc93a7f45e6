//! TLS 1.0 and 1.1, which rustls does not speak and nobody should: only the
//! first message is sent, and the first of the answer read. See RFC 2246 and
//! RFC 4346, section 7.4.1.

use std::io::{self, Read as _, Write as _};

use super::tls::connect;
use crate::{
    moment::Age,
    service::tls::{Spoken, Version, split},
};

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const SERVER_HELLO: u8 = 2;

/// What servers of that time speak: elliptic curves and RSA, with AES and
/// triple DES.
const CIPHERS: [u16; 12] = [
    0xc009, 0xc00a, 0xc013, 0xc014, 0xc012, 0xc008, 0x0033, 0x0039, 0x0016, 0x002f, 0x0035, 0x000a,
];
/// P-256, P-384, P-521 and X25519.
const GROUPS: [u16; 4] = [23, 24, 25, 29];

/// Whether the server goes on with this version.
pub(super) fn try_version(address: &str, version: Version, timeout: Age) -> Spoken {
    let number = match version {
        Version::Tls10 => 0x0301,
        _ => 0x0302,
    };
    match exchange(address, number, timeout) {
        Ok(spoken) => spoken,
        Err(error) => match error.kind() {
            // It hangs up rather than say why.
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                Spoken::No("it hangs up".into())
            }
            _ => Spoken::Unsure(error.to_string()),
        },
    }
}

fn exchange(address: &str, number: u16, timeout: Age) -> io::Result<Spoken> {
    let mut stream = match connect(address, timeout) {
        Ok(stream) => stream,
        // Not the server's answer to this version.
        Err(error) => return Ok(Spoken::Unsure(error.to_string())),
    };
    let name = split(address).map_or("", |(host, _)| host);
    stream.write_all(&hello(number, name))?;
    let mut head = [0; 5];
    stream.read_exact(&mut head)?;
    let mut body = [0; 6];
    let length = usize::from(u16::from_be_bytes([head[3], head[4]])).min(body.len());
    stream.read_exact(&mut body[..length])?;
    Ok(match (head[0], &body[..length]) {
        (ALERT, [_, what, ..]) => Spoken::No(format!("alert {what}")),
        (HANDSHAKE, [SERVER_HELLO, _, _, _, high, low]) => {
            let found = u16::from_be_bytes([*high, *low]);
            if found == number {
                Spoken::Yes
            } else {
                Spoken::No(format!("it answers with version {found:#06x}"))
            }
        }
        _ => Spoken::Unsure("its answer is no TLS".into()),
    })
}

/// A `ClientHello` in its record.
fn hello(number: u16, name: &str) -> Vec<u8> {
    let mut body = number.to_be_bytes().to_vec();
    // Nothing is going to be encrypted, so the random bytes need not be.
    body.extend([0x5a; 32]);
    body.push(0);
    body.extend(sized(&words(&CIPHERS)));
    // No compression.
    body.extend([1, 0]);
    let mut extensions = Vec::new();
    // An address is no name.
    if name.parse::<std::net::IpAddr>().is_err() {
        let host = [&[0][..], &sized(name.as_bytes())].concat();
        extension(&mut extensions, 0, &sized(&host));
    }
    extension(&mut extensions, 10, &sized(&words(&GROUPS)));
    // Points are not compressed.
    extension(&mut extensions, 11, &[1, 0]);
    // No renegotiation.
    extension(&mut extensions, 0xff01, &[0]);
    body.extend(sized(&extensions));
    let mut message = vec![1, 0];
    message.extend(sized(&body));
    let mut record = vec![HANDSHAKE, 3, 1];
    record.extend(sized(&message));
    record
}

fn extension(all: &mut Vec<u8>, number: u16, content: &[u8]) {
    all.extend(number.to_be_bytes());
    all.extend(sized(content));
}

/// With its length before it, in two bytes.
fn sized(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes()[..], bytes].concat()
}

fn words(words: &[u16]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}
