//! Who is asking: tokens, and what stands between a stranger and an account. Knows no route.

pub(crate) mod caller;
pub(crate) mod passwords;
pub(crate) mod session;
pub(crate) mod throttle;
pub(crate) mod token;

pub(crate) use caller::{Caller, Identity};
pub(crate) use token::Tokens;
