//! What stories stand on: a machine of their own and a client that never retries.

pub mod client;
pub mod machine;
