//! What a person wants to hear: read and written as one row; no row means the defaults.

use chrono::{DateTime, NaiveTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use utoipa::ToSchema;

use super::Kind;
use crate::error::ApiError;
use crate::tenant::Transaction;

/// What a person wants to hear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, FromRow, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NotificationSettings {
    /// Types that are not stored at all, unless critical ones come through.
    pub(crate) muted_types: Vec<String>,
    /// Until then nothing rings.
    pub(crate) mute_until: Option<DateTime<Utc>>,
    /// Start of the quiet hours in the own zone (`22:00`); with `quiet_until` or not at all.
    #[schema(value_type = Option<String>)]
    #[serde(with = "clock")]
    pub(crate) quiet_from: Option<NaiveTime>,
    /// Their end; earlier than the start means over midnight.
    #[schema(value_type = Option<String>)]
    #[serde(with = "clock")]
    pub(crate) quiet_until: Option<NaiveTime>,
    /// Critical ones come through muting and quiet hours.
    pub(crate) critical_pierces: bool,
}

impl Default for NotificationSettings {
    fn default() -> Self {
        Self {
            muted_types: vec![],
            mute_until: None,
            quiet_from: None,
            quiet_until: None,
            critical_pierces: true,
        }
    }
}

impl NotificationSettings {
    /// The same, or every field that cannot be used.
    ///
    /// # Errors
    /// 400 with each mistake.
    pub(crate) fn checked(mut self) -> Result<Self, ApiError> {
        if let Some(unknown) = self.muted_types.iter().find(|name| Kind::from_name(name).is_none()) {
            return Err(ApiError::field("muted_types", format!("`{unknown}` is no type of notification")));
        }
        self.muted_types.sort();
        self.muted_types.dedup();
        match (self.quiet_from, self.quiet_until) {
            (Some(_), None) => Err(ApiError::field("quiet_until", "is missing, `quiet_from` is there")),
            (None, Some(_)) => Err(ApiError::field("quiet_from", "is missing, `quiet_until` is there")),
            (Some(from), Some(until)) if from == until => {
                Err(ApiError::field("quiet_until", "is the same as `quiet_from`"))
            }
            _ => Ok(self),
        }
    }

    /// The settings of a person.
    ///
    /// # Errors
    /// When the database did not say.
    pub(crate) async fn read(transaction: &mut Transaction, user: uuid::Uuid) -> Result<Self, sqlx::Error> {
        let tenant_id = transaction.tenant_id();
        let found = sqlx::query_as(
            "SELECT muted_types, mute_until, quiet_from, quiet_until, critical_pierces
             FROM notification_settings WHERE tenant_id = $1 AND user_id = $2",
        )
        .bind(tenant_id)
        .bind(user)
        .fetch_optional(transaction.db())
        .await?;
        Ok(found.unwrap_or_default())
    }

    /// Stores them for a person.
    ///
    /// # Errors
    /// When the database did not take it.
    pub(crate) async fn write(
        &self,
        transaction: &mut Transaction,
        user: uuid::Uuid,
    ) -> Result<(), sqlx::Error> {
        let tenant_id = transaction.tenant_id();
        sqlx::query(
            "INSERT INTO notification_settings (tenant_id, user_id, muted_types, mute_until, quiet_from, quiet_until, critical_pierces)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (tenant_id, user_id) DO UPDATE SET muted_types = EXCLUDED.muted_types,
               mute_until = EXCLUDED.mute_until, quiet_from = EXCLUDED.quiet_from, quiet_until = EXCLUDED.quiet_until,
               critical_pierces = EXCLUDED.critical_pierces, updated_at = now()",
        )
        .bind(tenant_id)
        .bind(user)
        .bind(&self.muted_types)
        .bind(self.mute_until)
        .bind(self.quiet_from)
        .bind(self.quiet_until)
        .bind(self.critical_pierces)
        .execute(transaction.db())
        .await?;
        Ok(())
    }
}

/// Times of day as `22:00`.
mod clock {
    use chrono::NaiveTime;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        time: &Option<NaiveTime>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => serializer.collect_str(&time.format("%H:%M")),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<NaiveTime>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        let read = |text: String| {
            NaiveTime::parse_from_str(&text, "%H:%M")
                .map_err(|_| serde::de::Error::custom("must be a time of day, as `22:00`"))
        };
        text.map(read).transpose()
    }
}
