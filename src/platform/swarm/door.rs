//! The way users come: through the edge, TLS included. The candidate is reached the same way by who knows the environment's
//! candidate header.

use std::time::Duration;

use phases::release::ReleaseId;
use reqwest::{Client, StatusCode};
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
    /// The public address, and the value of the candidate header. Each question comes over a new connection.
    ///
    /// # Errors
    /// The system has no randomness or no certificates.
    pub fn new(url: Url, candidate: SecretString) -> Result<Self, reqwest::Error> {
        // The header is for nobody else.
        let alone = reqwest::redirect::Policy::none();
        let client = Client::builder()
            .pool_max_idle_per_host(0)
            .timeout(PATIENCE)
            .no_proxy()
            .redirect(alone)
            .build()?;
        Ok(Self { url, client, candidate })
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
