//! What a tenant has set for itself: its zone and its own thresholds. Reads one row, decides nothing.

use chrono_tz::Tz;
use serde_json::Value;

use super::Transaction;
use crate::response_target::ResponseTarget;
use crate::working_hours::WorkingHours;

/// Zone and settings of a tenant.
#[derive(Debug, Clone)]
pub(crate) struct Profile {
    /// Its days and hours are counted here.
    pub(crate) zone: Tz,
    /// What it overrides.
    pub(crate) settings: Value,
}

impl Profile {
    /// The profile of the transaction's tenant.
    ///
    /// # Errors
    /// When the database did not say.
    pub(crate) async fn read(transaction: &mut Transaction) -> Result<Self, sqlx::Error> {
        let tenant_id = transaction.tenant_id();
        let (zone, settings): (String, Value) =
            sqlx::query_as("SELECT time_zone, settings FROM tenants WHERE id = $1")
                .bind(tenant_id)
                .fetch_one(transaction.db())
                .await?;
        // The database accepts names that the zone database of this program may not have yet.
        Ok(Self { zone: zone.parse().unwrap_or(Tz::UTC), settings })
    }

    /// How soon this tenant promises an answer.
    pub(crate) fn response_target(&self) -> ResponseTarget {
        ResponseTarget::of(&self.settings, self.zone)
    }

    /// The calling code of phone numbers without one: `phone_country` of the tenant, else the country of its zone.
    pub(crate) fn calling_code(&self) -> Option<String> {
        let own = self.settings.get("phone_country").and_then(Value::as_str);
        let own = own
            .filter(|code| (1..=3).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_digit()));
        own.or_else(|| country_of(self.zone.name())).map(ToOwned::to_owned)
    }

    /// When it works.
    pub(crate) fn working_hours(&self) -> WorkingHours {
        WorkingHours::of(&self.settings, self.zone)
    }
}

/// Calling codes of the zones where teams of this CRM work. Source: ITU-T E.164, list of assigned codes.
const COUNTRIES: [(&str, &str); 30] = [
    ("America/Argentina/", "54"),
    ("America/Buenos_Aires", "54"),
    ("America/Mexico_City", "52"),
    ("America/Monterrey", "52"),
    ("America/Merida", "52"),
    ("America/Cancun", "52"),
    ("America/Tijuana", "52"),
    ("America/Hermosillo", "52"),
    ("America/Mazatlan", "52"),
    ("America/Chihuahua", "52"),
    ("America/Bogota", "57"),
    ("America/Lima", "51"),
    ("America/Santiago", "56"),
    ("America/Montevideo", "598"),
    ("America/Asuncion", "595"),
    ("America/La_Paz", "591"),
    ("America/Caracas", "58"),
    ("America/Guayaquil", "593"),
    ("America/Panama", "507"),
    ("America/Costa_Rica", "506"),
    ("America/Managua", "505"),
    ("America/Tegucigalpa", "504"),
    ("America/El_Salvador", "503"),
    ("America/Guatemala", "502"),
    ("America/Havana", "53"),
    ("America/Santo_Domingo", "1"),
    ("America/Puerto_Rico", "1"),
    ("Europe/Madrid", "34"),
    ("Atlantic/Canary", "34"),
    ("Africa/Ceuta", "34"),
];

fn country_of(zone: &str) -> Option<&'static str> {
    COUNTRIES.iter().find(|(name, _)| zone.starts_with(name)).map(|(_, code)| *code)
}
