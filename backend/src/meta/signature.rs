//! Meta's signature: `sha256=` and the HMAC-SHA256 of the body's bytes as they came, under the application's secret.
//! Source: Meta, Graph API, Webhooks, "Validating payloads".

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// Whether `header` is the signature of `body`; takes the same time for every wrong one of the right length.
pub(super) fn is_good(secret: &SecretString, header: &str, body: &[u8]) -> bool {
    let Some(given) = header.strip_prefix("sha256=").and_then(|text| hex::decode(text).ok()) else {
        return false;
    };
    digest(secret, body).verify_slice(&given).is_ok()
}

/// The header that signs `body`.
pub(crate) fn sign(secret: &SecretString, body: &[u8]) -> String {
    format!("sha256={}", hex::encode(digest(secret, body).finalize().into_bytes()))
}

/// Proof of a call with `token` that the caller knows the application's secret (`appsecret_proof`).
pub(crate) fn proof(secret: &SecretString, token: &str) -> String {
    hex::encode(digest(secret, token.as_bytes()).finalize().into_bytes())
}

/// The digest of `bytes` under `secret`.
pub(super) fn digest(secret: &SecretString, bytes: &[u8]) -> Hmac<Sha256> {
    let mut digest = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes())
        .expect("HMAC takes a key of any length");
    digest.update(bytes);
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test case 2.
    #[test]
    fn a_signature_is_the_one_of_the_standard() {
        let secret = SecretString::from("Jefe");
        let body = b"what do ya want for nothing?";
        let known = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(sign(&secret, body), known);
        assert!(is_good(&secret, known, body));
    }

    #[test]
    fn what_is_no_signature_of_these_bytes_is_refused() {
        let secret = SecretString::from("Jefe");
        let good = sign(&secret, b"{}");
        let digits = good.trim_start_matches("sha256=").to_owned();
        let short = good[..good.len() - 2].to_owned();
        for header in ["", "sha256=", "sha256=zz", "sha1=00", &digits, &short, &format!("{good}00")] {
            assert!(!is_good(&secret, header, b"{}"), "{header}");
        }
        assert!(!is_good(&secret, &good, b"{ }"));
        assert!(!is_good(&SecretString::from("jefe"), &good, b"{}"));
    }
}
