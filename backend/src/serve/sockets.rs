//! Where the sockets come from: handed over by whoever started us (`LISTEN_FDS`, as systemd does it), or
//! bound here. Accepts nothing.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixListener;

use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};
use rustix::net::{AddressFamily, sockopt};

/// The first descriptor that is handed over (sd_listen_fds(3)).
const FIRST_FD: RawFd = 3;
/// More than this is a mistake.
const MOST_FDS: usize = 16;

/// The public socket, and who else holds it.
#[derive(Debug)]
pub enum Public {
    /// Nobody else answers on it: it is served through the drain.
    Own(TcpListener),
    /// A supervisor holds it too and lets another release answer: it is left at once.
    HandedOver(TcpListener),
}

impl Public {
    /// Another descriptor of the same socket.
    ///
    /// # Errors
    /// When the system has none left.
    pub fn duplicate(&self) -> io::Result<TcpListener> {
        match self {
            Self::Own(listener) | Self::HandedOver(listener) => listener.try_clone(),
        }
    }
}

/// The sockets of one server.
#[derive(Debug)]
pub struct Sockets {
    /// Where clients come.
    pub public: Public,
    /// Where the supervisor's checks come, in every stage.
    pub private: Option<UnixListener>,
    /// Where the supervisor commands; with it the server begins in standby.
    pub control: Option<UnixListener>,
}

/// Why there are no sockets.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// `LISTEN_…` says something else than what is there.
    #[error("the sockets handed over cannot be used: {0}")]
    HandedOver(String),
    /// The address is taken or not ours.
    #[error("`{address}` cannot be listened on")]
    Bind {
        /// From `BIND`.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl SocketError {
    /// What to do next.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::HandedOver(_) => Some("unset `LISTEN_FDS` to listen on `BIND`".to_owned()),
            Self::Bind { address, .. } => {
                Some(format!("find who holds port {} with `ss -ltnp`, or set `BIND`", address.port()))
            }
        }
    }
}

/// The names and number of handed-over descriptors, as the environment says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Handover {
    names: Vec<String>,
}

impl Handover {
    /// Reads `LISTEN_FDS`, `LISTEN_FDNAMES` and `LISTEN_PID`, the last of which may be absent.
    ///
    /// # Errors
    /// When they contradict themselves. Meant for another process is no mistake: there is nothing then.
    pub fn read(variable: impl Fn(&str) -> Option<String>, pid: u32) -> Result<Self, SocketError> {
        let Some(count) = variable("LISTEN_FDS") else { return Ok(Self::default()) };
        let wrong = |text: String| Err(SocketError::HandedOver(text));
        if variable("LISTEN_PID").is_some_and(|meant| meant != pid.to_string()) {
            return Ok(Self::default());
        }
        let count = match count.parse::<usize>() {
            Ok(count) if count <= MOST_FDS => count,
            _ => return wrong(format!("`LISTEN_FDS` is `{count}`, not a number up to {MOST_FDS}")),
        };
        let names: Vec<String> = match variable("LISTEN_FDNAMES") {
            Some(names) => names.split(':').map(ToOwned::to_owned).collect(),
            None => vec![String::new(); count],
        };
        if names.len() != count && count > 0 {
            return wrong(format!("`LISTEN_FDS` is {count}, but `LISTEN_FDNAMES` has {} names", names.len()));
        }
        Ok(Self { names })
    }

    /// Whether nothing was handed over.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

impl Sockets {
    /// A new socket on `address`.
    ///
    /// # Errors
    /// [`SocketError::Bind`].
    pub fn bind(address: SocketAddr) -> Result<Self, SocketError> {
        let bound = listen(address).map_err(|source| SocketError::Bind { address, source })?;
        Ok(Self { public: Public::Own(bound), private: None, control: None })
    }

