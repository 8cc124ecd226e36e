//! The door to Redis: one lazy connection, every call bounded in time, and a pause after a failure so
//! that a Redis that is away costs nothing. Callers always have a way to go on without it.

use std::fmt::{self, Debug, Formatter};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, ConnectionAddr, FromRedisValue, IntoConnectionInfo, RedisConnectionInfo};
use secrecy::ExposeSecret;

use crate::settings::RedisSettings;

/// Longest wait for one answer.
const ANSWER: Duration = Duration::from_millis(250);
/// How long nobody asks after a failure.
const PAUSE: Duration = Duration::from_secs(2);

/// Redis gave no answer in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("redis is away")]
pub(crate) struct Away;

/// A Redis server that may be away.
pub(crate) struct Redis {
    manager: ConnectionManager,
    away_since: Mutex<Option<Instant>>,
}

impl Debug for Redis {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str("Redis")
    }
}

impl Redis {
    /// A door to the server of `settings`; connects on first use. None when the address is unusable.
    pub(crate) fn lazy(settings: &RedisSettings) -> Option<Self> {
        let mut login = RedisConnectionInfo::default();
        if let Some(password) = &settings.password {
            login = login.set_password(password.expose_secret());
        }
        let address = ConnectionAddr::Tcp(settings.host.clone(), settings.port);
        let info = address.into_connection_info().map(|info| info.set_redis_settings(login));
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(1)
            .set_min_delay(Duration::from_millis(20))
            .set_connection_timeout(Some(ANSWER))
            .set_response_timeout(Some(ANSWER));
        let manager = info
            .and_then(Client::open)
            .and_then(|client| ConnectionManager::new_lazy_with_config(client, config));
        match manager {
            Ok(manager) => Some(Self { manager, away_since: Mutex::default() }),
            Err(error) => {
                tracing::error!(%error, "redis cannot be used");
                None
            }
        }
    }

    /// Asks one question.
    ///
    /// # Errors
    /// [`Away`] when there was no answer in time, or recently none.
    pub(crate) async fn ask<T: FromRedisValue>(
        &self,
        question: impl AsyncFnOnce(&mut ConnectionManager) -> redis::RedisResult<T>,
    ) -> Result<T, Away> {
        if self.is_paused() {
            return Err(Away);
        }
        let mut manager = self.manager.clone();
        let answer = tokio::time::timeout(ANSWER, question(&mut manager)).await;
        let problem = match answer {
            Ok(Ok(value)) => {
                self.note(None);
                return Ok(value);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer in time".to_owned(),
        };
        if self.note(Some(Instant::now())).is_none() {
            tracing::warn!(problem, "redis is away, going on without it");
        }
        Err(Away)
    }

    /// Whether the server answers now.
    pub(crate) async fn answers(&self) -> bool {
        self.ask(async |redis| redis::cmd("PING").query_async::<String>(redis).await).await.is_ok()
    }

    fn is_paused(&self) -> bool {
        let since = *self.away_since.lock().expect("nothing panics while it holds the lock");
        since.is_some_and(|since| since.elapsed() < PAUSE)
    }

    /// Remembers since when it is away; gives what was remembered before.
    fn note(&self, since: Option<Instant>) -> Option<Instant> {
        let mut away = self.away_since.lock().expect("nothing panics while it holds the lock");
        std::mem::replace(&mut away, since)
    }
}
