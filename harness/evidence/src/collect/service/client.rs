//! HTTP. The only module that knows the HTTP library, besides the addresses in
//! checklists.

use std::{collections::BTreeMap, io::Read as _, path::Path};

use ureq::{
    Agent,
    http::Request,
    tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem},
};

use crate::moment::Age;

/// An answer.
pub(super) struct Got {
    pub(super) status: u16,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
}

/// A client that follows no redirection, and uses no proxy: the evidence is
/// about the server that is named.
pub(super) struct Client(Agent);

impl Client {
    pub(super) fn new(ca_file: Option<&Path>, timeout: Age) -> Result<Self, String> {
        let roots = match ca_file {
            None => RootCerts::PlatformVerifier,
            Some(path) => RootCerts::new_with_certs(&certificates(path)?),
        };
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .allow_non_standard_methods(true)
            .proxy(None)
            .user_agent("aegisbpf-evidence")
            .timeout_global(Some(timeout.0))
            .tls_config(TlsConfig::builder().root_certs(roots).build());
        Ok(Self(config.build().new_agent()))
    }

    /// Ask, and read so much of the body.
    pub(super) fn ask(
        &self,
        (method, url): (&str, &str),
        headers: &BTreeMap<String, String>,
        body: &str,
        most_bytes: usize,
    ) -> Result<Got, String> {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        // The library's own errors could repeat a header.
        let malformed = |_| {
            "the request has a method, an address or a header that HTTP cannot carry".to_owned()
        };
        let answer = if body.is_empty() {
            self.0.run(request.body(()).map_err(malformed)?)
        } else {
            self.0
                .run(request.body(body.to_owned()).map_err(malformed)?)
        };
        let answer = answer.map_err(|error| error.to_string())?;
        let status = answer.status().as_u16();
        let mut headers: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in answer.headers() {
            let value = String::from_utf8_lossy(value.as_bytes());
            let known = headers.entry(name.as_str().to_owned()).or_default();
            if !known.is_empty() {
                known.push_str(", ");
            }
            known.push_str(&value);
        }
        let most = u64::try_from(most_bytes).unwrap_or(u64::MAX);
        let mut body = Vec::new();
        let mut reader = answer.into_body().into_reader().take(most);
        reader
            .read_to_end(&mut body)
            .map_err(|error| format!("in its body: {error}"))?;
        Ok(Got {
            status,
            headers,
            body,
        })
    }
}

/// The certificates of a file.
fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, String> {
    let failed = |why: String| format!("cannot read certificates from {}: {why}", path.display());
    let pem = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    let mut certificates = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) =
            item.map_err(|error| failed(error.to_string()))?
        {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        return Err(failed("there are none".into()));
    }
    Ok(certificates)
}
