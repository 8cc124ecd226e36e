//! The schema on a real PostgreSQL: migrations and their way back, verify files, row-level security, the
//! seed, and the routes that read it. One binary, one line per module.

#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

#[path = "schema/api.rs"]
mod api;
#[path = "schema/counts.rs"]
mod counts;
#[path = "schema/database.rs"]
mod database;
#[path = "schema/fingerprint.rs"]
mod fingerprint;
#[path = "schema/isolation.rs"]
mod isolation;
#[path = "schema/meta_intake.rs"]
mod meta_intake;
#[path = "schema/meta_leads.rs"]
mod meta_leads;
#[path = "schema/migrations.rs"]
mod migrations;
#[path = "schema/notification_checks.rs"]
mod notification_checks;
#[path = "schema/notifications_count.rs"]
mod notifications_count;
#[path = "schema/rows.rs"]
mod rows;
#[path = "schema/seed.rs"]
mod seed;
#[path = "schema/sellers_overview.rs"]
mod sellers_overview;
#[path = "schema/verify.rs"]
mod verify;
