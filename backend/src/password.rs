//! Password hashes: how they are made, checked and what counts as too easy. Blocks for tens of
//! milliseconds: async callers run it in `spawn_blocking`. Knows no account and no throttle.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};

/// Memory of one hash, in KiB. Source: OWASP Password Storage Cheat Sheet, Argon2id (m=19 MiB, t=2, p=1).
const MEMORY_KIB: u32 = 19_456;
/// Passes over the memory.
const ITERATIONS: u32 = 2;
/// Lanes.
const LANES: u32 = 1;
/// Shortest password accepted, in characters.
pub const MIN_CHARACTERS: usize = 8;
/// Longest password accepted, in bytes: hashing must not become a way to burn time.
pub const MAX_BYTES: usize = 1024;
/// Passwords seen most often in leaks, eight characters and longer, lower case, one a line.
const COMMON: &str = include_str!("password/common.txt");

/// A valid hash, of the same cost as every other, that no password is known for. Verifying against it
/// makes an unknown account as slow as a wrong password.
pub const UNKNOWN_ACCOUNT_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$Mox3efwJQaZQuRJCl7u59A$tMYAXWdSlSNXsSkD6CfZes+FLdo9+hCKpMEXdo4C4Ss";

/// Why a password cannot be hashed or is not accepted.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PasswordError {
    /// Fewer than [`MIN_CHARACTERS`].
    #[error("the password has fewer than {MIN_CHARACTERS} characters")]
    TooShort,
    /// More than [`MAX_BYTES`].
    #[error("the password has more than {MAX_BYTES} bytes")]
    TooLong,
    /// In the list of common passwords.
    #[error("the password is one of the most used ones")]
    Common,
    /// The hash function refused its input.
    #[error("the password cannot be hashed: {0}")]
    Hash(String),
}

/// The hash of a password with a fresh random salt, as a PHC string (`$argon2id$v=19$m=19456,t=2,p=1$…`).
///
/// # Errors
/// [`PasswordError::TooLong`], or [`PasswordError::Hash`] when the system gives no random bytes.
pub fn hash(password: &str) -> Result<String, PasswordError> {
    if password.len() > MAX_BYTES {
        return Err(PasswordError::TooLong);
    }
    let hash = hasher().hash_password(password.as_bytes());
    hash.map(|hash| hash.to_string()).map_err(|error| PasswordError::Hash(error.to_string()))
}

/// Whether a password belongs to a PHC string. False for a string that is no Argon2 hash.
#[must_use]
pub fn verify(password: &str, phc: &str) -> bool {
    if password.len() > MAX_BYTES {
        return false;
    }
    PasswordHash::new(phc).is_ok_and(|parsed| hasher().verify_password(password.as_bytes(), &parsed).is_ok())
}

/// Whether a password is good enough to be chosen.
///
/// # Errors
/// The first rule it breaks. Source: OWASP ASVS 5, 6.2 (length and common ones; no rules on composition).
pub fn check_strength(password: &str) -> Result<(), PasswordError> {
    if password.chars().count() < MIN_CHARACTERS {
        return Err(PasswordError::TooShort);
    }
    if password.len() > MAX_BYTES {
        return Err(PasswordError::TooLong);
    }
    let lower = password.to_lowercase();
    if COMMON.lines().any(|common| common == lower) {
        return Err(PasswordError::Common);
    }
    Ok(())
}

fn hasher() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, ITERATIONS, LANES, None)
        .expect("the constants are within the bounds of Argon2");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_names_its_cost_and_verifies() {
        let phc = hash("una clave larga").unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
        assert!(verify("una clave larga", &phc));
        assert!(!verify("otra clave larga", &phc));
    }

    #[test]
    fn same_password_hashes_differently() {
        assert_ne!(hash("una clave larga").unwrap(), hash("una clave larga").unwrap());
    }

    #[test]
    fn unknown_account_costs_the_same_and_has_no_password() {
        let known = hash("x").unwrap();
        let parameters = |phc: &str| phc.split('$').take(4).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(parameters(UNKNOWN_ACCOUNT_HASH), parameters(&known));
        assert!(PasswordHash::new(UNKNOWN_ACCOUNT_HASH).is_ok());
        assert!(!verify("", UNKNOWN_ACCOUNT_HASH));
        assert!(!verify("test123", UNKNOWN_ACCOUNT_HASH));
    }

    #[test]
    fn broken_hash_verifies_nothing() {
        for phc in ["", "test123", "$argon2id$", "$2b$12$abcdefghijklmnopqrstuv"] {
            assert!(!verify("test123", phc), "{phc}");
        }
    }

    #[test]
    fn weak_passwords_are_named() {
        assert_eq!(check_strength("test123"), Err(PasswordError::TooShort));
        assert_eq!(check_strength("ñandúes"), Err(PasswordError::TooShort));
        assert_eq!(check_strength("Password1"), Err(PasswordError::Common));
        assert_eq!(check_strength(&"a".repeat(MAX_BYTES + 1)), Err(PasswordError::TooLong));
        assert_eq!(hash(&"a".repeat(MAX_BYTES + 1)), Err(PasswordError::TooLong));
        assert_eq!(check_strength(&"correcto caballo ".repeat(4)), Ok(()));
    }
}
