//! Revisions and figures in Redis, for all replicas together.

use std::sync::LazyLock;
use std::time::Duration;

use rand::Rng;
use redis::Script;

use crate::metrics::sums::Sums;
use crate::redis_door::{Away, Redis};

/// A revision that nobody asked for ends after this, in seconds: longer than any entry lives.
const REVISION_SECONDS: u64 = 86_400;

/// The revision, made when there is none. A new one begins anywhere: after everything was flushed it must not come to a
/// number that entries of a process are still kept under.
static LOOK: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "redis.call('SET', KEYS[1], ARGV[1], 'NX') \
         redis.call('EXPIRE', KEYS[1], ARGV[2]) \
         return redis.call('GET', KEYS[1])",
    )
});
/// The same, one higher.
static RAISE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "redis.call('SET', KEYS[1], ARGV[1], 'NX') \
         redis.call('INCR', KEYS[1]) \
         redis.call('EXPIRE', KEYS[1], ARGV[2]) \
         return redis.call('GET', KEYS[1])",
    )
});

async fn run(redis: &Redis, script: &Script, prefix: &str, tenant_id: i32) -> Result<u64, Away> {
    let key = format!("{prefix}:revision:{tenant_id}");
    let anywhere: u32 = rand::rng().random();
    let first = u64::from(anywhere) << 20;
    let asked = async |connection: &mut _| {
        script.key(&key).arg(first).arg(REVISION_SECONDS).invoke_async::<u64>(connection).await
    };
    redis.ask(asked).await
}

/// The revision of a tenant's figures.
pub(super) async fn revision(redis: &Redis, prefix: &str, tenant_id: i32) -> Result<u64, Away> {
    run(redis, &LOOK, prefix, tenant_id).await
}

/// Raises it.
pub(super) async fn raise(redis: &Redis, prefix: &str, tenant_id: i32) -> Result<(), Away> {
    run(redis, &RAISE, prefix, tenant_id).await.map(drop)
}

/// What is kept under `name`; nothing also when it cannot be read, as after an upgrade.
pub(super) async fn get(redis: &Redis, name: &str) -> Option<Sums> {
    let text: Option<Vec<u8>> = redis
        .ask(async |connection: &mut _| redis::cmd("GET").arg(name).query_async(connection).await)
        .await
        .ok()?;
    serde_json::from_slice(&text?).ok()
}

/// Keeps it for as long as it lives.
pub(super) async fn put(redis: &Redis, name: &str, sums: &Sums, lives: Duration) -> Result<(), Away> {
    let Ok(text) = serde_json::to_vec(sums) else { return Ok(()) };
    let seconds = lives.as_secs().max(1);
    let asked = async |connection: &mut _| {
        redis::cmd("SET").arg(name).arg(text).arg("EX").arg(seconds).query_async::<()>(connection).await
    };
    redis.ask(asked).await
}
