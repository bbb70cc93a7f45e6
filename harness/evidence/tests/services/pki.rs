//! Certificates for servers on loopback.

use std::{fs, path::Path};

use chrono::Datelike as _;
use rcgen::{
    BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};

/// What is wrong with the server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Certificate {
    Good,
    Expired,
    /// Three days left.
    EndsSoon,
    OfAnotherName,
    /// Signed by an authority that nobody trusts.
    OfAStranger,
}

/// A day, as the library has it.
macro_rules! at {
    ($moment:expr) => {
        date_time_ymd(
            $moment.year(),
            u8::try_from($moment.month()).unwrap(),
            u8::try_from($moment.day()).unwrap(),
        )
    };
}

/// Write `ca.pem`, `server.pem` and `server.key`.
pub(crate) fn write(folder: &Path, kind: Certificate) {
    let (ca_pem, issuer) = authority();
    fs::write(folder.join("ca.pem"), ca_pem).unwrap();
    let issuer = match kind {
        Certificate::OfAStranger => authority().1,
        _ => issuer,
    };
    let name = match kind {
        Certificate::OfAnotherName => "elsewhere.example",
        _ => "localhost",
    };
    let key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let today = chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now());
    let until = today
        + chrono::Duration::days(match kind {
            Certificate::Expired => -1,
            Certificate::EndsSoon => 3,
            _ => 90,
        });
    let from = today - chrono::Duration::days(10);
    (parameters.not_before, parameters.not_after) = (at!(from), at!(until));
    let certificate = parameters.signed_by(&key, &issuer).unwrap();
    fs::write(folder.join("server.pem"), certificate.pem()).unwrap();
    fs::write(folder.join("server.key"), key.serialize_pem()).unwrap();
}

fn authority() -> (String, Issuer<'static, KeyPair>) {
    let key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let pem = parameters.self_signed(&key).unwrap().pem();
    (pem, Issuer::new(parameters, key))
}
