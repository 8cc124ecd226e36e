//! Who a socket is: the token of its CONNECT, looked at like that of any request, then the rooms it hears, then what
//! it missed while it was away. Once a second those are sent away whose token has ended, every few seconds those whose
//! account or session has.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::sync::{Arc, Weak};
use std::time::Duration;

use chrono::Utc;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use socketioxide::extract::{SocketRef, TryData};
use sqlx::FromRow;
use uuid::Uuid;

use super::connection::{Connection, Goodbye, Person};
use super::position::Position;
use super::tail::Told;
use super::{Hub, connection_of, room_of_person, room_of_tenant};
use crate::auth::Caller;
use crate::error::ApiError;
use crate::policy::Role;
use crate::tenant::{Access, Transaction};

/// Most sockets of one person: tabs, a telephone and some that are not known to be gone yet.
const MOST_OF_ONE: usize = 20;
/// Most events that a socket is told again; who missed more asks for everything.
const MOST_MISSED: usize = 500;
/// How often tokens are looked at.
const TICK: Duration = Duration::from_secs(1);
/// How often accounts are, in ticks.
const ACCOUNTS_EVERY: u32 = 5;

/// What the client says in CONNECT.
#[derive(Debug, Deserialize)]
pub(super) struct Auth {
    token: String,
    /// The `event_id` it saw last.
    #[serde(default)]
    after: Option<String>,
}

/// Why a socket is not let in; the `message` of the client's `connect_error`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    Unauthorized,
    TooMany,
    /// It is sent away and comes back by itself; nobody reads this one.
    Unavailable,
}

impl Display for Refusal {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Unauthorized => "unauthorized",
            Self::TooMany => "too_many_sockets",
            Self::Unavailable => "unavailable",
        })
    }
}

/// Where a socket that came back left off.
#[derive(Debug, Clone)]
struct After(Option<String>);

/// First word to a socket: from here on it hears everything.
#[derive(Debug, Serialize)]
struct Ready {
    /// To be handed back as `after`, until an event brings a later one.
    event_id: Position,
    /// How many events were told again.
    missed: usize,
    /// False: more was missed than is told again, so everything is to be asked for anew.
    complete: bool,
}

/// Lets a socket in, or says why not.
///
/// # Errors
/// [`Refusal`].
pub(super) async fn admit(
    hub: Weak<Hub>,
    socket: SocketRef,
    TryData(auth): TryData<Auth>,
) -> Result<(), Refusal> {
    let (Some(hub), Some(connection)) = (hub.upgrade(), connection_of(&socket)) else {
        return Err(Refusal::Unavailable);
    };
    let Auth { token, after } = auth.map_err(|_| Refusal::Unauthorized)?;
    let person = hub.tokens.read(&token).map_err(|_| Refusal::Unauthorized)?;
    let person = Person { caller: person.0, expires_at: person.1 };
    match account(&hub, &person.caller).await {
        Ok(()) if hub.has_begun().await => {}
        Err(refusal @ (Refusal::Unauthorized | Refusal::TooMany)) => return Err(refusal),
        // A client that hears a refusal gives up; one that is cut off tries again.
        _ => {
            connection.close(Goodbye::TryAgain);
            connection.gone().await;
            return Err(Refusal::Unavailable);
        }
    }
    if !connection.is(person) {
        return Err(Refusal::Unauthorized);
    }
    let room = hub.room(room_of_person(person.caller.tenant_id, person.caller.user_id));
    if room.len() >= MOST_OF_ONE {
        return Err(Refusal::TooMany);
    }
    socket.extensions.insert(After(after));
    Ok(())
}

/// Whether the account may still come in.
async fn account(hub: &Hub, caller: &Caller) -> Result<(), Refusal> {
    match Transaction::open(&hub.database, caller, Access::Read).await {
        Ok(_) => Ok(()),
        Err(error) if error == ApiError::unauthorized() => Err(Refusal::Unauthorized),
        Err(_) => Err(Refusal::Unavailable),
    }
}

/// Tells an admitted socket what it missed and puts it into its rooms, so that no event is told twice or never.
pub(super) async fn enter(hub: Weak<Hub>, socket: SocketRef) {
    let Some((hub, connection)) = hub.upgrade().zip(connection_of(&socket)) else { return };
    let Some(Person { caller, .. }) = connection.person().copied() else { return };
    let after = socket.extensions.get::<After>().and_then(|after| after.0);
    if let Err(error) = catch_up(&hub, &socket, &caller, after.as_deref()).await {
        tracing::warn!(code = error.code, "a socket could not be told what it missed");
        connection.close(Goodbye::TryAgain);
    }
}

