//! Codes to come in without the phone: shown once, kept as digests.

use rand::Rng;
use sha2::{Digest, Sha256};

use super::tidy;

/// Codes to come in without the phone.
const RECOVERY_CODES: usize = 10;
/// Bytes of such a code.
const RECOVERY_BYTES: usize = 8;

/// Ten of them, and what is kept of each.
pub(super) fn codes() -> (Vec<String>, Vec<Vec<u8>>) {
    let codes: Vec<String> = (0..RECOVERY_CODES).map(|_| code()).collect();
    let hashes = codes.iter().map(|code| digest(&tidy(code))).collect();
    (codes, hashes)
}

/// 64 bits, in groups of four.
fn code() -> String {
    let bytes: [u8; RECOVERY_BYTES] = rand::rng().random();
    bytes.chunks(2).map(hex::encode).collect::<Vec<_>>().join("-")
}

/// What is kept of a code.
pub(super) fn digest(code: &str) -> Vec<u8> {
    Sha256::digest(code.as_bytes()).to_vec()
}
