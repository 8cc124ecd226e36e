//! Contract suites: what every platform and every ledger promises, one promise one function, to be called on
//! the real thing. The macros make a test of each, so that none can be left out.

#![expect(clippy::unwrap_used, reason = "a broken promise ends the test that calls it")]

pub mod ledger;
pub mod platform;
