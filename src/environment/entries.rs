//! What the secrets file of an environment may hold: each key of the table under the name that the environment gives
//! it, and whether the environment can do without. Knows no value.

use phases::environment::PlatformKind;

use super::keys::{self, Key};
use super::load::LoadedEnvironment;

/// Keys that a test build alone listens to.
const LEFT_OUT: [&str; 1] = ["CRM_FAULT"];

/// One key of an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name in the secrets file.
    pub name: String,
    /// Name of the key in the table that it stands for.
    pub key: &'static str,
    /// The environment cannot do without.
    pub wanted: bool,
}

impl Entry {
    /// What the table says of it.
    pub fn facts(&self) -> &'static Key {
        keys::find(self.key).expect("entries are made from the table")
    }
}

impl LoadedEnvironment {
    /// Every key that may be given, in the order of the table.
    pub fn entries(&self) -> Vec<Entry> {
        let offered = keys::KEYS.iter().filter(|key| !LEFT_OUT.contains(&key.name));
        offered.filter_map(|key| self.entry(key.name)).collect()
    }

    /// Names of keys that this environment cannot do without.
    pub fn wanted(&self) -> Vec<String> {
        self.entries().into_iter().filter(|entry| entry.wanted).map(|entry| entry.name).collect()
    }

    fn entry(&self, key: &'static str) -> Option<Entry> {
        let named = |name: Option<&str>| name.map(|name| Entry { name: name.to_owned(), key, wanted: true });
        let own_database = !self.database.embedded;
        let on_swarm = self.facts.platform == PlatformKind::Swarm;
        let wanted = match key {
            // A private PostgreSQL has DSNs of crmctl's own making.
            "POSTGRES_DSN" | "POSTGRES_MIGRATOR_DSN" if !own_database => return None,
            "POSTGRES_DSN" => return named(self.database.dsn_key.as_deref()),
            "POSTGRES_MIGRATOR_DSN" => return named(self.database.migrator_dsn_key.as_deref()),
            "LEDGER_DSN" => return named(self.ledger.dsn_key.as_deref()),
            // A chat that is not told fails no run.
            "SLACK_WEBHOOK_URL" => {
                let name = self.notify.webhook_key.clone();
                return name.map(|name| Entry { name, key, wanted: false });
            }
            "CANDIDATE_KEY" if !on_swarm => return None,
            "REGISTRY_USER" | "REGISTRY_PASSWORD" if self.hosting.registry.repository.is_none() => {
                return None;
            }
            // A registry may let everybody in.
            "REGISTRY_USER" | "REGISTRY_PASSWORD" => false,
            "POSTGRES_ADMIN_DSN" if !own_database => return None,
            // A port without a host is no cache, and a server refuses to guess.
            "REDIS_PORT" if !on_swarm => return None,
            "JWT_SECRET" | "SMOKE_PASSWORD" => own_database,
            "REDIS_HOST" | "REDIS_PASSWORD" | "FRONTEND_URL" | "BACKEND_URL" | "MACHINE_TOKEN"
            | "CANDIDATE_KEY" => on_swarm,
            _ => false,
        };
        Some(Entry { name: key.to_owned(), key, wanted })
    }
}
