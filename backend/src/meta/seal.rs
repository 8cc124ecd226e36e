//! Page tokens at rest: AES-256-GCM under a key derived from the application's secret, bound to tenant and page, so
//! that a sealed token copied to another row opens nothing. Changing the application's secret makes every page be
//! connected again.
//!
//! Shape of a sealed token: version (1 byte), nonce (12), ciphertext with tag.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use secrecy::{ExposeSecret, SecretString};

use super::signature;
use hmac::Mac;

const VERSION: u8 = 1;
/// What the key is for; part of its derivation.
const PURPOSE: &[u8] = b"crm page token v1";

/// Seals and opens tokens.
pub(super) struct Seal(LessSafeKey);

impl std::fmt::Debug for Seal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Seal(hidden)")
    }
}

impl Seal {
    /// Under the key of `app_secret`.
    pub(super) fn of(app_secret: &SecretString) -> Self {
        let key = signature::digest(app_secret, PURPOSE).finalize().into_bytes();
        let key = UnboundKey::new(&AES_256_GCM, &key).expect("a digest of 32 bytes is a key of 32 bytes");
        Self(LessSafeKey::new(key))
    }

    /// The token of a page as it may rest.
    pub(super) fn close(&self, tenant_id: i32, page_id: &str, token: &SecretString) -> Vec<u8> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).expect("the system gives random bytes");
        let mut text = token.expose_secret().as_bytes().to_vec();
        self.0
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(place(tenant_id, page_id)),
                &mut text,
            )
            .expect("a token is far shorter than what one nonce may seal");
        [&[VERSION], nonce.as_slice(), &text].concat()
    }

    /// The token again; none when it was sealed under another secret or for another page.
    pub(super) fn open(&self, tenant_id: i32, page_id: &str, sealed: &[u8]) -> Option<SecretString> {
        let (version, rest) = sealed.split_first()?;
        let (nonce, text) = rest.split_at_checked(NONCE_LEN)?;
        if *version != VERSION {
            return None;
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = text.to_vec();
        let open = self.0.open_in_place(nonce, Aad::from(place(tenant_id, page_id)), &mut text).ok()?;
        String::from_utf8(open.to_vec()).ok().map(SecretString::from)
    }
}

/// What a sealed token is bound to.
fn place(tenant_id: i32, page_id: &str) -> Vec<u8> {
    format!("{tenant_id}/{page_id}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_opens_only_where_it_belongs() {
        let seal = Seal::of(&"5f1d0c9b8a7e6d5c".into());
        let sealed = seal.close(1, "100", &"EAAB-token".into());
        assert_eq!(seal.open(1, "100", &sealed).unwrap().expose_secret(), "EAAB-token");
        assert!(!sealed.windows(5).any(|part| part == b"token"));
        assert_ne!(sealed, seal.close(1, "100", &"EAAB-token".into()), "each has a nonce of its own");
        assert!(seal.open(2, "100", &sealed).is_none());
        assert!(seal.open(1, "101", &sealed).is_none());
        assert!(Seal::of(&"another secret here".into()).open(1, "100", &sealed).is_none());
        for broken in [&sealed[..5], &[], &[2; 40], &[1; 40]] {
            assert!(seal.open(1, "100", broken).is_none());
        }
    }
}
