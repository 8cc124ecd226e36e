//! `StartJobs`: asks the serving release to run its background jobs, as the runbook's step 5.1 does.

use std::time::Duration;

use phases::engine::effects::{EffectContext, EffectOutcome, Evidence, Probe};
use phases::engine::failure::{Failure, FailureClass};
use secrecy::ExposeSecret;
use serde_json::Value;

use crate::site::Site;

const TIMEOUT: Duration = Duration::from_secs(10);

/// Do the jobs run?
pub(super) async fn probe(site: &Site) -> Probe {
    match running(site).await {
        Ok(Some(true)) => Probe::Done(evidence()),
        Ok(Some(false) | None) => Probe::NotDone,
        Err(message) => Probe::Unknown(failure(message)),
    }
}

/// The jobs' stored flag as the public address tells it; absent when it tells nothing.
///
/// # Errors
/// Nobody answers.
pub async fn running(site: &Site) -> Result<Option<bool>, String> {
    let answer = client()?
        .get(format!("{}/scheduled-tasks/health", site.environment.facts.public_url))
        .send()
        .await
        .map_err(|error| error.without_url().to_string())?;
    let body: Value = answer.json().await.map_err(|error| error.without_url().to_string())?;
    Ok(body.get("scheduler_running").and_then(Value::as_bool))
}

/// Logs in as the smoke suite does and starts them.
pub(super) async fn apply(site: &Site, _context: &EffectContext<'_>) -> EffectOutcome {
    match start(site).await {
        Ok(()) => EffectOutcome::Done(evidence()),
        Err(message) => EffectOutcome::NotDone(failure(message)),
    }
}

async fn start(site: &Site) -> Result<(), String> {
    let base = &site.environment.facts.public_url;
    let account = site.smoke_account()?;
    let login = serde_json::json!({ "email": account.email, "password": account.password.expose_secret() });
    let answer = post(&format!("{base}/auth/login"), None, Some(login)).await?;
    let token = answer.get("access_token").and_then(Value::as_str).ok_or("the login gave no access token")?;
    post(&format!("{base}/scheduled-tasks/start"), Some(token), None).await.map(|_| ())
}

async fn post(url: &str, token: Option<&str>, body: Option<Value>) -> Result<Value, String> {
    let mut request = client()?.post(url);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    if let Some(body) = body {
        request = request.json(&body);
    }
    let path = url::Url::parse(url).map_or_else(|_| url.to_owned(), |url| url.path().to_owned());
    let answer = request.send().await.map_err(|error| format!("`{path}`: {}", error.without_url()))?;
    let status = answer.status();
    if !status.is_success() {
        return Err(format!("`{path}` answered {status}"));
    }
    answer.json().await.map_err(|error| format!("`{path}`: {}", error.without_url()))
}

fn client() -> Result<reqwest::Client, String> {
    checks::install_tls();
    reqwest::Client::builder().timeout(TIMEOUT).build().map_err(|error| error.to_string())
}

fn evidence() -> Evidence {
    Evidence { summary: "background jobs on".to_owned(), ..Evidence::default() }
}

fn failure(message: String) -> Failure {
    Failure::new(FailureClass::Failed, format!("the background jobs could not be started: {message}"))
}
