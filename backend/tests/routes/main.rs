//! Everything the server promises, on a real Postgres and, below `serve`, with the real binary. Modules
//! lie as the URLs lie.

#![expect(clippy::unwrap_used, reason = "the helpers of a test may panic like the test itself")]

mod admin_health;
mod assignment;
mod auth;
mod config;
mod conversations;
mod engine;
mod envelope;
mod fuzz;
mod harness;
mod health;
mod leads;
mod library;
mod matrix;
mod meta;
mod metrics;
mod notifications;
mod openapi;
mod page;
mod permissions;
mod realtime;
mod replicas;
mod scheduled_tasks;
mod serve;
mod tenant_settings;
