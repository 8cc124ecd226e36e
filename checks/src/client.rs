//! The HTTP client that checks share: one per run, so that connections are kept alive.

use std::time::Duration;

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
pub(crate) fn build(subject: &Subject) -> Result<reqwest::Client, String> {
    install_tls();
    let mut builder = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT)
        .user_agent(concat!("crmctl-checks/", env!("CARGO_PKG_VERSION")));
    if let Some(socket) = &subject.unix_socket {
        builder = builder.unix_socket(socket.clone());
    }
    builder.build().map_err(|error| format!("no HTTP client: {}", with_causes(&error)))
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
