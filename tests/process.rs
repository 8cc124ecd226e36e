//! The process platform on real programs: private PostgreSQL, supervisor, switches.

mod machine;
mod postgres;
