//! The HTTP client that checks share: one per run, so that connections are kept alive.

use std::net::SocketAddr;
use std::time::Duration;

use hyper::http::{HeaderMap, HeaderName, HeaderValue};
use reqwest::Certificate;
use secrecy::ExposeSecret;

use crate::subject::Subject;
use crate::tls::install_tls;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// A client for `subject`.
///
/// No proxy (a probe measures its subject, not what stands in between), no redirects (a 302 is an
/// answer) and no cookies (a session says who it is in one header).
///
/// # Errors
/// The client could not be built; the sentence says why.
pub fn build(subject: &Subject) -> Result<reqwest::Client, String> {
    install_tls();
    let mut builder = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT)
        .user_agent(concat!("crmctl-checks/", env!("CARGO_PKG_VERSION")));
    if let Some(socket) = &subject.unix_socket {
        builder = builder.unix_socket(socket.clone());
    }
    if let (Some(ip), Some(host)) = (subject.ip, subject.base_url.host_str()) {
        builder = builder.resolve(host, SocketAddr::new(ip, 0));
    }
    let failed = |error: reqwest::Error| format!("no HTTP client: {}", with_causes(&error));
    for root in &subject.roots {
        builder = builder.add_root_certificate(Certificate::from_der(root).map_err(failed)?);
    }
    let headers = headers(subject).map_err(|error| format!("no HTTP client: {error}"))?;
    builder.default_headers(headers).build().map_err(failed)
}

/// The subject's own headers; no log shows their values.
///
/// # Errors
/// One of them can be sent by nobody.
pub(crate) fn headers(subject: &Subject) -> Result<HeaderMap, hyper::http::Error> {
    let mut headers = HeaderMap::new();
    for (name, value) in &subject.headers {
        let mut value = HeaderValue::from_str(value.expose_secret())?;
        value.set_sensitive(true);
        headers.insert(HeaderName::from_bytes(name.as_bytes())?, value);
    }
    Ok(headers)
}

/// An error and its causes in one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut sentences: Vec<String> = Vec::new();
    for cause in causes.map(ToString::to_string) {
        // Some errors repeat their source in their own text.
        if !sentences.iter().any(|said| said.contains(&cause)) {
            sentences.push(cause);
        }
    }
    sentences.join(": ")
}
