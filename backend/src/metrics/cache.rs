//! Figures that were computed a moment ago. What changes a tenant's figures raises its revision, and with it nothing old is
//! found any more: in Redis, for all replicas together, where there is one; in this process otherwise, where other
//! replicas may be behind for as long as an entry lives. Many who ask at once wait for one who computes. A Redis that is
//! away means that everybody computes; never an error.

mod shared;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::Utc;
use moka::Expiry;
use moka::future::Cache as Kept;
use rand::Rng;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::period::Period;
use super::summary::Few;
use super::sums::Sums;
use crate::redis_door::Redis;
use crate::settings::Settings;

/// Most figures of one process, of about 150 bytes each; a tenant of 50 vendedores has some 800 for each period.
const FIGURES: u64 = 200_000;
/// How long figures of days that are over live, in seconds.
const OVER: u64 = 300;
/// How long figures with today in them live, in seconds; not all as long, so that they do not end together.
const TODAY: std::ops::RangeInclusive<u64> = 15..=30;

/// Which figures of whom, as they were at which revision.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    tenant_id: i32,
    revision: u64,
    text: String,
    lives: Duration,
}

/// Figures and how long they may be given.
#[derive(Debug, Clone)]
struct Entry {
    sums: Arc<Sums>,
    lives: Duration,
}

struct ByEntry;

impl Expiry<Key, Entry> for ByEntry {
    fn expire_after_create(&self, _: &Key, entry: &Entry, _: Instant) -> Option<Duration> {
        Some(entry.lives)
    }
}

/// The cache of one server.
#[derive(Debug)]
pub(crate) struct Cache {
    kept: Kept<Key, Entry>,
    is_read: bool,
    redis: Option<Redis>,
    /// Of the database, so that two environments at one Redis do not read each other's.
    prefix: String,
    revisions: Mutex<HashMap<i32, u64>>,
    /// Tenants whose change Redis has not heard of.
    owed: Mutex<HashSet<i32>>,
    computed: AtomicU64,
    given: AtomicU64,
}

impl Cache {
    /// The cache of a server with these settings; none when there is nobody to read it.
    pub(crate) fn of(settings: &Settings) -> Option<Arc<Self>> {
        // Switched off it is not read; but other replicas may read, and have to hear what changes here.
        let is_read = settings.features.metrics_cache;
        (is_read || settings.redis.is_some()).then(|| {
            let database = &settings.database.0;
            let name = format!(
                "{}:{}:{}/{}",
                settings.environment,
                database.get_host(),
                database.get_port(),
                database.get_database().unwrap_or_default()
            );
            let digest = hex::encode(&Sha256::digest(name.as_bytes())[..8]);
            Arc::new(Self { is_read, ..Self::new(settings.redis.as_ref().and_then(Redis::lazy), &digest) })
        })
    }

    fn new(redis: Option<Redis>, database: &str) -> Self {
        Self {
            kept: Kept::builder()
                .max_capacity(FIGURES)
                .weigher(|_, entry: &Entry| entry.sums.weight())
                .expire_after(ByEntry)
                .build(),
            is_read: true,
            redis,
            prefix: format!("crm:figures:{database}"),
            revisions: Mutex::default(),
            owed: Mutex::default(),
            computed: AtomicU64::new(0),
            given: AtomicU64::new(0),
        }
    }

