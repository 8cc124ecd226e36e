//! HTTPS: a certificate that the machine trusts is accepted, one that it does not is a failure of the subject.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use checks::{LoadPlan, Outcome, Subject, Variables, install_tls, run_load, run_suite};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio_rustls::TlsAcceptor;
use url::Url;

use crate::load::ONE;
use crate::server::suite;

/// Set in the child process, which trusts the certificate; holds the directory it lies in.
const TRUSTED: &str = "CHECKS_TEST_TRUSTED";

/// Serves `ok` with the certificate at `directory`; gives the port.
async fn serve(directory: &std::path::Path) -> u16 {
    install_tls();
    let certificate = CertificateDer::from_pem_file(directory.join("cert.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(directory.join("key.pem")).unwrap();
    let config =
        ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let router = Router::new().route("/", get(async || "ok"));
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (acceptor, service) = (acceptor.clone(), TowerToHyperService::new(router.clone()));
            tokio::spawn(async move {
                // A client that does not trust the certificate hangs up here.
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                drop(server.serve_connection(TokioIo::new(stream), service).await);
            });
        }
    });
    port
}

fn subject(port: u16) -> Subject {
    Subject::at(Url::parse(&format!("https://localhost:{port}")).unwrap())
}

fn plan() -> LoadPlan {
    LoadPlan::new(50.0, Duration::from_millis(400))
}

/// The trusted roots of a process come from its environment, so this test runs itself once more with
/// its own certificate among them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trusted_certificate_is_accepted() {
    if let Some(directory) = std::env::var_os(TRUSTED) {
        let subject = subject(serve(directory.as_ref()).await);
        let report = run_suite(&suite(ONE), &subject, &Variables::default(), &|_| {}).await;
        assert_eq!(report.worst(), Outcome::Passed, "{report:?}");
        let report = run_load(&suite(ONE), &subject, &plan(), &Variables::default(), &|_| {}).await.unwrap();
        assert_eq!((report.succeeded, report.failed), (20, 0), "{report}");
        return;
    }
    let directory = certificate();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "https::a_trusted_certificate_is_accepted", "--nocapture"])
        .env(TRUSTED, directory.path())
        .env("SSL_CERT_FILE", directory.path().join("cert.pem"))
        .env_remove("SSL_CERT_DIR")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(
        child.status.success() && said.contains("1 passed"),
        "{said}\n{}",
        String::from_utf8_lossy(&child.stderr)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_nobody_trusts_is_a_failure() {
    let directory = certificate();
    let subject = subject(serve(directory.path()).await);
    let report = run_suite(&suite(ONE), &subject, &Variables::default(), &|_| {}).await;
    let check = &report.checks[0];
    assert_eq!(check.outcome, Outcome::Failed, "{check:?}");
    assert!(check.actual.as_ref().unwrap().contains("certificate"), "{check:?}");
    let report = run_load(&suite(ONE), &subject, &plan(), &Variables::default(), &|_| {}).await.unwrap();
    assert_eq!(report.total.errors.get("connect"), Some(&20), "{report}");
}

/// A directory with a new certificate for `localhost` and its key.
fn certificate() -> tempfile::TempDir {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(directory.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    directory
}
