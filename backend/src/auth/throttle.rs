//! How often a login may fail, per account and per address. Only failures count. Kept in Redis when
//! there is one, so that all replicas count together; in this process otherwise.

mod local;
mod shared;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::redis_door::Redis;
use crate::settings::ThrottleSettings;
use local::Local;

/// Failures of one account or one address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Counter {
    /// Name without anything personal in it.
    name: String,
    /// Failures allowed inside the window.
    limit: u32,
}

/// Counts failed logins.
#[derive(Debug)]
pub(crate) struct Throttle {
    settings: ThrottleSettings,
    redis: Option<Arc<Redis>>,
    local: Local,
}

/// One login attempt: what it counts against.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    account: Counter,
    address: Counter,
}

impl Throttle {
    pub(crate) fn new(settings: ThrottleSettings, redis: Option<Arc<Redis>>) -> Self {
        Self { settings, redis, local: Local::new(settings.window) }
    }

    /// The attempt to log in as `login` from `address`.
    pub(crate) fn attempt(&self, login: &str, address: IpAddr) -> Attempt {
        let digest = hex::encode(&Sha256::digest(login.as_bytes())[..16]);
        Attempt {
            account: Counter { name: format!("account:{digest}"), limit: self.settings.per_account },
            address: Counter {
                name: format!("address:{}", block(address)),
                limit: self.settings.per_address,
            },
        }
    }

    /// How long to wait before the attempt may be made; none when it may be made now.
    pub(crate) async fn wait_for(&self, attempt: &Attempt) -> Option<Duration> {
        let mut longest = None;
        for counter in [&attempt.account, &attempt.address] {
            longest = longest.max(self.closed_for(counter).await);
        }
        longest
    }

    async fn closed_for(&self, counter: &Counter) -> Option<Duration> {
        // What a Redis that takes no writes could not count was counted here.
        let local = self.local.closed_for(counter);
        match &self.redis {
            Some(redis) => shared::closed_for(redis, counter).await.map_or(local, |wait| wait.max(local)),
            None => local,
        }
    }

    /// Counts a failure.
    pub(crate) async fn failed(&self, attempt: &Attempt) {
        for counter in [&attempt.account, &attempt.address] {
            if let Some(redis) = &self.redis
                && shared::count(redis, counter, self.settings.window).await.is_ok()
            {
                continue;
            }
            self.local.count(counter);
        }
    }

    /// Forgets the failures of the account; those of the address stay.
    pub(crate) async fn succeeded(&self, attempt: &Attempt) {
        self.local.forget(&attempt.account);
        if let Some(redis) = &self.redis {
            // Away: the counter ends by itself.
            let _ = shared::forget(redis, &attempt.account).await;
        }
    }
}

/// IPv6 clients own a /64 at least, so one is counted as one.
fn block(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

#[cfg(test)]
mod tests;
