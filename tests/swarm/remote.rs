//! Staging as a team has it: the engine behind SSH, images behind a registry with a login, a ledger that operators share, page and
//! API on hosts of their own behind HTTPS.

use std::time::Duration;

use crmctl::docker::EngineAddress;
use rcgen::{CertificateParams, KeyPair};

use crate::harness::engine::engine;
use crate::harness::registry::{PASSWORD, Registry, USER};
use crate::harness::ssh::SshHost;
use crate::harness::staging::{Staging, database_port, free_port, gateway};

const API: &str = "api.staging.invalid";
const PAGE: &str = "staging.invalid";

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_of_it() {
    let (host, registry) = (SshHost::start(), Registry::start());
    let EngineAddress::Unix(socket) = engine().address().clone() else { panic!("the tests' engine is here") };
    let files = tempfile::tempdir().unwrap();
    let at = |name: &str| files.path().join(name);
    let key = KeyPair::generate().unwrap();
    let names = vec![API.to_owned(), PAGE.to_owned()];
    let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap().pem();
    std::fs::write(at("edge.pem"), &certificate).unwrap();
    std::fs::write(at("edge.key"), key.serialize_pem()).unwrap();
    let https = free_port();
    let edge = format!(
        "certificates = \"files\"\ncertificate = \"{pem}\"\nkey = \"{key}\"\nip = \"127.0.0.1\"\ntrust = \"{pem}\"\nhttps_port = {https}",
        pem = at("edge.pem").display(),
        key = at("edge.key").display(),
    );
    let ssh = format!("{}\"\nssh_config = \"{}", host.address(&socket), host.config().display());
    let tables = format!(
        "[registry]\nrepository = \"{}/crm\"\n[page]\nurl = \"https://{PAGE}:{https}\"\n[ledger]\ndsn_key = \"LEDGER_DSN\"\n[limits]",
        registry.host
    );
    let engine_address = engine().address().to_string();
    let staging = Staging::with(&[
        (engine_address.as_str(), &ssh),
        ("certificates = \"none\"", &edge),
        ("[limits]\nreplicas = 1", &format!("{tables}\nreplicas = 2")),
        ("url = \"http://127.0.0.1:", &format!("url = \"https://{API}:{https}\" # ")),
    ])
    .await;
    let ledger = format!("ledger_{}", staging.database());
    let dsn = format!("postgresql://{ledger}:0f1e2d3c4b5a@{}:{}/{ledger}", gateway(), database_port());
    for (key, value) in [("REGISTRY_USER", USER), ("REGISTRY_PASSWORD", PASSWORD), ("LEDGER_DSN", &dsn)] {
        staging.give(key, Some(value));
    }
    staging.crmctl("provision", &["--yes"]).exits(0).says(&["ledger"]);
    staging.crmctl("deploy", &["--yes", "--skip", "perf", "--reason", "not this story"]).exits(0);

    let client = |name: &str| {
        reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(10))
            .redirect(reqwest::redirect::Policy::none())
            .resolve(name, ([127, 0, 0, 1], 0).into())
            .add_root_certificate(reqwest::Certificate::from_pem(certificate.as_bytes()).unwrap())
            .build()
            .unwrap()
    };
    for name in [API, PAGE] {
        let answer = client(name).get(format!("https://{name}:{https}/health/live")).send().await.unwrap();
        assert!(answer.status().is_success() && answer.headers().contains_key("x-crm-release"), "{name}");
        let plain = client(name).get(format!("http://{name}:{}/a?b", staging.port)).send().await.unwrap();
        assert_eq!(plain.status(), 308);
        assert_eq!(plain.headers()["location"], format!("https://{name}:{https}/a?b"));
    }
    let format = "{{.Spec.Mode.Replicated.Replicas}}";
    staging.docker(&["service", "inspect", "--format", format, &staging.service()]).exits(0).says(&["2"]);

    staging.commit("second");
    staging.crmctl("deploy", &["--yes", "--skip", "perf", "--reason", "not this story"]).exits(0);
    staging.crmctl("rollback", &["--yes"]).exits(0).says(&["serves again"]);
    staging.crmctl("doctor", &[]).exits(0).says(&["doctor/ledger", "ssh://"]);
    staging.crmctl("logs", &["-n", "3"]).exits(0);
    staging.drop_database(&ledger);
}
