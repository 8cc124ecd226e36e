//! The process platform on real programs: private PostgreSQL, supervisor, switches.

mod database;
mod down;
mod load;
mod machine;
mod postgres;
mod start;
mod succession;
mod switch;
