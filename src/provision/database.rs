//! The CRM's own database: roles, owner, rights and extensions of `provision/roles.sql`, and the passwords of the DSNs.

use sqlx::{AssertSqlSafe, raw_sql};

use super::State;
use super::server::{self, Dsn, Found};
use crate::error::Error;
use crate::platform::process::postgres::provision::{APP, MIGRATOR};
use crate::site::{Site, database};
use crate::source::MIGRATIONS;

/// Roles, rights and extensions.
const ROLES: &str = "provision/roles.sql";

/// The DSNs of migrator and app, each of its own role.
fn dsns(site: &Site) -> Result<[Dsn; 2], Error> {
    let read = |key: &Option<String>, dsn: Result<_, String>, role: &str| {
        let key = key.as_deref().unwrap_or_default();
        let dsn = Dsn::read(key, &dsn.map_err(Error::refused)?)?;
        if dsn.role == role {
            return Ok(dsn);
        }
        Err(Error::refused(format!("`{key}` is of role `{}`, and the CRM's is `{role}`", dsn.role))
            .hint("mend the DSN: rights are given to roles of those names"))
    };
    let keys = &site.environment.database;
    let migrator = read(&keys.migrator_dsn_key, database::migrator_dsn(site), MIGRATOR)?;
    let app = read(&keys.dsn_key, database::app_dsn(site), APP)?;
    if migrator.place() != app.place() {
        let message =
            format!("the two DSNs are of different databases: {} and {}", migrator.place(), app.place());
        return Err(Error::refused(message).hint("mend them: migrator and app share one"));
    }
    Ok([migrator, app])
}

pub(super) async fn look(site: &Site) -> State {
    if site.environment.database.embedded {
        return State::There("private: every deploy sees to it".to_owned());
    }
    let dsns = match dsns(site) {
        Ok(dsns) => dsns,
        Err(error) => return wrong(error),
    };
    for dsn in &dsns {
        match server::find(&dsn.text).await {
            Found::Well => {}
            Found::Missing(said) => {
                return match server::admin(site, dsn) {
                    Ok(_) => State::Missing(format!("roles, rights and database {} ({said})", dsn.place())),
                    Err(error) => wrong(error),
                };
            }
            Found::Away(said) => {
                let hint = "look at the DSN in the secrets file and at the server".to_owned();
                return State::Wrong { said, hint };
            }
        }
    }
    State::There(format!("{} lets both roles in", dsns[0].place()))
}

fn wrong(error: Error) -> State {
    State::Wrong { said: error.message, hint: error.hint.unwrap_or_default() }
}

pub(super) async fn make(site: &Site) -> Result<String, Error> {
    let [migrator, app] = dsns(site)?;
    let admin = server::admin(site, &migrator)?;
    let file = site.root.join(MIGRATIONS).join(ROLES);
    let roles = std::fs::read_to_string(&file)
        .map_err(|error| Error::refused(format!("`{}`: {error}", file.display())))?;
    let mut connection = server::session(&admin, &admin.database).await?;
    server::create_database(&mut connection, &migrator.database).await?;
    let mut connection = server::session(&admin, &migrator.database).await?;
    let made = raw_sql(AssertSqlSafe(roles)).execute(&mut connection).await;
    made.map_err(|error| server::failed(&error))?;
    for dsn in [&migrator, &app] {
        // A password that is right already stays: the server may have a rule about old ones.
        if !matches!(server::find(&dsn.text).await, Found::Well) {
            server::set_password(&mut connection, dsn).await?;
        }
    }
    Ok(format!("{} with roles {MIGRATOR} and {APP}", migrator.place()))
}
