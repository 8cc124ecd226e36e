//! `crmctl supervise`: the hidden verb.
use crate::cli::SuperviseArgs;
use crate::error::{Error, Exit};
pub(super) async fn command(_: &SuperviseArgs) -> Result<Exit, Error> {
    Ok(Exit::Done)
}
