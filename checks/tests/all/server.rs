//! A real server on port 0 or on a unix socket, and the short way to run a suite against it.

use std::path::PathBuf;

use axum::Router;
use checks::{CheckOutcome, Subject, Suite, SuiteReport, Variables, run_suite};
use url::Url;

/// A server that lives as long as this value.
pub(crate) struct Server {
    pub(crate) subject: Subject,
    task: tokio::task::JoinHandle<()>,
    _directory: Option<tempfile::TempDir>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// On a free port of the loopback.
    pub(crate) async fn start(router: Router) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { subject: Subject::at(url), task, _directory: None }
    }

    /// On a socket; the address of the subject leads nowhere.
    pub(crate) async fn start_on_socket(router: Router) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path: PathBuf = directory.path().join("server.sock");
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let url = Url::parse("http://crm.test").unwrap();
        Self { subject: Subject::through(url, path), task, _directory: Some(directory) }
    }

    /// Runs a suite given as text.
    pub(crate) async fn run(&self, text: &str, variables: &Variables) -> SuiteReport {
        run_suite(&suite(text), &self.subject, variables, &|_| {}).await
    }
}

/// A suite named `probe`.
pub(crate) fn suite(text: &str) -> Suite {
    Suite::parse("probe.toml", text).unwrap_or_else(|error| panic!("{}", error.lines().collect::<String>()))
}

/// The outcome of the check `name`.
pub(crate) fn outcome<'r>(report: &'r SuiteReport, name: &str) -> &'r CheckOutcome {
    let full = format!("{}/{name}", report.suite);
    report
        .checks
        .iter()
        .find(|check| check.check == full)
        .unwrap_or_else(|| panic!("no {full} in {report:?}"))
}

/// A port of the loopback that nobody listens on.
pub(crate) fn dead_subject() -> Subject {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    Subject::at(Url::parse(&format!("http://{address}")).unwrap())
}
