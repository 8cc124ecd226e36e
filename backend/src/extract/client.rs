//! Where a request comes from. `X-Forwarded-For` counts only when a trusted proxy sent it.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::request::Parts;

use crate::settings::Network;
use crate::state::AppState;

/// The other end of the connection; a unix socket counts as this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PeerAddress(pub(crate) IpAddr);

/// The address of the client, behind trusted proxies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClientAddress(pub(crate) IpAddr);

impl FromRequestParts<AppState> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Infallible> {
        let known = parts.extensions.get::<PeerAddress>().map(|peer| peer.0);
        // Served by somebody else, as `axum::serve` does it.
        let told = || parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        let Some(peer) = known.or_else(told) else {
            // Nobody knows who it is, so nothing that it says about itself counts.
            return Ok(Self(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        };
        Ok(Self(client(peer, &parts.headers, &state.settings().trusted_proxies)))
    }
}

/// The first address from the right that is no trusted proxy: what stands left of it may be invented.
fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_trusted(peer) {
        return peer;
    }
    let hops = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let hops: Vec<&str> = hops.flat_map(|value| value.split(',')).map(str::trim).collect();
    let mut nearest = peer;
    for hop in hops.iter().rev() {
        let Ok(address) = hop.parse() else { break };
        nearest = address;
        if !is_trusted(address) {
            break;
        }
    }
    nearest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, forwarded: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", forwarded.parse().unwrap());
        client(peer.parse().unwrap(), &headers, &["10.0.0.0/8".parse().unwrap()]).to_string()
    }

    #[test]
    fn a_stranger_cannot_forward() {
        assert_eq!(seen("203.0.113.9", "198.51.100.1"), "203.0.113.9");
    }

    #[test]
    fn the_nearest_untrusted_hop_counts() {
        assert_eq!(seen("10.0.0.1", "1.1.1.1, 198.51.100.1, 10.0.0.2"), "198.51.100.1");
    }

    #[test]
    fn nonsense_in_the_chain_ends_it() {
        assert_eq!(seen("10.0.0.1", "1.1.1.1, nonsense"), "10.0.0.1");
    }
}
