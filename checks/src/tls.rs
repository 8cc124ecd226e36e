//! The one TLS provider of the process. Owns its installation; certificates are judged by the platform's roots.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};

/// Makes ring the provider of the process. Calling it again, or after somebody else, changes nothing.
pub fn install_tls() {
    if CryptoProvider::get_default().is_none() {
        // Losing this race means that somebody installed one, which is all that is wanted.
        let _: Result<(), Arc<CryptoProvider>> = ring::default_provider().install_default();
    }
}
