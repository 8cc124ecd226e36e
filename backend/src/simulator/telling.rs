//! Webhooks: who tells of leads in which order. Some leads are told of twice, some late, some never; several may stand in
//! one webhook; ids are numbers or text. What is not acknowledged is told again, as Meta does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use reqwest::header;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::world::World;
use crate::meta::sign;
use crate::seed::Dice;

/// Longest wait for an acknowledgement.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often a webhook is sent before it is given up.
const ATTEMPTS: u32 = 6;
/// Pause before it is sent again; doubles each time.
const PAUSE: Duration = Duration::from_millis(100);

/// How leads are told of. Percentages are of 100 leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Manner {
    /// Told of twice or thrice.
    pub repeated_percent: u32,
    /// Told of after everybody else.
    pub late_percent: u32,
    /// Never told of.
    pub dropped_percent: u32,
    /// Leads change places with leads this far away.
    pub shuffled_by: u32,
    /// Most leads in one webhook.
    pub batch: u32,
    /// Webhooks under way at once.
    pub beside: usize,
}

impl Default for Manner {
    /// One after the other, each once, each in a webhook of its own.
    fn default() -> Self {
        Self { repeated_percent: 0, late_percent: 0, dropped_percent: 0, shuffled_by: 0, batch: 1, beside: 1 }
    }
}

impl Manner {
    /// As it happens on a bad day.
    #[must_use]
    pub fn wild() -> Self {
        Self {
            repeated_percent: 25,
            late_percent: 10,
            dropped_percent: 0,
            shuffled_by: 40,
            batch: 3,
            beside: 8,
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Told {
    /// Webhooks that were acknowledged.
    pub acknowledged: usize,
    /// Webhooks that were given up.
    pub given_up: usize,
    /// Half of the acknowledgements came within this, in milliseconds.
    pub p50_ms: u64,
    /// 99 of 100 came within this, in milliseconds.
    pub p99_ms: u64,
    /// The slowest, in milliseconds.
    pub slowest_ms: u64,
}

pub(super) async fn tell(world: &Arc<World>, webhook: &Url, leads: &[String], manner: Manner) -> Told {
    let mut dice = world.shuffle();
    let order = order(leads, manner, &mut dice);
    let bodies = bodies(world, &order, manner, &mut dice);
    let client = client();
    let mut waits: Vec<Option<Duration>> = futures_util::stream::iter(bodies)
        .map(|body| post(&client, world, webhook, body))
        .buffer_unordered(manner.beside.max(1))
        .collect()
        .await;
    let given_up = waits.iter().filter(|wait| wait.is_none()).count();
    waits.sort_unstable();
    let waits: Vec<u64> =
        waits.iter().flatten().map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)).collect();
    let at =
        |percent: usize| waits.get((waits.len() * percent / 100).min(waits.len().saturating_sub(1))).copied();
    Told {
        acknowledged: waits.len(),
        given_up,
        p50_ms: at(50).unwrap_or(0),
        p99_ms: at(99).unwrap_or(0),
        slowest_ms: waits.last().copied().unwrap_or(0),
    }
}

/// Each mention of each lead, in the order they are told.
fn order(leads: &[String], manner: Manner, dice: &mut Dice) -> Vec<String> {
    let mut mentions: Vec<(i64, String)> = Vec::new();
    let all = i64::try_from(leads.len()).unwrap_or(i64::MAX);
    for (index, lead) in leads.iter().enumerate() {
        if dice.chance(manner.dropped_percent) {
            continue;
        }
        let place = i64::try_from(index).unwrap_or(0);
        let late = if dice.chance(manner.late_percent) { all } else { 0 };
        let mut mention = |dice: &mut Dice| {
            let shift = dice.between(0, i64::from(manner.shuffled_by));
            mentions.push((place + late + shift, lead.clone()));
        };
        mention(dice);
        if dice.chance(manner.repeated_percent) {
            for _ in 0..dice.between(1, 2) {
                mention(dice);
            }
        }
    }
    mentions.sort_by_key(|(place, _)| *place);
    mentions.into_iter().map(|(_, lead)| lead).collect()
}

/// Webhooks with one lead or several.
fn bodies(world: &World, order: &[String], manner: Manner, dice: &mut Dice) -> Vec<Vec<u8>> {
    let mut bodies = Vec::new();
    let mut rest = order;
    while !rest.is_empty() {
        let size = usize::try_from(dice.between(1, i64::from(manner.batch.max(1)))).unwrap_or(1);
        let (now, later) = rest.split_at(size.min(rest.len()));
        rest = later;
        let changes: Vec<Value> =
            now.iter().filter_map(|lead| change(world, lead, dice.chance(50))).collect();
        let entry = json!({ "id": world.options().page_id, "time": chrono::Utc::now().timestamp(), "changes": changes });
        let body = json!({ "object": "page", "entry": [entry] });
        bodies.push(body.to_string().into_bytes());
    }
    bodies
}

fn change(world: &World, lead: &str, as_numbers: bool) -> Option<Value> {
    let shown = world.told(lead)?;
    let id = |text: &str| match text.parse::<u64>() {
        Ok(number) if as_numbers => json!(number),
        _ => json!(text),
    };
    Some(json!({ "field": "leadgen", "value": {
        "leadgen_id": id(&shown.leadgen_id), "page_id": id(&world.options().page_id), "form_id": id(&shown.form_id),
        "adgroup_id": id("320"), "ad_id": id("320"), "created_time": shown.created_time.timestamp(),
    }}))
}

fn client() -> reqwest::Client {
    // Fails when it was done before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let made = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build();
    made.expect("a client without settings of its own can be made")
}

/// Sends until it is acknowledged; gives how long the acknowledgement took, none when it was given up.
async fn post(client: &reqwest::Client, world: &World, webhook: &Url, body: Vec<u8>) -> Option<Duration> {
    let signature = sign(&world.options().app_secret, &body);
    for attempt in 0..ATTEMPTS {
        let start = Instant::now();
        let request = client
            .post(webhook.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header("X-Hub-Signature-256", &signature)
            .body(body.clone());
        if request.send().await.is_ok_and(|answer| answer.status().is_success()) {
            return Some(start.elapsed());
        }
        tokio::time::sleep(PAUSE * 2_u32.pow(attempt)).await;
    }
    None
}
