//! What an environment stands on and no deploy makes: a swarm, roles and databases, a cache, an edge. Each thing is looked at
//! first; what is there is not touched.

mod database;
mod edge;
mod ledger;
mod redis;
mod server;
mod swarm;

use crate::error::Error;
use crate::platform::AnyPlatform;
use crate::platform::swarm::SwarmPlatform;
use crate::site::Site;

/// One thing, in the order in which they are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thing {
    /// The engine is a manager of a swarm.
    Swarm,
    /// The CRM's roles, database, rights and extensions.
    Database,
    /// The shared ledger's role and database.
    Ledger,
    /// The cache: only looked at.
    Redis,
    /// Network and edge.
    Edge,
}

/// How a thing is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// As it should be.
    There(String),
    /// Missing, and this would be made.
    Missing(String),
    /// Wrong in a way that a person has to mend.
    Wrong {
        /// What was found.
        said: String,
        /// What to do.
        hint: String,
    },
}

impl Thing {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Swarm, Self::Database, Self::Ledger, Self::Redis, Self::Edge];

    /// Its name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Swarm => "swarm",
            Self::Database => "database",
            Self::Ledger => "ledger",
            Self::Redis => "redis",
            Self::Edge => "edge",
        }
    }

    /// Looks. Changes nothing.
    pub async fn look(self, site: &Site) -> State {
        match (self, &site.platform) {
            (Self::Swarm, AnyPlatform::Swarm(platform)) => swarm::look(platform).await,
            (Self::Edge, AnyPlatform::Swarm(platform)) => edge::look(platform).await,
            (Self::Swarm | Self::Edge, AnyPlatform::Process(_)) => {
                State::There("not needed: processes of this machine".to_owned())
            }
            (Self::Database, _) => database::look(site).await,
            (Self::Ledger, _) => ledger::look(site).await,
            (Self::Redis, _) => redis::look(site).await,
        }
    }

    /// Makes it; gives what was made.
    ///
    /// # Errors
    /// It cannot be made.
    pub async fn make(self, site: &Site) -> Result<String, Error> {
        match self {
            Self::Swarm => swarm::make(on_swarm(site)?).await,
            Self::Edge => edge::make(site, on_swarm(site)?).await,
            Self::Database => database::make(site).await,
            Self::Ledger => ledger::make(site).await,
            Self::Redis => Err(Error::refused("crmctl makes no cache server: it only looks at one")),
        }
    }
}

fn on_swarm(site: &Site) -> Result<&SwarmPlatform, Error> {
    match &site.platform {
        AnyPlatform::Swarm(platform) => Ok(platform),
        AnyPlatform::Process(_) => Err(Error::refused("processes of this machine need none")),
    }
}
