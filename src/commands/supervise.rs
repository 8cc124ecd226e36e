//! `crmctl supervise`: the hidden verb that crmctl starts itself with.

use crate::error::{Error, Exit, chain};
use crate::supervisor::{SuperviseOptions, supervise};

/// Runs until the environment is taken down.
///
/// # Errors
/// Another supervisor runs, the port is taken, or the state cannot be used.
pub(super) async fn command(options: SuperviseOptions) -> Result<Exit, Error> {
    supervise(options).await.map(|()| Exit::Done).map_err(|error| {
        let hint = error.hint();
        let refused = Error::refused(chain(&error));
        match hint {
            Some(hint) => refused.hint(hint),
            None => refused,
        }
    })
}
