//! `StartJobs`: asks the serving release to run its background jobs, as the runbook's step 5.1 does.

use std::time::Duration;

use phases::engine::effects::{EffectContext, EffectOutcome, Evidence, Probe};
use phases::engine::failure::{Failure, FailureClass};
use reqwest::{Client, StatusCode};
use secrecy::ExposeSecret;
use serde_json::Value;
use url::Url;

use crate::error::chain;
use crate::site::Site;

const HEALTH: &str = "/scheduled-tasks/health";
const LOGIN: &str = "/auth/login";
const START: &str = "/scheduled-tasks/start";
const TIMEOUT: Duration = Duration::from_secs(10);

/// Do the jobs run?
pub(super) async fn probe(site: &Site) -> Probe {
    match running(site).await {
        Ok(true) => Probe::Done(evidence()),
        Ok(false) => Probe::NotDone,
        Err(message) => Probe::Unknown(failure(message)),
    }
}

/// Whether the jobs run, as the public address tells it.
///
/// # Errors
/// Nobody answers, or the answer does not tell: a 503 says that jobs are late, or that nothing is known.
pub async fn running(site: &Site) -> Result<bool, String> {
    let url = format!("{}/scheduled-tasks/health", site.environment.facts.public_url);
    let answer =
        client(site)?.get(url).timeout(TIMEOUT).send().await.map_err(|error| broken(HEALTH, error))?;
    let status = answer.status();
    let body: Value = answer.json().await.map_err(|error| broken(HEALTH, error))?;
    told(status, &body).ok_or_else(|| format!("`{HEALTH}` answered {status} and tells nothing of the jobs"))
}

/// What an answer tells: that they do not run is a fact only of a well scheduler, which has asked the database.
fn told(status: StatusCode, body: &Value) -> Option<bool> {
    let running = body.get("scheduler_running").and_then(Value::as_bool)?;
    match status {
        StatusCode::OK => Some(running),
        StatusCode::SERVICE_UNAVAILABLE if running => Some(true),
        _ => None,
    }
}

/// Logs in as the smoke suite does and starts them.
pub(super) async fn apply(site: &Site, _context: &EffectContext<'_>) -> EffectOutcome {
    let (base, client) = (&site.environment.facts.public_url, client(site));
    let client = match client {
        Ok(client) => client,
        Err(message) => return EffectOutcome::NotDone(failure(message)),
    };
    let token = match log_in(site, &client).await {
        Ok(token) => token,
        Err(message) => return EffectOutcome::NotDone(failure(message)),
    };
    match client.post(format!("{base}{START}")).timeout(TIMEOUT).bearer_auth(token).send().await {
        Ok(answer) if answer.status().is_success() => EffectOutcome::Done(evidence()),
        Ok(answer) => EffectOutcome::NotDone(failure(format!("`{START}` answered {}", answer.status()))),
        // It may have been heard all the same.
        Err(error) => EffectOutcome::Unknown(failure(broken(START, error))),
    }
}

async fn log_in(site: &Site, client: &Client) -> Result<String, String> {
    let account = site.smoke_account()?;
    let body = serde_json::json!({ "email": account.email, "password": account.password.expose_secret() });
    let url = format!("{}{LOGIN}", site.environment.facts.public_url);
    let answer =
        client.post(url).timeout(TIMEOUT).json(&body).send().await.map_err(|error| broken(LOGIN, error))?;
    if !answer.status().is_success() {
        return Err(format!("`{LOGIN}` answered {}", answer.status()));
    }
    let answer: Value = answer.json().await.map_err(|error| broken(LOGIN, error))?;
    let token = answer.get("access_token").and_then(Value::as_str);
    token.map(str::to_owned).ok_or_else(|| "the login gave no access token".to_owned())
}

/// As checks reach it: no proxy and no other address ever sees the CEO's password.
fn client(site: &Site) -> Result<Client, String> {
    let address = Url::parse(&site.environment.facts.public_url).map_err(|error| error.to_string())?;
    checks::client(&site.platform.public(address))
}

fn broken(path: &str, error: reqwest::Error) -> String {
    format!("`{path}`: {}", chain(&error.without_url()))
}

fn evidence() -> Evidence {
    Evidence { summary: "background jobs on".to_owned(), ..Evidence::default() }
}

fn failure(message: String) -> Failure {
    Failure::new(FailureClass::Failed, format!("the background jobs could not be started: {message}"))
        .hint("look at `crmctl logs`; `ENABLE_SCHEDULED_TASKS=false` runs an environment without jobs")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_well_scheduler_tells_that_nothing_runs() {
        let (on, off) = (json!({"scheduler_running": true}), json!({"scheduler_running": false}));
        assert_eq!(told(StatusCode::OK, &on), Some(true));
        assert_eq!(told(StatusCode::OK, &off), Some(false));
        assert_eq!(told(StatusCode::SERVICE_UNAVAILABLE, &on), Some(true), "late jobs do run");
        for (status, body) in [
            (StatusCode::SERVICE_UNAVAILABLE, &off),
            (StatusCode::BAD_GATEWAY, &on),
            (StatusCode::FOUND, &on),
            (StatusCode::OK, &json!({})),
        ] {
            assert_eq!(told(status, body), None, "{status} {body}");
        }
    }
}
