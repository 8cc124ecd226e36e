//! What the CEOs of a tenant set for all of it: zone, currency, hours, promises, thresholds, who needs a second factor.
//! Strict on the way in, field by field; whoever reads `tenants.settings` takes what cannot be read as not said.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::Transaction;
use crate::error::{ApiError, FieldError};
use crate::{notifications, response_target, working_hours};

/// What a tenant sets; null means the usual, and each has to be said: what is left out is no wish.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TenantSettings {
    /// Where its days begin and its hours are counted, as `America/Argentina/Buenos_Aires`.
    pub(crate) time_zone: String,
    /// Of its amounts, ISO 4217.
    pub(crate) currency: String,
    /// When it works: `{"mon": [["09:00", "18:00"]], …}`; a day that is not named has no hours.
    #[schema(value_type = Option<Object>)]
    #[serde(deserialize_with = "said")]
    pub(crate) working_hours: Option<Value>,
    /// Minutes in which an answer is promised: `{"default_minutes": 5, "by_source": {"REFERRAL": 60}}`.
    #[schema(value_type = Option<Object>)]
    #[serde(deserialize_with = "said")]
    pub(crate) response_target: Option<Value>,
    /// Seconds of working time after which somebody unanswered is told of: three, rising.
    #[schema(value_type = Option<Vec<i64>>)]
    #[serde(deserialize_with = "said")]
    pub(crate) unanswered_seconds: Option<Value>,
    /// Thresholds of the notification `followup`, each over its usual figure.
    #[schema(value_type = Option<Object>)]
    #[serde(deserialize_with = "said")]
    pub(crate) followup: Option<Value>,
    /// The same of `hot_lead`.
    #[schema(value_type = Option<Object>)]
    #[serde(deserialize_with = "said")]
    pub(crate) hot_lead: Option<Value>,
    /// The same of `performance_alert`.
    #[schema(value_type = Option<Object>)]
    #[serde(deserialize_with = "said")]
    pub(crate) performance_alert: Option<Value>,
    /// The same of `metric_alert`.
    #[schema(value_type = Option<Object>)]
    #[serde(deserialize_with = "said")]
    pub(crate) metric_alert: Option<Value>,
    /// `ceo`: every CEO needs a second factor.
    #[schema(value_type = Option<String>)]
    #[serde(deserialize_with = "said")]
    pub(crate) second_factor: Option<Value>,
    /// Calling code of phone numbers without one, as `54`; null: that of the zone's country.
    #[schema(value_type = Option<String>)]
    #[serde(deserialize_with = "said")]
    pub(crate) phone_country: Option<Value>,
    /// By the same names: what null stands for. Told, and not listened to.
    #[serde(default)]
    #[schema(value_type = Object, read_only)]
    usual: Value,
}

impl TenantSettings {
    /// Those of the transaction's tenant. Of a value that nobody could have set here, as it is stored.
    ///
    /// # Errors
    /// When the database did not say.
    pub(crate) async fn read(transaction: &mut Transaction) -> Result<Self, sqlx::Error> {
        let tenant_id = transaction.tenant_id();
        let (time_zone, currency, mut stored): (String, String, Value) =
            sqlx::query_as("SELECT time_zone, currency, settings FROM tenants WHERE id = $1")
                .bind(tenant_id)
                .fetch_one(transaction.db())
                .await?;
        let mut own = |name: &str| stored.get_mut(name).map(Value::take).filter(|value| !value.is_null());
        Ok(Self {
            time_zone,
            currency,
            working_hours: own("working_hours"),
            response_target: own("response_target"),
            unanswered_seconds: own("unanswered_seconds"),
            followup: own("followup"),
            hot_lead: own("hot_lead"),
            performance_alert: own("performance_alert"),
            metric_alert: own("metric_alert"),
            second_factor: own("second_factor"),
            phone_country: own("phone_country"),
            usual: Value::Null,
        })
    }

