//! The address of a webhook: a secret, since whoever knows it can write into the chat.

use std::net::IpAddr;

use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

/// A checked address. Has no `Debug` and never appears in a message.
#[derive(Clone)]
pub struct WebhookAddress(SecretString);

impl WebhookAddress {
    /// Takes the value of `key`.
    ///
    /// # Errors
    /// It is missing, or no address that a secret may be sent to.
    pub fn from_secret(key: &str, value: Option<&SecretString>) -> Result<Self, String> {
        let value = value.ok_or_else(|| format!("`{key}` is missing"))?;
        if is_fit(value.expose_secret()) {
            Ok(Self(value.clone()))
        } else {
            Err(format!("`{key}` is no https address"))
        }
    }

    /// It is not encrypted on its way, which is fine only as long as it stays on this machine.
    pub(super) fn is_plain(&self) -> bool {
        self.0.expose_secret().starts_with("http://")
    }

    /// For the one who sends.
    pub(super) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// `https`, or `http` to this machine: the address itself must not be readable on the way.
pub fn is_fit(value: &str) -> bool {
    let Ok(url) = Url::parse(value) else { return false };
    // As `is_plain` reads it, without looking at spelling twice.
    if !value.starts_with("http://") && !value.starts_with("https://") {
        return false;
    }
    match (url.scheme(), url.host()) {
        ("https", Some(_)) => true,
        ("http", Some(Host::Ipv4(address))) => IpAddr::from(address).is_loopback(),
        ("http", Some(Host::Ipv6(address))) => IpAddr::from(address).is_loopback(),
        ("http", Some(Host::Domain(name))) => name == "localhost",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_address_goes_through_https_or_stays_on_this_machine() {
        for fit in ["https://hooks.slack.com/services/T/B/x", "http://127.0.0.1:9/x", "http://[::1]/x"] {
            assert!(is_fit(fit), "{fit}");
        }
        for unfit in ["http://hooks.slack.com/x", "ftp://127.0.0.1/x", "hooks.slack.com/x", "", "https://"] {
            assert!(!is_fit(unfit), "{unfit}");
        }
    }
}
