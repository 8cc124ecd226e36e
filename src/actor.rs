//! Who runs crmctl: login name and host, for the lease, the journal and the migration history.

use phases::engine::journal::Actor;

/// The current person or service.
pub fn current() -> Actor {
    let named = ["CRMCTL_ACTOR", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
    let user = named.filter(|name| !name.is_empty());
    let user = user.unwrap_or_else(|| format!("uid{}", rustix::process::getuid().as_raw()));
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    Actor { user, host }
}

/// `user@host`.
pub fn holder() -> String {
    let actor = current();
    format!("{}@{}", actor.user, actor.host)
}
