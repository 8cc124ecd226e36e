//! Where an engine is, as an environment file writes it.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use url::{Host, Url};

/// Where engines listen, unless they were told otherwise.
const USUAL_SOCKET: &str = "/var/run/docker.sock";

/// Where an engine is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineAddress {
    /// A socket of this machine: `unix:///var/run/docker.sock`.
    Unix(PathBuf),
    /// A socket of another host, over SSH: `ssh://deploy@staging.example:2222`.
    Ssh(SshAddress),
}

/// A socket of another host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshAddress {
    /// Who logs in; none: whom the operator's ssh configuration says.
    pub user: Option<String>,
    /// Name, address, or a name of the operator's ssh configuration.
    pub host: String,
    /// Port; none: what the operator's ssh configuration says.
    pub port: Option<u16>,
    /// The engine's socket there.
    pub socket: PathBuf,
}

/// Why something is no address of an engine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineAddressError {
    /// No way to reach an engine begins like this.
    #[error("`{0}` is no address of an engine: it begins with `unix://` or `ssh://`")]
    Scheme(String),
    /// A socket has a whole path.
    #[error("`{0}` names no socket: `unix://` and a path from `/` on")]
    Path(String),
    /// Nothing `ssh` could go to.
    #[error("`{0}` names no host: `ssh://[user@]host[:port]`, without a password")]
    Host(String),
}

impl FromStr for EngineAddress {
    type Err = EngineAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("unix://") {
            let is_whole = Path::new(path).is_absolute();
            return is_whole
                .then(|| Self::Unix(PathBuf::from(path)))
                .ok_or_else(|| EngineAddressError::Path(text.to_owned()));
        }
        if text.starts_with("ssh://") {
            return SshAddress::read(text)
                .map(Self::Ssh)
                .ok_or_else(|| EngineAddressError::Host(text.to_owned()));
        }
        Err(EngineAddressError::Scheme(text.to_owned()))
    }
}

impl SshAddress {
    fn read(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let host = match url.host()? {
            Host::Ipv6(address) => address.to_string(),
            host => host.to_string(),
        };
        let plain = |text: &str| {
            !text.starts_with('-') && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-:".contains(c))
        };
        let user = Some(url.username()).filter(|user| !user.is_empty());
        let is_bare = url.password().is_none() && url.query().is_none() && url.fragment().is_none();
        if host.is_empty() || !plain(&host) || !user.is_none_or(plain) || !is_bare {
            return None;
        }
        let socket = match url.path() {
            "" | "/" => USUAL_SOCKET,
            path => path,
        };
        if !socket.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c)) {
            return None;
        }
        Some(Self { user: user.map(str::to_owned), host, port: url.port(), socket: PathBuf::from(socket) })
    }
}

impl std::fmt::Display for EngineAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(socket) => write!(f, "unix://{}", socket.display()),
            Self::Ssh(address) => write!(f, "{address}"),
        }
    }
}

impl std::fmt::Display for SshAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ssh://")?;
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        match self.host.contains(':') {
            true => write!(f, "[{}]", self.host)?,
            false => f.write_str(&self.host)?,
        }
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        if self.socket != Path::new(USUAL_SOCKET) {
            write!(f, "{}", self.socket.display())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written_the_same() {
        for text in [
            "unix:///var/run/docker.sock",
            "ssh://staging.example",
            "ssh://deploy@staging.example:2222",
            "ssh://deploy@[::1]:2222/run/other/docker.sock",
            "ssh://deploy@10.0.0.7",
        ] {
            assert_eq!(text.parse::<EngineAddress>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn without_a_path_it_is_the_usual_socket() {
        let EngineAddress::Ssh(address) = "ssh://staging.example/".parse().unwrap() else { panic!() };
        assert_eq!(address.socket, Path::new("/var/run/docker.sock"));
        assert_eq!((address.user, address.port), (None, None));
    }

    #[test]
    fn what_is_no_address_is_told_how_one_begins() {
        for text in ["", "/var/run/docker.sock", "tcp://127.0.0.1:2375", "UNIX:///a"] {
            assert_eq!(text.parse::<EngineAddress>(), Err(EngineAddressError::Scheme(text.to_owned())));
        }
        for text in ["unix://", "unix://docker.sock"] {
            assert_eq!(text.parse::<EngineAddress>(), Err(EngineAddressError::Path(text.to_owned())));
        }
        for text in [
            "ssh://",
            "ssh://-oProxyCommand=x",
            "ssh://-l@host",
            "ssh://a:secret@host",
            "ssh://host:99999",
            "ssh://host/a%20b",
            "ssh://host?x",
        ] {
            assert_eq!(text.parse::<EngineAddress>(), Err(EngineAddressError::Host(text.to_owned())));
        }
    }
}
