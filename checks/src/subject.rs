//! What a suite probes: an address, perhaps behind a socket. It must not know why it is probed.

use std::path::PathBuf;

use url::Url;

/// The thing that is probed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// `http://…` or `https://…`; a path in it is put before every path of the suite.
    pub base_url: Url,
    /// Connections go to this socket; the address still gives the `Host` header.
    pub unix_socket: Option<PathBuf>,
}

impl Subject {
    /// A subject reached at its address.
    #[must_use]
    pub fn at(base_url: Url) -> Self {
        Self { base_url, unix_socket: None }
    }

    /// A subject reached through a unix socket, whatever its address says.
    #[must_use]
    pub fn through(base_url: Url, socket: impl Into<PathBuf>) -> Self {
        Self { base_url, unix_socket: Some(socket.into()) }
    }

    /// The whole address of `path` (which begins with `/` and may carry a query).
    pub(crate) fn address(&self, path: &str) -> Result<Url, url::ParseError> {
        let mut base = self.base_url.clone();
        base.set_query(None);
        base.set_fragment(None);
        Url::parse(&format!("{}{path}", base.as_str().trim_end_matches('/')))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_in_the_address_is_kept() {
        let subject = Subject::at(Url::parse("http://h:1/api/?x#y").unwrap());
        assert_eq!(subject.address("/a?b=1").unwrap().as_str(), "http://h:1/api/a?b=1");
        let bare = Subject::at(Url::parse("http://h:1").unwrap());
        assert_eq!(bare.address("/").unwrap().as_str(), "http://h:1/");
    }
}
