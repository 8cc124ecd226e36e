//! What the cache of one process keeps and forgets.

use chrono::{DateTime, Utc};

use super::*;
use crate::metrics::{Figures, Wish};

fn at(moment: &str) -> DateTime<Utc> {
    moment.parse().unwrap()
}

fn period(wish: &Wish) -> Period {
    Period::at(at("2026-11-26T12:00:00Z"), "America/Argentina/Buenos_Aires", wish).unwrap()
}

fn sums(open: i64) -> Sums {
    let by_seller = HashMap::from([(None, Figures { open, ..Figures::default() })]);
    Sums::new(by_seller, at("2026-11-26T12:00:00Z"))
}

async fn open(cache: &Cache, tenant: i32, only: Option<Uuid>, now: i64) -> i64 {
    let key = cache.key(tenant, &period(&Wish::default()), only, None).await.unwrap();
    let given = cache.get(key, async || Ok(sums(now))).await.unwrap();
    given.get(&None).unwrap().open
}

#[tokio::test]
async fn what_was_computed_is_given_until_something_changes() {
    let cache = Arc::new(Cache::new(None, "db"));
    assert_eq!(open(&cache, 1, None, 5).await, 5);
    assert_eq!(open(&cache, 1, None, 6).await, 5);
    assert_eq!(open(&cache, 2, None, 7).await, 7, "another tenant");
    assert_eq!(open(&cache, 1, Some(Uuid::nil()), 8).await, 8, "another scope");
    cache.changed(2).await;
    assert_eq!(open(&cache, 1, None, 9).await, 5, "another tenant changed");
    cache.changed(1).await;
    assert_eq!(open(&cache, 1, None, 10).await, 10);
    assert_eq!(cache.counts(), (4, 2));
}

#[tokio::test]
async fn few_metrics_are_not_taken_for_all() {
    let cache = Cache::new(None, "db");
    let mut keys = Vec::new();
    for few in [None, Some(&["lead"][..]), Some(&["lead", "won"][..])] {
        keys.push(cache.key(1, &period(&Wish::default()), None, few).await.unwrap().text);
    }
    keys.dedup();
    assert_eq!(keys.len(), 3, "{keys:?}");
}

#[tokio::test]
async fn many_who_ask_at_once_wait_for_one() {
    let cache = Arc::new(Cache::new(None, "db"));
    let computed = Arc::new(AtomicU64::new(0));
    let asking = (0..50).map(|_| {
        let (cache, computed) = (Arc::clone(&cache), Arc::clone(&computed));
        tokio::spawn(async move {
            let key = cache.key(1, &period(&Wish::default()), None, None).await.unwrap();
            let slowly = async || {
                computed.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(50)).await;
                Ok(sums(1))
            };
            cache.get(key, slowly).await.unwrap().get(&None).unwrap().open
        })
    });
    for one in asking.collect::<Vec<_>>() {
        assert_eq!(one.await.unwrap(), 1);
    }
    assert_eq!(computed.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_error_is_nobody_elses() {
    let cache = Cache::new(None, "db");
    let key = cache.key(1, &period(&Wish::default()), None, None).await.unwrap();
    assert!(cache.get(key, async || Err(())).await.is_none());
    assert_eq!(open(&cache, 1, None, 3).await, 3);
}

#[tokio::test]
async fn days_that_are_over_live_longer() {
    let cache = Cache::new(None, "db");
    let yesterday =
        Wish { from: "2026-11-01".parse().ok(), until: "2026-11-25".parse().ok(), ..Wish::default() };
    let over = cache.key(1, &period(&yesterday), None, None).await.unwrap();
    assert_eq!(over.lives, Duration::from_secs(OVER));
    for _ in 0..50 {
        let today = cache.key(1, &period(&Wish::default()), None, None).await.unwrap();
        assert!(TODAY.contains(&today.lives.as_secs()), "{today:?}");
    }
}

#[test]
fn figures_come_back_from_text_as_they_were() {
    let mut figures = Figures { active_days: 2, open: 3, active: 1, waiting: 1, ..Figures::default() };
    let figure = super::super::Figure { count: 4, sum: 99, buckets: [1, 0, 0, 0, 0, 0, 0, 3] };
    figures.by_metric.insert("response".to_owned(), figure);
    let by_seller = HashMap::from([(None, Figures::default()), (Some(Uuid::max()), figures)]);
    let sums = Sums::new(by_seller, at("2026-11-26T12:00:00Z"));
    let text = serde_json::to_vec(&sums).unwrap();
    assert_eq!(serde_json::from_slice::<Sums>(&text).unwrap(), sums);
}
