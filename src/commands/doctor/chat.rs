//! What doctor says about the chat: whether it can be told, and which messages still wait for it.

use phases::engine::failure::{CheckEvidence, CheckOutcome};

use super::{line, well};
use crate::notify::address::WebhookAddress;
use crate::notify::outbox::Outbox;
use crate::site::Site;

/// Nothing where no chat is told and nothing waits. A chat never stops a deploy, so trouble with it is a warning.
pub(super) fn ask(site: &Site) -> Option<CheckEvidence> {
    let waiting = match Outbox::of(&site.state).waiting() {
        0 => None,
        1 => Some("1 message waits to be delivered".to_owned()),
        many => Some(format!("{many} messages wait to be delivered")),
    };
    let (key, name) = (site.environment.notify.webhook_key.as_deref(), &site.environment.facts.name);
    let address = key.map(|key| WebhookAddress::from_secret(key, site.environment.secrets.get(key)));
    let (said, hint) = match (address, waiting) {
        (None, None) => return None,
        (Some(Ok(_)), None) => return Some(well("chat", "nothing waits to be delivered".to_owned())),
        (Some(Ok(_)), Some(waiting)) => (
            waiting,
            "the next run tries again; if they stay, see whether the address is still right".to_owned(),
        ),
        (Some(Err(cause)), waiting) => {
            let waiting = waiting.map_or(String::new(), |waiting| format!("; {waiting}"));
            (format!("nobody is notified: {cause}{waiting}"), "mend it in the secrets file".to_owned())
        }
        (None, Some(waiting)) => {
            (waiting, format!("`{name}.toml` has no `[notify]` any more: put it back, or forget them"))
        }
    };
    Some(line("chat", CheckOutcome::Passed, None, said, Some(hint)))
}
