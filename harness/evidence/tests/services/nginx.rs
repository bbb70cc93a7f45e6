//! nginx as a proxy with TLS before a service.

use std::{fmt::Write as _, fs, path::Path};

use crate::{
    pki::{self, Certificate},
    server::{Server, free_port, program},
};

/// How the proxy is set up; one thing may be wrong.
#[expect(clippy::struct_excessive_bools, reason = "each is a fault of its own")]
#[derive(Debug, Clone)]
pub(crate) struct Proxy {
    pub(crate) certificate: Certificate,
    /// As in `ssl_protocols`.
    pub(crate) protocols: &'static str,
    pub(crate) rate_limited: bool,
    /// Whether it looks at the token.
    pub(crate) asks_for_token: bool,
    /// Whether any token will do.
    pub(crate) takes_any_token: bool,
    /// Whether plaintext leads to TLS rather than to the service.
    pub(crate) redirects: bool,
    pub(crate) strict_transport: bool,
}

impl Default for Proxy {
    fn default() -> Self {
        Self {
            certificate: Certificate::Good,
            protocols: "TLSv1.2 TLSv1.3",
            rate_limited: true,
            asks_for_token: true,
            takes_any_token: false,
            redirects: true,
            strict_transport: true,
        }
    }
}

/// It runs.
pub(crate) struct Nginx {
    pub(crate) tls_port: u16,
    pub(crate) plain_port: u16,
    _server: Server,
}

impl Nginx {
    /// Before a service on this port, with this token.
    pub(crate) fn start(proxy: &Proxy, folder: &Path, upstream: u16, token: &str) -> Self {
        pki::write(folder, proxy.certificate);
        let (tls_port, plain_port) = (free_port(), free_port());
        let text = configuration(proxy, folder, (tls_port, plain_port, upstream), token);
        let path = folder.join("nginx.conf");
        fs::write(&path, text).unwrap();
        let mut command = program("usr/sbin/nginx");
        command.arg("-p").arg(folder).arg("-c").arg(&path);
        let mut server = Server::start(&mut command, folder, "nginx");
        server.wait_for_port(tls_port);
        server.wait_for_port(plain_port);
        Self {
            tls_port,
            plain_port,
            _server: server,
        }
    }
}

impl Nginx {
    /// Which release answers behind it.
    pub(crate) fn version(&self, folder: &Path) -> String {
        let pem = fs::read(folder.join("ca.pem")).unwrap();
        let certificate = ureq::tls::Certificate::from_pem(&pem).unwrap();
        let roots = ureq::tls::RootCerts::new_with_certs(&[certificate]);
        let tls = ureq::tls::TlsConfig::builder().root_certs(roots).build();
        let agent = ureq::Agent::config_builder()
            .tls_config(tls)
            .proxy(None)
            .build()
            .new_agent();
        let url = format!("https://localhost:{}/api/status", self.tls_port);
        let text = agent
            .get(&url)
            .call()
            .unwrap()
            .body_mut()
            .read_to_string()
            .unwrap();
        let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
        answer["version"].as_str().unwrap().to_owned()
    }
}

fn configuration(
    proxy: &Proxy,
    folder: &Path,
    (tls_port, plain_port, upstream): (u16, u16, u16),
    token: &str,
) -> String {
    let folder = folder.display();
    let mut temporary = String::new();
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        let _ = writeln!(temporary, "  {kind}_temp_path {folder}/nginx-{kind};");
    }
    let known = if proxy.takes_any_token {
        "~^Bearer ".into()
    } else {
        format!("\"Bearer {token}\"")
    };
    let guard = if proxy.asks_for_token {
        "if ($known = 0) { return 401; }"
    } else {
        ""
    };
    let limit = if proxy.rate_limited {
        "limit_req zone=api burst=20 nodelay; limit_req_status 429;"
    } else {
        ""
    };
    let strict = if proxy.strict_transport {
        "add_header Strict-Transport-Security \"max-age=31536000\" always;"
    } else {
        ""
    };
    let pass = format!("proxy_pass http://127.0.0.1:{upstream};");
    let plain = if proxy.redirects {
        format!("return 301 https://localhost:{tls_port}$request_uri;")
    } else {
        format!("location / {{ {pass} }}")
    };
    let protocols = proxy.protocols;
    format!(
        "daemon off;\nmaster_process off;\npid {folder}/nginx.pid;\nerror_log stderr;\n\
         events {{}}\nhttp {{\n  access_log off;\n  server_tokens off;\n{temporary}\
         \n  limit_req_zone $server_name zone=api:1m rate=10r/s;\
         \n  map $http_authorization $known {{ default 0; {known} 1; }}\
         \n  server {{ listen 127.0.0.1:{plain_port}; {plain} }}\
         \n  server {{\
         \n    listen 127.0.0.1:{tls_port} ssl; server_name localhost;\
         \n    ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.key;\
         \n    ssl_protocols {protocols}; ssl_ciphers ALL:@SECLEVEL=0;\
         \n    {strict}\
         \n    location /api/ {{ {guard} {limit} {pass} }}\
         \n    location /webhook {{ {pass} }}\
         \n  }}\n}}\n"
    )
}
