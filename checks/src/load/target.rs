//! What a load asks: the suite's requests, filled in once, and where connections go.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::http::uri::PathAndQuery;
use hyper::http::{HeaderValue, Method, Uri};
use reqwest::header::{HOST, HeaderMap, USER_AGENT};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls_platform_verifier::Verifier;
use tokio_rustls::TlsConnector;

use super::LoadError;
use crate::kind::http::Http;
use crate::scene::Scene;
use crate::subject::Subject;
use crate::tls::install_tls;

/// One of the requests of the mix.
#[derive(Debug)]
pub(crate) struct Route {
    /// `smoke/meta-leads`.
    pub(crate) check: String,
    /// `GET /crm/meta/leads?tenant_id={{tenant_id}}`.
    pub(crate) label: String,
    pub(crate) weight: u64,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
    /// Whether a status is expected, by status.
    accepted: Vec<bool>,
}

impl Route {
    pub(crate) fn new(check: String, weight: u64, http: &Http, scene: &Scene<'_>) -> Result<Self, LoadError> {
        let refused = |reason: String| LoadError::Request { check: check.clone(), reason };
        let filled = http.fill(scene).map_err(refused)?;
        let url = scene.subject.address(&filled.path).map_err(|error| refused(error.to_string()))?;
        let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
        let path = PathAndQuery::try_from(path).map_err(|error| refused(error.to_string()))?;
        let mut headers =
            crate::client::headers(scene.subject).map_err(|error| refused(error.to_string()))?;
        headers.extend(filled.headers);
        let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
        let host = HeaderValue::from_str(host).map_err(|error| refused(error.to_string()))?;
        headers.entry(HOST).or_insert(host);
        headers.entry(USER_AGENT).or_insert(HeaderValue::from_static("crmctl-load"));
        Ok(Self {
            check: check.clone(),
            label: http.label(),
            weight,
            method: http.method.clone(),
            uri: path.into(),
            headers,
            body: filled.body.unwrap_or_default().into(),
            accepted: (0..1000).map(|status| http.accepts(status)).collect(),
        })
    }

    pub(crate) fn request(&self) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }

    pub(crate) fn accepts(&self, status: u16) -> bool {
        self.accepted.get(usize::from(status)).copied().unwrap_or_default()
    }
}

/// Where connections go.
#[derive(Clone)]
pub(crate) struct Address {
    pub(crate) place: Place,
    pub(crate) tls: Option<(TlsConnector, ServerName<'static>)>,
}

#[derive(Debug, Clone)]
pub(crate) enum Place {
    Socket(PathBuf),
    /// Every address of the name, tried in order. Looked up once: a load measures the subject, not the
    /// name service.
    Net(Vec<SocketAddr>),
}

impl Address {
    pub(crate) async fn of(subject: &Subject) -> Result<Self, LoadError> {
        let url = &subject.base_url;
        let refused = |reason: String| LoadError::Address { address: url.to_string(), reason };
        let host = url.host_str().ok_or_else(|| refused("it names no host".to_owned()))?;
        let place = match &subject.unix_socket {
            Some(socket) => Place::Socket(socket.clone()),
            None => {
                let port =
                    url.port_or_known_default().ok_or_else(|| refused("it names no port".to_owned()))?;
                let own = subject.ip.map(|ip| ip.to_string());
                let name = own.as_deref().unwrap_or_else(|| host.trim_matches(['[', ']']));
                let found = tokio::net::lookup_host((name, port))
                    .await
                    .map_err(|error| refused(error.to_string()))?;
                Place::Net(found.collect())
            }
        };
        let tls = match url.scheme() {
            "https" => Some(tls(host, &subject.roots).map_err(refused)?),
            "http" => None,
            other => return Err(refused(format!("`{other}` is neither http nor https"))),
        };
        Ok(Self { place, tls })
    }
}

fn tls(host: &str, roots: &[CertificateDer<'static>]) -> Result<(TlsConnector, ServerName<'static>), String> {
    install_tls();
    let builder = rustls::ClientConfig::builder();
    let provider = builder.crypto_provider().clone();
    let verifier = Verifier::new_with_extra_roots(roots.iter().cloned(), provider);
    let verifier = verifier.map_err(|error| error.to_string())?;
    let mut config =
        builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let name = host.trim_matches(['[', ']']).to_owned();
    let name = ServerName::try_from(name).map_err(|error| error.to_string())?;
    Ok((TlsConnector::from(Arc::new(config)), name))
}
