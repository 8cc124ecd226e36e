//! The cache server, looked at as the backend will use it: it lets us in, is new enough, throws old values away rather than refuse
//! new ones, and gives back what it was given.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Client, ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo, RedisResult, cmd};
use secrecy::ExposeSecret;
use tokio::time::timeout;

use super::State;
use crate::error::chain;
use crate::site::Site;

/// Longest wait for all of it.
const PATIENCE: Duration = Duration::from_secs(5);
/// Oldest that is supported; `EXPIRE` with conditions and ACLs are of it.
const OLDEST: (u32, u32) = (6, 0);
/// Of the round trip.
const KEY: &str = "crmctl:provision";

pub(super) async fn look(site: &Site) -> State {
    let secret = |key: &str| site.environment.secrets.get(key).map(|value| value.expose_secret().to_owned());
    let Some(host) = secret("REDIS_HOST") else {
        return State::There("none: figures and throttles are kept by each release alone".to_owned());
    };
    let port = secret("REDIS_PORT").map_or(Ok(6379), |port| port.parse::<u16>());
    let Ok(port) = port else {
        return State::Wrong { said: "`REDIS_PORT` is no port".to_owned(), hint: "mend it".to_owned() };
    };
    let place = format!("{host}:{port}");
    match timeout(PATIENCE, facts(host, port, secret("REDIS_PASSWORD"))).await {
        Ok(Ok(facts)) => facts.judge(&place),
        Ok(Err(error)) => State::Wrong {
            said: format!("Redis at {place}: {}", chain(&error)),
            hint: "look at `REDIS_HOST`, `REDIS_PORT` and `REDIS_PASSWORD` in the secrets file".to_owned(),
        },
        Err(_) => State::Wrong {
            said: format!("Redis at {place} did not answer within {} s", PATIENCE.as_secs()),
            hint: "see whether this machine may reach it".to_owned(),
        },
    }
}

/// What the server says of itself.
struct Facts {
    info: String,
    policy: Option<String>,
    gives_back: bool,
}

async fn facts(host: String, port: u16, password: Option<String>) -> RedisResult<Facts> {
    let mut info = RedisConnectionInfo::default();
    if let Some(password) = password {
        info = info.set_password(password);
    }
    let connection = ConnectionAddr::Tcp(host, port).into_connection_info()?.set_redis_settings(info);
    let mut connection = Client::open(connection)?.get_multiplexed_async_connection().await?;
    let info: String = cmd("INFO").query_async(&mut connection).await?;
    // A managed server may forbid it.
    let policy: RedisResult<Vec<String>> =
        cmd("CONFIG").arg("GET").arg("maxmemory-policy").query_async(&mut connection).await;
    let gives_back = round_trip(&mut connection).await?;
    Ok(Facts { info, policy: policy.ok().and_then(|pair| pair.into_iter().nth(1)), gives_back })
}

async fn round_trip(connection: &mut MultiplexedConnection) -> RedisResult<bool> {
    let value = std::process::id().to_string();
    cmd("SET").arg(KEY).arg(&value).arg("EX").arg(10).query_async::<()>(connection).await?;
    let back: Option<String> = cmd("GET").arg(KEY).query_async(connection).await?;
    cmd("DEL").arg(KEY).query_async::<()>(connection).await?;
    Ok(back.as_deref() == Some(&value))
}

impl Facts {
    fn judge(&self, place: &str) -> State {
        let wrong = |said: String, hint: &str| State::Wrong { said, hint: hint.to_owned() };
        let said = |name: &str| self.info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let version = said("redis_version").unwrap_or("0").trim();
        if parts(version) < OLDEST {
            let (major, minor) = OLDEST;
            return wrong(format!("Redis {version} at {place}"), &format!("use {major}.{minor} or newer"));
        }
        if !self.gives_back {
            let hint = "see whether it is a read-only replica";
            return wrong(format!("Redis at {place} does not give back what it was given"), hint);
        }
        let limit: u64 = said("maxmemory").and_then(|bytes| bytes.trim().parse().ok()).unwrap_or(0);
        let policy = self.policy.as_deref().or_else(|| said("maxmemory_policy").map(str::trim));
        if limit > 0 && policy == Some("noeviction") {
            let hint =
                "`CONFIG SET maxmemory-policy allkeys-lru`: a full cache then forgets instead of refusing";
            return wrong(
                format!("Redis at {place} refuses new values when its {limit} bytes are full"),
                hint,
            );
        }
        let limit = if limit == 0 { "no limit".to_owned() } else { format!("{} MB", limit / 1_000_000) };
        State::There(format!("Redis {version} at {place}, {limit}, {}", policy.unwrap_or("policy not told")))
    }
}

fn parts(version: &str) -> (u32, u32) {
    let mut numbers = version.split('.').map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(info: &str, policy: Option<&str>, gives_back: bool) -> Facts {
        Facts { info: info.to_owned(), policy: policy.map(str::to_owned), gives_back }
    }

    #[test]
    fn what_would_fail_later_is_told_now() {
        let good = "redis_version:7.0.15\r\nmaxmemory:1000000\r\n";
        let is_there = |facts: &Facts| matches!(facts.judge("r:1"), State::There(_));
        assert!(is_there(&facts(good, Some("allkeys-lru"), true)));
        assert!(is_there(&facts("redis_version:6.0.0\r\nmaxmemory:0\r\n", Some("noeviction"), true)));
        for bad in [
            facts("redis_version:5.0.7\r\n", None, true),
            facts("", None, true),
            facts(good, Some("noeviction"), true),
            facts(good, None, false),
        ] {
            let State::Wrong { hint, .. } = bad.judge("r:1") else { panic!("{}", bad.info) };
            assert!(!hint.is_empty());
        }
    }
}
