//! The certificate authorities that a release trusts: those of the machine that builds it.

use std::path::Path;

use super::ImageError;

/// Where systems keep them: Debian, Fedora, Alpine and macOS.
const PLACES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// All of them, PEM.
pub(super) fn read() -> Result<Vec<u8>, ImageError> {
    read_first(&PLACES)
}

fn read_first(places: &[&str]) -> Result<Vec<u8>, ImageError> {
    match places.iter().find(|place| Path::new(place).is_file()) {
        Some(place) => std::fs::read(place)
            .map_err(|source| ImageError::Unreadable { path: Path::new(place).to_owned(), source }),
        None => Err(ImageError::NoAuthorities { looked: places.join(", ") }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_any_is_told_where_they_were_looked_for() {
        let error = read_first(&["/nowhere/a.crt", "/nowhere/b.pem"]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no certificate authorities on this machine: none of /nowhere/a.crt, /nowhere/b.pem is there"
        );
        assert!(error.hint().contains("ca-certificates"));
    }
}
