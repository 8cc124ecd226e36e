//! The seed's rows, and rows in the tables that the seed leaves empty: every tenant table has some of
//! both tenants.

use chrono::{DateTime, Utc};
use crm_backend::seed::{SeedOptions, SeedReport, seed};
use sqlx::{PgConnection, PgPool};

use crate::database::{TestDatabase, run};

/// The seed as `local` runs it, told from a fixed moment.
pub(crate) fn options() -> SeedOptions {
    SeedOptions { allow_weak_password: true, now: Some(noon()), ..SeedOptions::new("test123".into()) }
}

/// Noon in Buenos Aires.
pub(crate) fn noon() -> DateTime<Utc> {
    DateTime::parse_from_rfc3339("2026-11-24T15:00:00Z").unwrap().with_timezone(&Utc)
}

pub(crate) async fn seeded(database: &TestDatabase) -> (PgPool, SeedReport) {
    let pool = database.pool("crm_migrator").await;
    let report = seed(&pool, options()).await.unwrap();
    (pool, report)
}

/// Two tenants with one row at least in every tenant table, without the seed.
pub(crate) async fn fill(db: &mut PgConnection) {
    run(db, TENANTS).await.unwrap();
    rest(db).await;
}

/// Rows in the tables that stay empty otherwise.
pub(crate) async fn rest(db: &mut PgConnection) {
    run(db, REST).await.unwrap();
}

const TENANTS: &str = "
INSERT INTO tenants (id, name) VALUES (1, 'Uno'), (2, 'Dos');
INSERT INTO users (tenant_id, email, password_hash, role, status, first_name)
  SELECT t, 'closer' || t || '@example.com', '$argon2id$x', 'closer', 'active', 'Ana' FROM generate_series(1, 2) t;
INSERT INTO leads (tenant_id, first_name, assigned_seller_id) SELECT tenant_id, 'Eva', id FROM users;
INSERT INTO leads (tenant_id, first_name) SELECT tenant_id, 'Leo' FROM users;
INSERT INTO owner_history (tenant_id, lead_id, to_seller_id) SELECT tenant_id, id, assigned_seller_id FROM leads WHERE assigned_seller_id IS NOT NULL;
INSERT INTO conversations (tenant_id, lead_id, channel) SELECT tenant_id, id, 'whatsapp' FROM leads;
INSERT INTO messages (tenant_id, conversation_id, direction, author, body) SELECT tenant_id, id, 'inbound', 'lead', 'Hola' FROM conversations;
INSERT INTO lead_submissions (tenant_id, lead_id, leadgen_id, raw, submitted_at) SELECT tenant_id, id, id::text, '{}', now() FROM leads;
INSERT INTO meta_pages (tenant_id, page_id) SELECT t, 'page' || t FROM generate_series(1, 2) t;
INSERT INTO assignment_rules (tenant_id, name, priority, strategy) SELECT t, 'turnos', 1, 'round_robin' FROM generate_series(1, 2) t;
INSERT INTO assignment_log (tenant_id, lead_id, to_seller_id, reason) SELECT tenant_id, id, assigned_seller_id, 'manual' FROM leads WHERE assigned_seller_id IS NOT NULL;
INSERT INTO lead_status_history (tenant_id, lead_id, to_status) SELECT tenant_id, id, 'new' FROM leads;
INSERT INTO notifications (tenant_id, recipient_id, type, priority, dedupe_key, text_key)
  SELECT tenant_id, id, 'followup', 'low', 'k', 'notification.followup' FROM users;
";

const REST: &str = "
INSERT INTO sessions (tenant_id, user_id, expires_at) SELECT tenant_id, id, now() + interval '1 day' FROM users;
INSERT INTO refresh_tokens (tenant_id, session_id, token_hash, expires_at) SELECT tenant_id, id, sha256(id::text::bytea), now() + interval '1 day' FROM sessions;
INSERT INTO audit_log (tenant_id, actor_id, action) SELECT tenant_id, id, 'login' FROM users;
INSERT INTO outbox (tenant_id, event) SELECT id, 'new_notification' FROM tenants;
INSERT INTO meta_forms (tenant_id, page_id, form_id, watermark) SELECT tenant_id, page_id, 'form', now() FROM meta_pages;
INSERT INTO meta_lead_inbox (tenant_id, leadgen_id, page_id, change) SELECT id, 'leadgen' || id, 'page', '{}' FROM tenants;
INSERT INTO seller_events (tenant_id, lead_id, kind, natural_key, occurred_at) SELECT tenant_id, id, 'lead', id::text, now() FROM leads;
INSERT INTO seller_metrics_hourly (tenant_id, seller_id, metric, hour) SELECT tenant_id, id, 'messages_sent', date_trunc('hour', now()) FROM users;
INSERT INTO seller_metrics_daily (tenant_id, seller_id, metric, day) SELECT tenant_id, id, 'messages_sent', current_date FROM users;
INSERT INTO metrics_state (tenant_id, metrics_version, time_zone) SELECT id, 2, time_zone FROM tenants;
INSERT INTO conversation_history (tenant_id, conversation_id, kind) SELECT tenant_id, id, 'closed' FROM conversations;
INSERT INTO conversation_reads (tenant_id, conversation_id, user_id, read_up_to)
  SELECT c.tenant_id, c.id, u.id, 1 FROM conversations c JOIN users u ON u.tenant_id = c.tenant_id;
INSERT INTO second_factors (tenant_id, user_id, secret) SELECT tenant_id, id, substring(sha256(id::text::bytea) FOR 20) FROM users;
INSERT INTO notification_settings (tenant_id, user_id) SELECT tenant_id, id FROM users;
";

/// The seed told from now, for routes that go by the clock.
pub(crate) async fn seeded_now(database: &TestDatabase) -> PgPool {
    let pool = database.pool("crm_migrator").await;
    seed(&pool, SeedOptions { now: None, ..options() }).await.unwrap();
    pool
}
