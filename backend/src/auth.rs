//! Who is asking: tokens, and what stands between a stranger and an account. Knows no route.

pub(crate) mod caller;
pub(crate) mod passwords;
pub(crate) mod second_factor;
pub(crate) mod session;
pub(crate) mod throttle;
pub(crate) mod token;

pub use caller::Caller;
pub(crate) use caller::Identity;
pub(crate) use token::Tokens;
