//! Failures counted in Redis, for all replicas together. One script per question, so that a counter
//! never stays without an end.

use std::sync::LazyLock;
use std::time::Duration;

use redis::Script;

use super::Counter;
use crate::redis_door::{Away, Redis};

/// Counts one failure; the window begins with the first.
static COUNT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local n = redis.call('INCR', KEYS[1]) \
         if n == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end \
         return n",
    )
});
/// Failures so far and milliseconds to the end of the window.
static LOOK: LazyLock<Script> = LazyLock::new(|| {
    Script::new("return {tonumber(redis.call('GET', KEYS[1]) or '0'), redis.call('PTTL', KEYS[1])}")
});

fn key(counter: &Counter) -> String {
    format!("crm:login:{}", counter.name)
}

/// How long `counter` stays closed; none when it is open.
pub(super) async fn closed_for(redis: &Redis, counter: &Counter) -> Result<Option<Duration>, Away> {
    let key = key(counter);
    let asked = async |connection: &mut _| LOOK.key(&key).invoke_async::<(u32, i64)>(connection).await;
    let (failures, left_ms) = redis.ask(asked).await?;
    let left = Duration::from_millis(u64::try_from(left_ms).unwrap_or(0));
    Ok((failures >= counter.limit && !left.is_zero()).then_some(left))
}

/// Counts one failure.
pub(super) async fn count(redis: &Redis, counter: &Counter, window: Duration) -> Result<(), Away> {
    let key = key(counter);
    let window_ms = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
    redis
        .ask(async |connection: &mut _| COUNT.key(&key).arg(window_ms).invoke_async::<u32>(connection).await)
        .await
        .map(|_| ())
}

/// Ends the window at once.
pub(super) async fn forget(redis: &Redis, counter: &Counter) -> Result<(), Away> {
    let key = key(counter);
    redis
        .ask(async |connection: &mut _| redis::cmd("DEL").arg(&key).query_async::<()>(connection).await)
        .await
}
