//! Settings of Meta's lead forms. Without a secret there is no intake, and a server starts without it.

use std::time::Duration;

use secrecy::SecretString;
use url::{Host, Url};

use super::{Source, address};

/// Shortest secret or token, in bytes; Meta's application secrets have 32.
const SHORTEST: usize = 16;

/// How Meta is talked to, and how it is recognised.
#[derive(Debug, Clone)]
pub struct MetaSettings {
    /// Signs what the webhook is told, and proves our calls (`META_APP_SECRET`).
    pub app_secret: SecretString,
    /// The application, for looks at tokens (`META_APP_ID`).
    pub app_id: Option<String>,
    /// What Meta shows when it greets the webhook (`META_VERIFY_TOKEN`).
    pub verify_token: Option<SecretString>,
    /// Where the Graph API is (`META_GRAPH_URL`).
    pub graph_url: Url,
    /// Its version, as `v23.0` (`META_GRAPH_VERSION`).
    pub graph_version: String,
    /// Longest wait for one of its answers (`META_GRAPH_TIMEOUT_MS`).
    pub graph_timeout: Duration,
}

/// Reads them; none without a secret, which is a mistake when Meta would greet.
pub(super) fn read(from: &mut Source) -> Option<MetaSettings> {
    let greets = from.is_set("META_VERIFY_TOKEN");
    let known = from.is_set("META_APP_SECRET");
    let app_secret = from.optional("META_APP_SECRET", long_enough);
    let verify_token = from.optional("META_VERIFY_TOKEN", long_enough);
    let app_id = from.optional("META_APP_ID", application);
    let graph_url = from.optional("META_GRAPH_URL", graph_url);
    let graph_version = from.matching("META_GRAPH_VERSION", "v23.0", is_version);
    let timeout = from.within("META_GRAPH_TIMEOUT_MS", 10_000, 100..=60_000);
    if greets && !known {
        from.mistake("META_APP_SECRET", "is missing, but `META_VERIFY_TOKEN` is there");
    }
    let usual = || Url::parse("https://graph.facebook.com").expect("a constant address");
    Some(MetaSettings {
        app_secret: app_secret?,
        app_id,
        verify_token,
        graph_url: graph_url.unwrap_or_else(usual),
        graph_version,
        graph_timeout: Duration::from_millis(timeout),
    })
}

fn long_enough(text: &str) -> Result<SecretString, String> {
    match text.len() {
        SHORTEST.. => Ok(SecretString::from(text.to_owned())),
        length => Err(format!("has {length} bytes, at least {SHORTEST} are needed")),
    }
}

fn application(text: &str) -> Result<String, String> {
    let plain = (1..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { Ok(text.to_owned()) } else { Err("must be the number of the application".to_owned()) }
}

fn is_version(text: &str) -> Result<(), &'static str> {
    let number = text.strip_prefix('v').and_then(|rest| rest.split_once('.'));
    let digits = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    match number {
        Some((major, minor)) if digits(major) && digits(minor) => Ok(()),
        _ => Err("must be a version such as `v23.0`"),
    }
}

/// Tokens travel there, so the way is encrypted or does not leave the machine.
fn graph_url(text: &str) -> Result<Url, String> {
    let url = address::http_url(text)?;
    let here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if url.scheme() != "https" && !here {
        return Err("must be https, except on this machine".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must have neither query nor fragment".to_owned());
    }
    Ok(url)
}
