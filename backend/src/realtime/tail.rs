//! Follows the outbox and tells each row to whom it is for. Woken by NOTIFY, and looks by itself as well: a missed
//! wake costs half a second, never an event. Rows are read below the snapshot's xmin only, so a slow transaction is
//! told late and not skipped; while one may be holding rows back, it looks often.

use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::Value;
use sqlx::FromRow;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};
use uuid::Uuid;

use super::position::Position;
use super::{Hub, room_of_person, room_of_tenant};

/// Most rows read at once.
const BATCH: i32 = 500;
/// How often it looks unasked.
const IDLE: Duration = Duration::from_millis(500);
/// How often it looks after a wake, since rows may be held back by a transaction that wakes nobody.
const BUSY: Duration = Duration::from_millis(20);
/// For how long.
const BUSY_FOR: Duration = Duration::from_millis(400);
/// Pause after the database did not answer.
const PAUSE: Duration = Duration::from_secs(1);
/// The channel that the outbox's trigger notifies.
const CHANNEL: &str = "crm_outbox";

/// A committed row.
#[derive(Debug, FromRow)]
struct Row {
    xact: i64,
    id: i64,
    tenant_id: i32,
    event: String,
    recipient_id: Option<Uuid>,
    payload: Value,
    created_at: DateTime<Utc>,
}

/// An event as clients hear it: the payload, and the place to come back to.
#[derive(Debug)]
pub(super) struct Told<'a> {
    pub(super) position: Position,
    pub(super) payload: &'a Value,
}

impl Serialize for Told<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = self.payload.as_object();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("event_id", &self.position)?;
        for (key, value) in fields.into_iter().flatten() {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// Tells rows as they are committed. Never returns.
pub(super) async fn follow(hub: &Hub) {
    let woken = Notify::new();
    tokio::join!(tell_all(hub, &woken), listen(hub, &woken));
}

async fn tell_all(hub: &Hub, woken: &Notify) {
    let mut told = first(hub).await;
    *hub.told.write().await = Some(told);
    hub.begun.cancel();
    let mut busy_until = Instant::now();
    loop {
        match read(hub, &told).await {
            Ok(rows) => {
                let full = rows.len() >= usize::try_from(BATCH).unwrap_or(usize::MAX);
                if let Some(last) = tell(hub, rows).await {
                    told = last;
                }
                if full {
                    continue;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the outbox cannot be read");
                sleep(PAUSE).await;
                // A database that was put back to an earlier day counts from there.
                if let Some(now) = begin(hub).await.ok().filter(|now| now.xact < told.xact) {
                    told = now;
                    *hub.told.write().await = Some(told);
                }
                continue;
            }
        }
        let now = Instant::now();
        let next = if now < busy_until { BUSY } else { IDLE };
        tokio::select! {
            () = woken.notified() => busy_until = Instant::now() + BUSY_FOR,
            () = sleep_until(now + next) => {}
        }
    }
}

/// The end of the outbox, as soon as the database says where that is.
async fn first(hub: &Hub) -> Position {
    loop {
        match begin(hub).await {
            Ok(position) => return position,
            Err(error) => tracing::warn!(%error, "the outbox cannot be followed yet"),
        }
        sleep(PAUSE).await;
    }
}

async fn begin(hub: &Hub) -> Result<Position, sqlx::Error> {
    let xact = sqlx::query_scalar("SELECT crm_outbox_position()").fetch_one(hub.database.outside_tenants());
    Ok(Position::now(xact.await?, 0))
}

async fn read(hub: &Hub, after: &Position) -> Result<Vec<Row>, sqlx::Error> {
    sqlx::query_as(
        "SELECT xact, id, tenant_id, event, recipient_id, payload, created_at FROM crm_outbox_read($1, $2, $3)",
    )
    .bind(after.xact)
    .bind(after.id)
    .bind(BATCH)
    .fetch_all(hub.database.outside_tenants())
    .await
}

/// Tells `rows` and notes the last of them, while no socket enters.
async fn tell(hub: &Hub, rows: Vec<Row>) -> Option<Position> {
    let last = rows.last()?;
    let last = Position::now(last.xact, last.id);
    let mut told = hub.told.write().await;
    for row in &rows {
        let room = match row.recipient_id {
            Some(person) => room_of_person(row.tenant_id, person),
            None => room_of_tenant(row.tenant_id),
        };
        let sockets = hub.room(room);
        let event = Told { position: Position::now(row.xact, row.id), payload: &row.payload };
        for socket in &sockets {
            Hub::send(socket, &row.event, &event);
        }
        if let (false, Some(person)) = (sockets.is_empty(), row.recipient_id) {
            hub.counts.changed(row.tenant_id, person, &row.event);
        }
    }
    *told = Some(last);
    let lag = rows.first().map_or(0, |row| (Utc::now() - row.created_at).num_milliseconds());
    hub.progress.events.fetch_add(rows.len() as u64, Ordering::Relaxed);
    hub.progress.lag_ms.store(u64::try_from(lag).unwrap_or(0), Ordering::Relaxed);
    Some(last)
}

/// Wakes on NOTIFY, over a connection of its own. Never returns.
async fn listen(hub: &Hub, woken: &Notify) {
    loop {
        match hub.database.listen(CHANNEL).await {
            Ok(mut listener) => {
                while listener.recv().await.is_ok() {
                    woken.notify_one();
                }
            }
            Err(error) => tracing::debug!(%error, "nobody wakes, the outbox is looked at by itself"),
        }
        sleep(PAUSE).await;
    }
}
