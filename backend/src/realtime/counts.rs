//! `notification_count_update`: the numbers of the bell, for people with a socket here, after something of theirs
//! changed. Beside the tail, so that a count never holds an event back; many changes are one count.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use uuid::Uuid;

use super::{Hub, room_of_person};
use crate::error::ApiError;
use crate::notifications::Count;
use crate::outbox::Event;
use crate::tenant::Transaction;

/// Changes that come this close together are one.
const TOGETHER: Duration = Duration::from_millis(20);

/// Whose numbers have changed.
#[derive(Debug, Default)]
pub(super) struct Counts {
    changed: Mutex<BTreeSet<(i32, Uuid)>>,
    woken: Notify,
}

impl Counts {
    /// Notes that `event` changed the numbers of `person`, if it did.
    pub(super) fn changed(&self, tenant_id: i32, person: Uuid, event: &str) {
        if [Event::NewNotification, Event::NotificationMarkedRead].iter().any(|one| one.name() == event) {
            self.changed.lock().unwrap_or_else(PoisonError::into_inner).insert((tenant_id, person));
            self.woken.notify_one();
        }
    }

    fn take(&self) -> BTreeSet<(i32, Uuid)> {
        std::mem::take(&mut *self.changed.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Tells people their numbers. Never returns.
pub(super) async fn keep_telling(hub: &Hub) {
    loop {
        hub.counts.woken.notified().await;
        tokio::time::sleep(TOGETHER).await;
        for (tenant_id, person) in hub.counts.take() {
            match count(hub, tenant_id, person).await {
                Ok(count) => {
                    for socket in hub.room(room_of_person(tenant_id, person)) {
                        Hub::send(&socket, "notification_count_update", &count);
                    }
                }
                Err(error) => tracing::debug!(code = error.code, "a count could not be told"),
            }
        }
    }
}

async fn count(hub: &Hub, tenant_id: i32, person: Uuid) -> Result<Count, ApiError> {
    let mut transaction = Transaction::inside(&hub.database, tenant_id).await?;
    Ok(Count::of(transaction.db(), tenant_id, person).await?)
}
