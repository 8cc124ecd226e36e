//! What of the operator's secrets a release is given, and under which name. Asked by those who start a release and
//! by the fingerprint, so that a release id changes exactly when its release would.

use std::collections::BTreeMap;

use secrecy::SecretString;

use super::keys;
use super::secrets::Secrets;
use super::tables::{Database, Ledger, Notify};

/// Name under which the backend looks for its database.
const BACKEND_DSN: &str = "POSTGRES_DSN";

/// Values by the name that the backend knows. Never among them: the migrator's DSN, since that role passes
/// row-level security, the ledger's, and the chat's address.
pub fn given<'s>(
    secrets: &'s Secrets,
    database: &Database,
    ledger: &Ledger,
    notify: &Notify,
) -> BTreeMap<&'s str, &'s SecretString> {
    let named = named_keys(database, ledger);
    let own = |name: &str| named.contains(&name) || notify.is_webhook(name);
    let reaches = |name: &str| !own(name) && keys::find(name).is_none_or(|key| key.backend);
    let mut all: BTreeMap<&str, &SecretString> = secrets.iter().filter(|(name, _)| reaches(name)).collect();
    if let Some(dsn) = database.dsn_key.as_deref().and_then(|key| secrets.get(key)) {
        all.insert(BACKEND_DSN, dsn);
    }
    all
}

/// Keys of DSNs that `[database]` and `[ledger]` name.
pub fn named_keys<'t>(database: &'t Database, ledger: &'t Ledger) -> Vec<&'t str> {
    database.keys().chain(ledger.dsn_key.as_deref()).collect()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn given_of(pairs: &[(&str, &str)], keys: Option<(&str, &str)>) -> BTreeMap<String, String> {
        let mut secrets = Secrets::default();
        for (name, value) in pairs {
            secrets.or_insert(name, (*value).into());
        }
        let database = Database {
            dsn_key: keys.map(|keys| keys.0.to_owned()),
            migrator_dsn_key: keys.map(|keys| keys.1.to_owned()),
            ..Database::default()
        };
        let notify = Notify { webhook_key: Some("HOOK".to_owned()), ..Notify::default() };
        let ledger = Ledger { dsn_key: Some("MEMORY".to_owned()) };
        let all = given(&secrets, &database, &ledger, &notify);
        all.into_iter().map(|(name, value)| (name.to_owned(), value.expose_secret().to_owned())).collect()
    }

    #[test]
    fn the_migrators_dsn_never_reaches_a_release_whatever_its_key() {
        let pairs =
            [("STAGING_DSN", "app"), ("STAGING_MIGRATOR_DSN", "migrator"), ("SMOKE_PASSWORD", "smoke")];
        let all = given_of(&pairs, Some(("STAGING_DSN", "STAGING_MIGRATOR_DSN")));
        assert_eq!(all, BTreeMap::from([("POSTGRES_DSN".to_owned(), "app".to_owned())]));
        let usual = [("POSTGRES_DSN", "app"), ("POSTGRES_MIGRATOR_DSN", "migrator")];
        let all = given_of(&usual, Some(("POSTGRES_DSN", "POSTGRES_MIGRATOR_DSN")));
        assert_eq!(all.into_iter().collect::<Vec<_>>(), [("POSTGRES_DSN".to_owned(), "app".to_owned())]);
        let crossed = given_of(&[("POSTGRES_DSN", "migrator")], Some(("STAGING_DSN", "POSTGRES_DSN")));
        assert!(crossed.is_empty());
    }

    #[test]
    fn what_the_backend_may_know_beyond_the_table_is_given() {
        let all = given_of(
            &[
                ("LOGIN_WINDOW_SECONDS", "60"),
                ("REDIS_HOST", "r"),
                ("HOOK", "https://h/x"),
                ("MEMORY", "dsn"),
            ],
            None,
        );
        assert_eq!(all.into_keys().collect::<Vec<_>>(), ["LOGIN_WINDOW_SECONDS", "REDIS_HOST"]);
    }
}