    /// The key of what is asked for; none when Redis, which knows the revision, is away.
    pub(super) async fn key(
        &self,
        tenant_id: i32,
        period: &Period,
        only: Option<Uuid>,
        few: Option<Few>,
    ) -> Option<Key> {
        if !self.is_read {
            return None;
        }
        let revision = match &self.redis {
            // This server knows better than Redis does.
            Some(_)
                if self.owed.lock().expect("nothing panics while it holds the lock").contains(&tenant_id) =>
            {
                return None;
            }
            Some(redis) => shared::revision(redis, &self.prefix, tenant_id).await.ok()?,
            None => *self
                .revisions
                .lock()
                .expect("nothing panics while it holds the lock")
                .get(&tenant_id)
                .unwrap_or(&0),
        };
        let Period { first, after, time_zone, today, .. } = period;
        let whom = only.map_or_else(|| "all".to_owned(), |seller| seller.to_string());
        // `today` is part of it: what stands now is counted from there.
        let what = few.map_or_else(|| "all".to_owned(), |few| few.join("+"));
        let text = format!("v{}:{whom}:{what}:{first}:{after}:{today}:{time_zone}", super::VERSION);
        let seconds = if after > today { rand::rng().random_range(TODAY) } else { OVER };
        Some(Key { tenant_id, revision, text, lives: Duration::from_secs(seconds) })
    }

    /// What is kept under `key`, or what `compute` gives: once, however many ask.
    ///
    /// None when it could not be computed, by this one or by the one it waited for.
    pub(super) async fn get(
        &self,
        key: Key,
        compute: impl AsyncFnOnce() -> Result<Sums, ()>,
    ) -> Option<Arc<Sums>> {
        let lives = key.lives;
        // Entries are found whatever their jitter is.
        let place = Key { lives: Duration::ZERO, ..key.clone() };
        let mut was_computed = false;
        let made = async {
            if let Some(sums) = self.elsewhere(&key).await {
                let age = (Utc::now() - sums.at).to_std().unwrap_or_default();
                let lives = lives.saturating_sub(age).max(Duration::from_secs(1));
                return Ok(Entry { sums: Arc::new(sums), lives });
            }
            was_computed = true;
            let sums = compute().await?;
            if let Some(redis) = &self.redis {
                // Away: the next one computes.
                let _ = shared::put(redis, &self.name(&key), &sums, lives).await;
            }
            Ok(Entry { sums: Arc::new(sums), lives })
        };
        let entry = self.kept.try_get_with(place, made).await.map_err(|_: Arc<()>| ()).ok()?;
        let counter = if was_computed { &self.computed } else { &self.given };
        counter.fetch_add(1, Ordering::Relaxed);
        Some(entry.sums)
    }

    /// A tenant's figures are no longer what they were.
    pub(crate) async fn changed(self: &Arc<Self>, tenant_id: i32) {
        *self
            .revisions
            .lock()
            .expect("nothing panics while it holds the lock")
            .entry(tenant_id)
            .or_default() += 1;
        let Some(redis) = &self.redis else { return };
        if shared::raise(redis, &self.prefix, tenant_id).await.is_err() && self.owe(tenant_id) {
            // Others may still find what was kept before, until Redis has heard of it or nothing lives any more.
            let cache = Arc::clone(self);
            tokio::spawn(async move { cache.settle(tenant_id).await });
        }
    }

    /// Notes that Redis has not heard of a change; true when nobody is about to tell it.
    fn owe(&self, tenant_id: i32) -> bool {
        self.owed.lock().expect("nothing panics while it holds the lock").insert(tenant_id)
    }

    /// Tells Redis of a change as soon as it hears.
    async fn settle(&self, tenant_id: i32) {
        let Some(redis) = &self.redis else { return };
        for _ in 0..OVER {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if shared::raise(redis, &self.prefix, tenant_id).await.is_ok() {
                break;
            }
        }
        self.owed.lock().expect("nothing panics while it holds the lock").remove(&tenant_id);
    }

    /// How often figures were computed, and how often somebody was given what was there.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.computed.load(Ordering::Relaxed), self.given.load(Ordering::Relaxed))
    }

    async fn elsewhere(&self, key: &Key) -> Option<Sums> {
        shared::get(self.redis.as_ref()?, &self.name(key)).await
    }

    fn name(&self, Key { tenant_id, revision, text, .. }: &Key) -> String {
        format!("{}:{tenant_id}:{revision}:{text}", self.prefix)
    }
}

#[cfg(test)]
mod tests;
