//! Addresses in settings: origins, networks, URLs, the database. Resolves no name.

use std::net::IpAddr;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;
use url::Url;

use super::Source;

/// A block of addresses, `10.0.0.0/8` or a single one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    base: u128,
    prefix: u8,
}

impl Network {
    /// Whether `address` lies in this block. IPv4 and its IPv6-mapped form are one.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let shift = 128 - u32::from(self.prefix);
        let cut = |bits: u128| bits.checked_shr(shift).unwrap_or(0);
        cut(bits(address)) == cut(self.base)
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().map_err(|_| format!("holds `{text}`, which is no address"))?;
        let (longest, offset) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
        let prefix = prefix.map_or(Ok(longest), str::parse::<u8>);
        match prefix {
            Ok(prefix) if prefix <= longest => Ok(Self { base: bits(address), prefix: prefix + offset }),
            _ => Err(format!("holds `{text}`, whose prefix is not 0 to {longest}")),
        }
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// The proxies of `TRUSTED_PROXIES`.
pub(super) fn networks(from: &mut Source) -> Vec<Network> {
    let mut networks = Vec::new();
    for part in from.list("TRUSTED_PROXIES") {
        match part.parse() {
            Ok(network) => networks.push(network),
            Err(problem) => from.mistake("TRUSTED_PROXIES", problem),
        }
    }
    networks
}

/// The origins of `CORS_ORIGINS`, and the page of `FRONTEND_URL`.
pub(super) fn origins(from: &mut Source) -> Vec<String> {
    let mut origins = Vec::new();
    for name in ["CORS_ORIGINS", "FRONTEND_URL"] {
        for part in from.list(name) {
            match origin(&part) {
                Ok(origin) if origins.contains(&origin) => {}
                Ok(origin) => origins.push(origin),
                Err(problem) => from.mistake(name, problem),
            }
        }
    }
    origins
}

fn origin(text: &str) -> Result<String, String> {
    let url = http_url(text)?;
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err(format!("holds `{text}`, but an origin has no path"));
    }
    Ok(url.origin().ascii_serialization())
}

/// An `http` or `https` address without credentials.
pub(super) fn http_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("holds `{text}`: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("holds `{text}`, which is neither http nor https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds credentials, which do not belong there".to_owned());
    }
    Ok(url)
}

/// How to reach Postgres. Its `Debug` hides everything, since a password is inside.
#[derive(Clone)]
pub struct Dsn(pub(crate) PgConnectOptions);

impl std::fmt::Debug for Dsn {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Dsn(hidden)")
    }
}

/// A Postgres connection; its text is secret, so no message repeats it.
pub(super) fn postgres(text: &str) -> Result<Dsn, String> {
    if !(text.starts_with("postgres://") || text.starts_with("postgresql://")) {
        return Err("must start with `postgresql://`".to_owned());
    }
    let options = text.parse().map(Dsn);
    options.map_err(|_| "is no valid `postgresql://user:password@host:port/database`".to_owned())
}
