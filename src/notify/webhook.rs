//! One attempt to post one message. Follows no redirect: the message, and the secret in the address, are meant for
//! one server. Its errors never show the address.

use std::time::Duration;

use super::address::WebhookAddress;
use super::message::Message;

/// Longest wait for a connection, and for the answer.
const CONNECT: Duration = Duration::from_secs(2);
const ANSWER: Duration = Duration::from_secs(5);

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// It has arrived.
    Arrived,
    /// It may work later; not before this time when the server says so.
    Later {
        /// Why not now.
        cause: String,
        /// What `Retry-After` asks for.
        wait: Option<Duration>,
    },
    /// The same message to the same address is refused again.
    Refused {
        /// Why.
        cause: String,
    },
}

/// A client for one address.
pub struct Webhook {
    client: reqwest::Client,
    address: WebhookAddress,
}

impl Webhook {
    /// # Errors
    /// The TLS provider cannot be used.
    pub fn new(address: WebhookAddress) -> Result<Self, String> {
        checks::install_tls();
        let client = reqwest::Client::builder();
        // Through a proxy a plain address would be readable; an encrypted one is not.
        let client = if address.is_plain() { client.no_proxy() } else { client };
        let client = client
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            .user_agent(concat!("crmctl/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| crate::error::chain(&error.without_url()))?;
        Ok(Self { client, address })
    }

    /// Posts a message once.
    pub async fn post(&self, message: &Message) -> Delivery {
        match self.client.post(self.address.expose()).json(message).send().await {
            Ok(answer) => judge(answer.status(), retry_after(answer.headers())),
            Err(error) => Delivery::Later { cause: crate::error::chain(&error.without_url()), wait: None },
        }
    }
}

fn judge(status: reqwest::StatusCode, wait: Option<Duration>) -> Delivery {
    match status.as_u16() {
        200..=299 => Delivery::Arrived,
        300..=399 => {
            Delivery::Refused { cause: format!("it answers {status}, and redirects are not followed") }
        }
        408 | 425 | 429 | 500.. => Delivery::Later { cause: format!("it answers {status}"), wait },
        _ => Delivery::Refused { cause: format!("it answers {status}") },
    }
}

fn retry_after(headers: &reqwest::header::HeaderMap) -> Option<Duration> {
    let value = headers.get(reqwest::header::RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}
