//! The process platform.
pub mod postgres;
