//! The configuration fingerprint: what reaches a release, as 64 characters that tell nothing of a secret and are the
//! same for every operator. Reasons: docs/adr/0010.

use std::collections::BTreeMap;

use argon2::{Algorithm, Argon2, Params, Version};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::keys;

/// Memory of one guess in KiB, and passes over it. Source: OWASP Password Storage Cheat Sheet, Argon2id.
const COST: (u32, u32) = (19_456, 2);
/// Key where there is nothing to hide.
const PUBLIC: &[u8] = b"crmctl";

/// HMAC over `plain` (environment file) and `given` (secrets), in their order.
pub(super) fn fingerprint(plain: &[(&str, &str)], given: &BTreeMap<&str, &SecretString>) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(&key(given)).expect("HMAC takes a key of any length");
    for (name, value) in plain {
        feed(name, value, |part| mac.update(part));
    }
    for (name, value) in given {
        feed(name, value.expose_secret(), |part| mac.update(part));
    }
    hex::encode(mac.finalize().into_bytes())
}

/// The signing key, which is strong by rule. Without one: nothing secret, a public key; else one that makes every
/// guess at the secrets as dear as a guess at a well-stored password.
fn key(given: &BTreeMap<&str, &SecretString>) -> Vec<u8> {
    if let Some(key) = given.get("JWT_SECRET") {
        return key.expose_secret().as_bytes().to_vec();
    }
    let mut secrets = Vec::new();
    for (name, value) in given.iter().filter(|(name, _)| keys::find(name).is_none_or(|key| key.secret)) {
        feed(name, value.expose_secret(), |part| secrets.extend_from_slice(part));
    }
    if secrets.is_empty() { PUBLIC.to_vec() } else { stretched(&secrets) }
}

fn stretched(secrets: &[u8]) -> Vec<u8> {
    // Of any length, where Argon2 has a limit.
    let secrets = Sha256::digest(secrets);
    let (memory, passes) = COST;
    let params = Params::new(memory, passes, 1, Some(32)).expect("constants that fit");
    let mut key = vec![0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(&secrets, b"crmctl fingerprint 1", &mut key)
        .expect("lengths that Argon2 takes");
    key
}

fn feed(name: &str, value: &str, mut take: impl FnMut(&[u8])) {
    for part in [name, value] {
        take(&(part.len() as u64).to_be_bytes());
        take(part.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(given: &[(&'static str, &str)]) -> String {
        let values: Vec<SecretString> = given.iter().map(|(_, value)| (*value).into()).collect();
        let given = given.iter().map(|(name, _)| *name).zip(&values).collect();
        fingerprint(&[("url", "http://127.0.0.1:8000"), ("drain_seconds", "10")], &given)
    }

    /// What anybody can compute who knows everything but the secret.
    fn guess(key: &[u8], given: &[(&str, &str)]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        let plain = [("url", "http://127.0.0.1:8000"), ("drain_seconds", "10")];
        for (name, value) in plain.iter().chain(given) {
            feed(name, value, |part| mac.update(part));
        }
        hex::encode(mac.finalize().into_bytes())
    }

    #[test]
    fn a_weak_secret_cannot_be_tried_with_a_public_key() {
        let weak = [("REDIS_PASSWORD", "sunshine")];
        assert_ne!(of(&weak), guess(PUBLIC, &weak));
        assert_eq!(of(&weak), of(&weak), "two operators see two releases");
        assert_ne!(of(&weak), of(&[("REDIS_PASSWORD", "sunshine1")]));
    }

    #[test]
    fn the_signing_key_is_the_key_where_there_is_one() {
        let key = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
        let given = [("JWT_SECRET", key), ("REDIS_PASSWORD", "sunshine")];
        assert_eq!(of(&given), guess(key.as_bytes(), &given));
    }

    #[test]
    fn without_secrets_the_fingerprint_is_that_of_earlier_versions() {
        assert_eq!(of(&[]), guess(PUBLIC, &[]));
        let plain = [("LOG_LEVEL", "DEBUG")];
        assert_eq!(of(&plain), guess(PUBLIC, &plain));
    }
}
