//! What a suite probes: an address, perhaps behind a socket. It must not know why it is probed.

use std::net::IpAddr;
use std::path::PathBuf;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use secrecy::SecretString;
use url::Url;

/// The thing that is probed.
#[derive(Debug, Clone)]
pub struct Subject {
    /// `http://…` or `https://…`; a path in it is put before every path of the suite.
    pub base_url: Url,
    /// Connections go to this socket; the address still gives the `Host` header.
    pub unix_socket: Option<PathBuf>,
    /// Connections go to this address, whatever the name service says of the host.
    pub ip: Option<IpAddr>,
    /// Sent with every request, by name.
    pub headers: Vec<(String, SecretString)>,
    /// Authorities that are trusted besides those of this machine, DER.
    pub roots: Vec<CertificateDer<'static>>,
}

impl Subject {
    /// A subject reached at its address.
    #[must_use]
    pub fn at(base_url: Url) -> Self {
        Self { base_url, unix_socket: None, ip: None, headers: Vec::new(), roots: Vec::new() }
    }

    /// A subject reached through a unix socket, whatever its address says.
    #[must_use]
    pub fn through(base_url: Url, socket: impl Into<PathBuf>) -> Self {
        Self { unix_socket: Some(socket.into()), ..Self::at(base_url) }
    }

    /// The same, with a header in every request.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: SecretString) -> Self {
        self.headers.push((name.to_owned(), value));
        self
    }

    /// The same, at an address that needs no name service.
    #[must_use]
    pub fn with_ip(mut self, ip: Option<IpAddr>) -> Self {
        self.ip = ip;
        self
    }

    /// The same, trusting the authorities of a PEM bundle too.
    #[must_use]
    pub fn with_roots(mut self, roots: Vec<CertificateDer<'static>>) -> Self {
        self.roots = roots;
        self
    }

    /// The whole address of `path` (which begins with `/` and may carry a query).
    pub(crate) fn address(&self, path: &str) -> Result<Url, url::ParseError> {
        let mut base = self.base_url.clone();
        base.set_query(None);
        base.set_fragment(None);
        Url::parse(&format!("{}{path}", base.as_str().trim_end_matches('/')))
    }
}

/// The certificates of a PEM bundle.
///
/// # Errors
/// Something in it is no certificate, or there is none.
pub fn read_roots(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let roots: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>()?;
    if roots.is_empty() { Err(PemError::NoItemsFound) } else { Ok(roots) }
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

    #[test]
    fn a_bundle_without_a_certificate_is_none() {
        for text in ["", "no certificate", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"] {
            assert!(read_roots(text.as_bytes()).is_err(), "{text}");
        }
    }
}
