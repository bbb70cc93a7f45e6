//! Handshakes, and the certificates that a server shows. The only module that
//! knows the TLS library.

use std::{
    fmt::Debug,
    io::{self, Write as _},
    net::{TcpStream, ToSocketAddrs as _},
    path::Path,
    sync::{Arc, Mutex},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    SupportedProtocolVersion,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
    version::{TLS12, TLS13},
};

use super::{hello, plaintext};
use crate::{
    moment::Age,
    service::tls::{Spoken, TlsAsked, TlsFacts, Verified, Version, split},
};

pub(super) fn ask(asked: &TlsAsked, folder: &Path, timeout: Age) -> Result<TlsFacts, String> {
    let (host, _) = split(&asked.address).ok_or("no host and port")?;
    let name = asked.name.as_deref().unwrap_or(host).to_owned();
    let name = ServerName::try_from(name).map_err(|error| error.to_string())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let ca_file = asked.ca_file.as_ref().map(|path| folder.join(path));
    let verifier = verifier(ca_file.as_deref(), &provider)?;
    let mut chain = Vec::new();
    let mut verified = Verified::Unseen("no version of TLS was spoken".into());
    let mut versions = std::collections::BTreeMap::new();
    for version in Version::ALL {
        let spoken = match version {
            Version::Tls10 | Version::Tls11 => hello::try_version(&asked.address, version, timeout),
            Version::Tls12 | Version::Tls13 => {
                let witness = Arc::new(Witness {
                    verifier: Arc::clone(&verifier),
                    seen: Mutex::new(None),
                });
                let spoken = handshake(asked, &name, (version, &provider), (&witness, timeout));
                let seen = witness.seen.lock().map_or(None, |mut seen| seen.take());
                if let Some((certificates, verdict)) = seen {
                    chain = certificates;
                    verified = verdict;
                }
                spoken
            }
        };
        versions.insert(version, spoken);
    }
    let plaintext = asked.plaintext.iter();
    Ok(TlsFacts {
        chain,
        verified,
        versions,
        plaintext: plaintext
            .map(|address| (address.clone(), plaintext::try_address(address, timeout)))
            .collect(),
    })
}

/// A connection with this timeout for each step.
pub(super) fn connect(address: &str, timeout: Age) -> io::Result<TcpStream> {
    let (host, port) = split(address).ok_or(io::ErrorKind::InvalidInput)?;
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, timeout.0) {
            Ok(stream) => {
                stream.set_read_timeout(Some(timeout.0))?;
                stream.set_write_timeout(Some(timeout.0))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn handshake(
    asked: &TlsAsked,
    name: &ServerName<'static>,
    (version, provider): (Version, &Arc<CryptoProvider>),
    (witness, timeout): (&Arc<Witness>, Age),
) -> Spoken {
    let only: &[&SupportedProtocolVersion] = match version {
        Version::Tls13 => &[&TLS13],
        _ => &[&TLS12],
    };
    let verifier: Arc<dyn ServerCertVerifier> = witness.clone();
    let config = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(only)
        .map(|builder| {
            builder
                .dangerous()
                .with_custom_certificate_verifier(verifier)
                .with_no_client_auth()
        });
    let connection =
        config.and_then(|config| ClientConnection::new(Arc::new(config), name.clone()));
    let mut connection = match connection {
        Ok(connection) => connection,
        Err(error) => return Spoken::Unsure(error.to_string()),
    };
    let mut stream = match connect(&asked.address, timeout) {
        Ok(stream) => stream,
        Err(error) => return Spoken::Unsure(error.to_string()),
    };
    while connection.is_handshaking() {
        if let Err(error) = connection.complete_io(&mut stream) {
            let of_tls = error
                .get_ref()
                .and_then(|inner| inner.downcast_ref::<Error>());
            return match of_tls {
                Some(Error::AlertReceived(alert)) => Spoken::No(format!("{alert:?}")),
                _ => Spoken::Unsure(error.to_string()),
            };
        }
    }
    connection.send_close_notify();
    let _ = connection
        .write_tls(&mut stream)
        .and_then(|_| stream.flush());
    Spoken::Yes
}

fn verifier(
    ca_file: Option<&Path>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, String> {
    let Some(path) = ca_file else {
        let verifier = rustls_platform_verifier::Verifier::new(Arc::clone(provider));
        return Ok(Arc::new(verifier.map_err(|error| error.to_string())?));
    };
    let failed = |error: &dyn Debug| {
        format!(
            "cannot read certificates from {}: {error:?}",
            path.display()
        )
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| failed(&error))? {
        let certificate = certificate.map_err(|error| failed(&error))?;
        roots.add(certificate).map_err(|error| failed(&error))?;
    }
    let builder =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    let verifier = builder.build().map_err(|error| failed(&error))?;
    Ok(verifier)
}

/// Lets every handshake go on, and remembers what a verifier would have said:
/// what a bad certificate stands before is evidence, too.
#[derive(Debug)]
struct Witness {
    verifier: Arc<dyn ServerCertVerifier>,
    seen: Mutex<Option<(Vec<String>, Verified)>>,
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = match self
            .verifier
            .verify_server_cert(own, others, name, ocsp, now)
        {
            Ok(_) => Verified::Yes,
            Err(error) => Verified::No(error.to_string()),
        };
        let chain = [own].into_iter().chain(others);
        let chain = chain.map(|certificate| STANDARD.encode(certificate));
        if let Ok(mut seen) = self.seen.lock() {
            *seen = Some((chain.collect(), verdict));
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