    /// The sockets that were handed over; none when nothing was.
    ///
    /// Call it once, before anything else opens a descriptor.
    ///
    /// # Errors
    /// [`SocketError::HandedOver`].
    pub fn adopt(handover: &Handover) -> Result<Option<Self>, SocketError> {
        if handover.is_empty() {
            return Ok(None);
        }
        let mut named = adopt(&handover.names)?;
        // One plain descriptor has whatever name its unit has.
        let single = (named.len() == 1).then(|| named.pop_first()).flatten().map(|(_, fd)| fd);
        let public = match single.or_else(|| named.remove("public")) {
            Some(fd) => tcp(fd)?,
            None => return Err(SocketError::HandedOver("none is named `public`".to_owned())),
        };
        let mut unix_named = |name: &str| named.remove(name).map(|fd| unix(name, fd)).transpose();
        let (private, control) = (unix_named("private")?, unix_named("control")?);
        if let Some(name) = named.keys().next() {
            return Err(SocketError::HandedOver(format!("nobody here knows one named `{name}`")));
        }
        let public = if control.is_some() { Public::HandedOver(public) } else { Public::Own(public) };
        Ok(Some(Self { public, private, control }))
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Takes the descriptors over and keeps them from children.
fn adopt(names: &[String]) -> Result<BTreeMap<String, OwnedFd>, SocketError> {
    let mut adopted = BTreeMap::new();
    for (raw, name) in (FIRST_FD..).zip(names) {
        #[expect(unsafe_code, reason = "a number in the environment is how descriptors are handed over")]
        // SAFETY: whoever started us says that `raw` is ours, and nobody here took it before: this runs
        // once, first of all. That it is open is checked in the next step, before any other use.
        let fd = unsafe { OwnedFd::from_raw_fd(raw) };
        let kept = fcntl_getfd(&fd).and_then(|flags| fcntl_setfd(&fd, flags | FdFlags::CLOEXEC));
        if let Err(error) = kept {
            // It was never open: closing it on drop would be wrong.
            std::mem::forget(fd);
            return Err(SocketError::HandedOver(format!("descriptor {raw} (`{name}`): {error}")));
        }
        if adopted.insert(name.clone(), fd).is_some() {
            return Err(SocketError::HandedOver(format!("two are named `{name}`")));
        }
    }
    Ok(adopted)
}

fn tcp(fd: OwnedFd) -> Result<TcpListener, SocketError> {
    check("public", &fd, &[AddressFamily::INET, AddressFamily::INET6])?;
    let listener = TcpListener::from(fd);
    nonblocking("public", listener.set_nonblocking(true)).map(|()| listener)
}

fn unix(name: &str, fd: OwnedFd) -> Result<UnixListener, SocketError> {
    check(name, &fd, &[AddressFamily::UNIX])?;
    let listener = UnixListener::from(fd);
    nonblocking(name, listener.set_nonblocking(true)).map(|()| listener)
}

fn check(name: &str, fd: &OwnedFd, families: &[AddressFamily]) -> Result<(), SocketError> {
    let wrong = |text: &str| SocketError::HandedOver(format!("`{name}` {text}"));
    let family = sockopt::socket_domain(fd).map_err(|_| wrong("is no socket"))?;
    if !families.contains(&family) {
        return Err(wrong("is a socket of another kind"));
    }
    match sockopt::socket_acceptconn(fd) {
        Ok(true) => Ok(()),
        _ => Err(wrong("does not listen")),
    }
}

fn nonblocking(name: &str, set: io::Result<()>) -> Result<(), SocketError> {
    set.map_err(|error| SocketError::HandedOver(format!("`{name}`: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Handover, SocketError> {
        let variable =
            |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Handover::read(variable, 42)
    }

    #[test]
    fn without_variables_there_is_nothing() {
        assert!(read(&[]).unwrap().is_empty());
        assert!(read(&[("LISTEN_FDS", "0")]).unwrap().is_empty());
    }

    #[test]
    fn another_process_is_not_us() {
        let pairs = [("LISTEN_FDS", "1"), ("LISTEN_PID", "41")];
        assert!(read(&pairs).unwrap().is_empty());
        assert!(!read(&[("LISTEN_FDS", "1"), ("LISTEN_PID", "42")]).unwrap().is_empty());
    }

    #[test]
    fn contradictions_are_refused() {
        for pairs in [
            [("LISTEN_FDS", "two"), ("LISTEN_FDNAMES", "a:b")],
            [("LISTEN_FDS", "3"), ("LISTEN_FDNAMES", "public:private")],
            [("LISTEN_FDS", "999"), ("LISTEN_FDNAMES", "public")],
        ] {
            let error = read(&pairs).unwrap_err();
            assert!(error.hint().is_some(), "{error}");
        }
    }
}