    /// Stores them and gives those that changed, by name, each before and after. Keys that are not set here stay as they
    /// are.
    ///
    /// # Errors
    /// 400 with each mistake, or when the database did not take it.
    pub(crate) async fn write(&self, transaction: &mut Transaction) -> Result<Map<String, Value>, ApiError> {
        let mistakes = self.mistakes();
        if !mistakes.is_empty() {
            return Err(ApiError::fields(mistakes));
        }
        let tenant_id = transaction.tenant_id();
        // One after the other, so that what changed is told of the row that was there.
        sqlx::query("SELECT FROM tenants WHERE id = $1 FOR NO KEY UPDATE")
            .bind(tenant_id)
            .execute(transaction.db())
            .await?;
        let (mut before, after) = (Self::read(transaction).await?.named(), self.named());
        let change = |(name, value): (&String, &Value)| {
            let old = before.remove(name).unwrap_or_default();
            (old != *value).then(|| (name.clone(), json!([old, value])))
        };
        let changed: Map<String, Value> = after.iter().filter_map(change).collect();
        if changed.is_empty() {
            return Ok(changed);
        }
        sqlx::query(
            "UPDATE tenants SET time_zone = $2, currency = $3, updated_at = now(),
                    settings = (settings - ARRAY(SELECT jsonb_object_keys($4))) || (
                      SELECT coalesce(jsonb_object_agg(key, value) FILTER (WHERE value <> 'null'), '{}') FROM jsonb_each($4))
             WHERE id = $1",
        )
        .bind(tenant_id)
        .bind(&self.time_zone)
        .bind(&self.currency)
        .bind(Value::Object(after.into_iter().filter(|(name, _)| !is_column(name)).collect()))
        .execute(transaction.db())
        .await
        .map_err(unknown_to_the_database)?;
        Ok(changed)
    }

    /// With what holds where they say nothing.
    pub(crate) fn beside_the_usual(self) -> Self {
        let mut usual = notifications::usual_thresholds();
        usual.insert("working_hours".to_owned(), working_hours::usual());
        usual.insert("response_target".to_owned(), response_target::usual());
        Self { usual: Value::Object(usual), ..self }
    }

    fn mistakes(&self) -> Vec<FieldError> {
        let zone = self.time_zone.parse::<chrono_tz::Tz>().is_err();
        let currency =
            self.currency.len() != 3 || !self.currency.bytes().all(|byte| byte.is_ascii_uppercase());
        let second_factor = self.second_factor.as_ref().is_some_and(|given| *given != json!("ceo"));
        let phone_country = self.phone_country.as_ref().is_some_and(|given| {
            !given.as_str().is_some_and(|code| {
                (1..=3).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_digit())
            })
        });
        let mut mistakes = vec![
            zone.then(|| ("time_zone", "is no time zone, as America/Argentina/Buenos_Aires".to_owned())),
            currency.then(|| ("currency", "is no currency of ISO 4217, as USD".to_owned())),
            self.working_hours.as_ref().and_then(working_hours::mistake).map(|why| ("working_hours", why)),
            self.response_target
                .as_ref()
                .and_then(response_target::mistake)
                .map(|why| ("response_target", why)),
            second_factor.then(|| ("second_factor", "must be `ceo` or null".to_owned())),
            phone_country.then(|| {
                ("phone_country", "must be a calling code of one to three digits, as `54`".to_owned())
            }),
        ];
        let thresholds = [
            ("unanswered_seconds", &self.unanswered_seconds),
            ("followup", &self.followup),
            ("hot_lead", &self.hot_lead),
            ("performance_alert", &self.performance_alert),
            ("metric_alert", &self.metric_alert),
        ];
        mistakes.extend(thresholds.map(|(name, given)| {
            given
                .as_ref()
                .and_then(|given| notifications::threshold_mistake(name, given))
                .map(|why| (name, why))
        }));
        let told = mistakes.into_iter().flatten();
        told.map(|(field, message)| FieldError { field: field.to_owned(), message }).collect()
    }

    /// Each by its name.
    fn named(&self) -> Map<String, Value> {
        let Ok(Value::Object(mut named)) = serde_json::to_value(self) else { return Map::new() };
        named.remove("usual");
        named
    }
}

/// A field that may be null and not missing.
fn said<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Option::deserialize(deserializer)
}

/// Whether it has a column of its own.
fn is_column(name: &str) -> bool {
    matches!(name, "time_zone" | "currency")
}

/// The program and the database each know zones; a name must be in both.
fn unknown_to_the_database(error: sqlx::Error) -> ApiError {
    let code = error.as_database_error().and_then(|error| error.code().map(|code| code.into_owned()));
    match code.as_deref() {
        Some("22023") => ApiError::field("time_zone", "is a time zone that the database does not know"),
        _ => error.into(),
    }
}
