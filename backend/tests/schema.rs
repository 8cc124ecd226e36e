//! The schema on a real PostgreSQL: migrations and their way back, verify files, row-level security, the
//! seed. One binary, one line per module.

#[path = "schema/counts.rs"]
mod counts;
#[path = "schema/database.rs"]
mod database;
#[path = "schema/fingerprint.rs"]
mod fingerprint;
#[path = "schema/isolation.rs"]
mod isolation;
#[path = "schema/migrations.rs"]
mod migrations;
#[path = "schema/rows.rs"]
mod rows;
#[path = "schema/seed.rs"]
mod seed;
#[path = "schema/verify.rs"]
mod verify;
