//! `/auth/…`

mod login;
mod logout;
mod me;
mod refresh;
mod second_factor;
mod sessions;
mod tokens;
