//! The way users come: through the edge, TLS included. The candidate is reached the same way by who knows the environment's
//! candidate header.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use checks::Subject;
use phases::release::ReleaseId;
use reqwest::{Certificate, Client, StatusCode};
use rustls::pki_types::CertificateDer;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

/// Header that leads to the candidate. The edge takes it off.
pub const CANDIDATE_HEADER: &str = "x-candidate";
/// Header that names the release that answers.
const RELEASE_HEADER: &str = "x-crm-release";
/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where users come in.
#[derive(Clone)]
pub struct Door {
    url: Url,
    client: Client,
    candidate: SecretString,
    way: Way,
}

/// How the public address is reached from here, where that is not what everybody would do.
#[derive(Debug, Clone, Default)]
pub struct Way {
    /// Address of the edge, whatever the name service says.
    pub ip: Option<IpAddr>,
    /// Authorities that are trusted besides those of this machine, DER.
    pub roots: Vec<CertificateDer<'static>>,
}

/// Whom a question is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whom {
    /// Whatever serves.
    Serving,
    /// The candidate.
    Candidate,
}

/// An answer.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// Who answered; none when it was the edge itself.
    pub(super) release: Option<ReleaseId>,
    pub(super) body: String,
}

impl Door {
    /// The public address, the value of the candidate header, and the way there. Each question comes over a new connection.
    ///
    /// # Errors
    /// The system has no randomness or no certificates, or a root is none.
    pub fn new(url: Url, candidate: SecretString, way: Way) -> Result<Self, reqwest::Error> {
        // The header is for nobody else.
        let alone = reqwest::redirect::Policy::none();
        let mut builder =
            Client::builder().pool_max_idle_per_host(0).timeout(PATIENCE).no_proxy().redirect(alone);
        if let (Some(ip), Some(host)) = (way.ip, url.host_str()) {
            builder = builder.resolve(host, SocketAddr::new(ip, 0));
        }
        for root in &way.roots {
            builder = builder.add_root_certificate(Certificate::from_der(root)?);
        }
        Ok(Self { url, client: builder.build()?, candidate, way })
    }

    /// The candidate can be reached: its key is known.
    pub(super) fn reaches_candidates(&self) -> bool {
        !self.candidate.expose_secret().is_empty()
    }

    /// What users reach at `address`, as checks ask it.
    pub(super) fn subject(&self, address: Url) -> Subject {
        Subject::at(address).with_ip(self.way.ip).with_roots(self.way.roots.clone())
    }

    /// The candidate, as checks ask it.
    pub(super) fn candidate(&self, address: Url) -> Subject {
        self.subject(address).with_header(CANDIDATE_HEADER, self.candidate.clone())
    }

    /// Asks once.
    pub(super) async fn ask(&self, path: &str, whom: Whom) -> Result<Answer, reqwest::Error> {
        let mut url = self.url.clone();
        url.set_path(path);
        let mut request = self.client.get(url);
        if whom == Whom::Candidate {
            request = request.header(CANDIDATE_HEADER, self.candidate.expose_secret());
        }
        let response = request.send().await?;
        let release =
            response.headers().get(RELEASE_HEADER).and_then(|value| value.to_str().ok()?.parse().ok());
        Ok(Answer { status: response.status(), release, body: response.text().await? })
    }
}
