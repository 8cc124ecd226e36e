//! Codes against the vectors of the standard, and codes as people type them.

use super::*;

fn factor(last_step: i64) -> Factor {
    let secret = Some(b"12345678901234567890".to_vec());
    Factor { secret, confirmed: true, last_step, recovery_left: 0, asked_of_ceos: true }
}

fn code(steps_from_now: i64) -> (i64, String) {
    let step = Utc::now().timestamp() / 30 + steps_from_now;
    let totp = totp(b"12345678901234567890", "").unwrap();
    (step, totp.generate(u64::try_from(step).unwrap() * 30))
}

/// RFC 6238, appendix B: the last six digits of the SHA-1 vectors.
#[test]
fn codes_are_those_of_the_standard() {
    let totp = totp(b"12345678901234567890", "").unwrap();
    for (at, code) in [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")] {
        assert_eq!(totp.generate(at), code);
    }
}

#[test]
fn a_code_is_taken_around_its_time_and_once() {
    for near in [-1, 0] {
        let (step, code) = code(near);
        assert_eq!(factor(0).step_of(&code).unwrap(), Some(step));
        assert_eq!(factor(step).step_of(&code).unwrap(), None, "used");
    }
    for far in [-4, 4] {
        assert_eq!(factor(0).step_of(&code(far).1).unwrap(), None);
    }
    for wrong in ["", "12345", "0000000", "abcdef"] {
        assert_eq!(factor(0).step_of(wrong).unwrap(), None, "{wrong}");
    }
}

#[test]
fn recovery_codes_can_be_typed_with_and_without_dashes() {
    let code = recovery::codes().0.remove(0);
    assert_eq!(code.len(), 19, "{code}");
    assert_eq!(tidy(&code), tidy(&code.replace('-', " ").to_uppercase()));
    assert_ne!(recovery::codes().0.remove(0), code);
    assert_eq!(tidy(&"9".repeat(500)).len(), LONGEST_CODE);
}

#[test]
fn the_app_is_told_whose_it_is() {
    let Secret { secret, uri } = shown(&[7; 20], "ana@example.com").unwrap();
    assert_eq!(secret.len(), 32);
    assert!(uri.starts_with("otpauth://totp/CRM:ana%40example.com?secret="), "{uri}");
    assert!(uri.contains("issuer=CRM"), "{uri}");
}