async fn catch_up(
    hub: &Hub,
    socket: &SocketRef,
    caller: &Caller,
    after: Option<&str>,
) -> Result<(), ApiError> {
    let after = after.map(|after| after.parse::<Position>().ok());
    let mut transaction = match after {
        // Before the lock: waiting for a connection must not keep everybody's events.
        Some(Some(_)) => Some(Transaction::open(&hub.database, caller, Access::Read).await?),
        _ => None,
    };
    let told = hub.told.read().await;
    let told = told.as_ref().ok_or_else(|| ApiError::unavailable("no events yet"))?;
    let missed = match (after.flatten(), &mut transaction) {
        (Some(after), Some(transaction)) if !after.is_useless(told) => {
            missed(transaction, caller.user_id, &after, told).await?
        }
        _ => Vec::new(),
    };
    let complete = match after {
        None => true,
        Some(after) => after.is_some_and(|after| !after.is_useless(told)) && missed.len() <= MOST_MISSED,
    };
    let missed = if complete { missed } else { Vec::new() };
    for row in &missed {
        let told = Told { position: Position::now(row.xact, row.id), payload: &row.payload };
        Hub::send(socket, &row.event, &told);
    }
    Hub::send(socket, "ready", &Ready { event_id: *told, missed: missed.len(), complete });
    socket.join([room_of_person(caller.tenant_id, caller.user_id), room_of_tenant(caller.tenant_id)]);
    Ok(())
}

#[derive(Debug, FromRow)]
struct Missed {
    xact: i64,
    id: i64,
    event: String,
    payload: Value,
}

/// What `person` should have heard after `after`, up to what was told here.
async fn missed(
    transaction: &mut Transaction,
    person: Uuid,
    after: &Position,
    told: &Position,
) -> Result<Vec<Missed>, sqlx::Error> {
    let tenant_id = transaction.tenant_id();
    sqlx::query_as(
        "SELECT xact::text::bigint AS xact, id, event, payload FROM outbox
         WHERE tenant_id = $1 AND (recipient_id = $2 OR recipient_id IS NULL)
           AND (xact, id) > ($3::bigint::text::xid8, $4) AND (xact, id) <= ($5::bigint::text::xid8, $6)
         ORDER BY outbox.xact, id LIMIT $7",
    )
    .bind(tenant_id)
    .bind(person)
    .bind(after.xact)
    .bind(after.id)
    .bind(told.xact)
    .bind(told.id)
    .bind(i64::try_from(MOST_MISSED + 1).unwrap_or(i64::MAX))
    .fetch_all(transaction.db())
    .await
}

/// Sends away whose token or account has ended. Never returns.
pub(super) async fn watch(hub: &Hub) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for tick in 0_u32.. {
        ticks.tick().await;
        let now = Utc::now();
        let mut tenants: BTreeMap<i32, Vec<(Arc<Connection>, Caller)>> = BTreeMap::new();
        for connection in hub.connections.all() {
            match connection.person() {
                Some(person) if person.expires_at <= now => connection.close(Goodbye::Unauthorized),
                Some(&Person { caller, .. }) => {
                    tenants.entry(caller.tenant_id).or_default().push((connection, caller));
                }
                None => {}
            }
        }
        if tick % ACCOUNTS_EVERY == 0 {
            for (tenant_id, sockets) in tenants {
                if let Err(error) = look_at_accounts(hub, tenant_id, &sockets).await {
                    tracing::debug!(code = error.code, "accounts of sockets could not be looked at");
                }
            }
        }
    }
}

/// The same question as `tenant` asks at the start of each request, for many sessions at once.
async fn look_at_accounts(
    hub: &Hub,
    tenant_id: i32,
    sockets: &[(Arc<Connection>, Caller)],
) -> Result<(), ApiError> {
    let mut transaction = Transaction::inside(&hub.database, tenant_id).await?;
    let sessions: Vec<Uuid> = sockets.iter().map(|(_, caller)| caller.session_id).collect();
    let alive: Vec<(Uuid, Uuid, i32, String)> = sqlx::query_as(
        "SELECT s.id, u.id, u.token_version, u.role FROM sessions s
         JOIN users u ON u.tenant_id = s.tenant_id AND u.id = s.user_id
         JOIN tenants t ON t.id = s.tenant_id
         WHERE s.tenant_id = $1 AND s.id = ANY($2) AND s.revoked_at IS NULL AND s.expires_at > now()
           AND u.status = 'active' AND t.status = 'active'",
    )
    .bind(tenant_id)
    .bind(sessions)
    .fetch_all(transaction.db())
    .await?;
    let is_alive = |caller: &Caller| {
        alive.iter().any(|(session_id, user_id, token_version, role)| {
            (*session_id, *user_id, *token_version)
                == (caller.session_id, caller.user_id, caller.token_version)
                && Role::from_name(role) == Some(caller.role)
        })
    };
    for (connection, caller) in sockets {
        if !is_alive(caller) {
            connection.close(Goodbye::Unauthorized);
        }
    }
    Ok(())
}
