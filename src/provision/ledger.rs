//! Role and database of the ledger that operators share; its tables are made by who opens it first.

use super::State;
use super::server::{self, Dsn, Found};
use crate::error::Error;
use crate::site::Site;

fn dsn(site: &Site) -> Option<Result<Dsn, Error>> {
    let key = site.environment.ledger.dsn_key.as_deref()?;
    Some((|| {
        site.environment.require_secrets()?;
        let text = site.environment.secrets.get(key);
        Dsn::read(key, text.ok_or_else(|| Error::refused(format!("`{key}` is missing")))?)
    })())
}

pub(super) async fn look(site: &Site) -> State {
    let dsn = match dsn(site) {
        None => return State::There("files in the state directory of this machine".to_owned()),
        Some(Ok(dsn)) => dsn,
        Some(Err(error)) => {
            return State::Wrong { said: error.message, hint: error.hint.unwrap_or_default() };
        }
    };
    match server::find(&dsn.text).await {
        Found::Well => State::There(format!("{} lets us in", dsn.place())),
        Found::Missing(said) => match server::admin(site, &dsn) {
            Ok(_) => State::Missing(format!("role `{}` and database {} ({said})", dsn.role, dsn.place())),
            Err(error) => State::Wrong { said: error.message, hint: error.hint.unwrap_or_default() },
        },
        Found::Away(said) => {
            State::Wrong { said, hint: "look at the DSN in the secrets file and at the server".to_owned() }
        }
    }
}

pub(super) async fn make(site: &Site) -> Result<String, Error> {
    let dsn = dsn(site).ok_or_else(|| Error::refused("the environment shares no ledger"))??;
    let admin = server::admin(site, &dsn)?;
    let mut connection = server::session(&admin, &admin.database).await?;
    server::create_role(&mut connection, &dsn.role).await?;
    server::set_password(&mut connection, &dsn).await?;
    server::create_database(&mut connection, &dsn.database).await?;
    server::give_database(&mut connection, &dsn).await?;
    Ok(format!("{} of role `{}`", dsn.place(), dsn.role))
}
