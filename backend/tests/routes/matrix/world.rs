//! Two tenants with people who are logged in, and things of each kind made as they are needed.

use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::PEOPLE;
use super::document::Kind;
use crate::harness::{Person, TestApp};

/// Whose a thing is, seen by who asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    Own,
    /// Of the same tenant, and nobody's: in the queue.
    Queue,
    /// Of somebody else in the same tenant.
    Sibling,
    /// Of another tenant.
    Other,
}

/// A vendedor of the second tenant.
const STRANGER: Uuid = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_00ff);
/// In all that the second tenant has.
pub(super) const FOREIGN: &str = "AJENO";
/// In all that the closer of the first one has.
pub(super) const SIBLINGS: &str = "HERMANO";

pub(super) struct World {
    pub(super) app: TestApp,
    tokens: Vec<(Person, String)>,
}

impl World {
    pub(super) async fn new(app: TestApp) -> Self {
        app.sql(
            "INSERT INTO users (tenant_id, id, email, password_hash, role, status, first_name, last_name)
             SELECT 2, '01900000-0000-7000-8000-0000000000ff', 'stranger@example.com', password_hash, 'setter', 'active',
                    'AJENO', 'AJENO' FROM users LIMIT 1;
             INSERT INTO metrics_state (tenant_id, metrics_version, time_zone)
             SELECT id, 2, time_zone FROM tenants ON CONFLICT DO NOTHING;
             DELETE FROM metrics_state",
        )
        .await;
        let mut tokens = Vec::new();
        for person in PEOPLE {
            tokens.push((person, app.token(person).await));
        }
        Self { app, tokens }
    }

    pub(super) fn token(&self, person: Person) -> &str {
        &self.tokens.iter().find(|(one, _)| *one == person).unwrap().1
    }

    /// Makes a thing and gives its id.
    pub(super) async fn make(&self, kind: Kind, whose: Whose, caller: Person) -> String {
        let tenant = match whose {
            Whose::Other => 3 - caller.tenant(),
            _ => caller.tenant(),
        };
        let seller = seller(whose, caller, tenant);
        let mark = match (tenant, seller == Some(Person::Closer.id())) {
            (2, _) => FOREIGN,
            (_, true) => SIBLINGS,
            _ => "PROPIO",
        };
        let person = person(whose, caller, tenant);
        let owner = seller.map_or("NULL".to_owned(), |seller| format!("'{seller}'"));
        let lead = format!(
            "WITH made AS (INSERT INTO leads (tenant_id, first_name, last_name, email, assigned_seller_id, source, lead_source,
                   meta_campaign_name, meta_form_name, tags)
             SELECT {tenant}, '{mark}', '{mark}', lower('{mark}') || gen_random_uuid() || '@example.com', {owner}, 'meta',
                    'META_ADS', '{mark}', '{mark}', ARRAY['{mark}'] RETURNING *)"
        );
        let sql = match kind {
            Kind::Lead => format!("{lead} SELECT id::text FROM made"),
            Kind::Conversation => format!(
                "{lead}, talk AS (INSERT INTO conversations (tenant_id, lead_id, channel, assigned_seller_id, waiting_since)
                 SELECT tenant_id, id, 'whatsapp', assigned_seller_id, now() FROM made RETURNING *),
                 words AS (INSERT INTO messages (tenant_id, conversation_id, direction, author, body)
                 SELECT tenant_id, id, 'inbound', 'lead', '{mark}' FROM talk)
                 SELECT id::text FROM talk"
            ),
            Kind::Notification => format!(
                "INSERT INTO notifications (tenant_id, recipient_id, type, priority, dedupe_key, text_key, params)
                 VALUES ({tenant}, '{person}', 'followup', 'low', gen_random_uuid()::text, 'notification.followup',
                         '{{\"lead\": \"{mark}\"}}') RETURNING id::text"
            ),
            Kind::Session => format!(
                "INSERT INTO sessions (tenant_id, user_id, expires_at)
                 VALUES ({tenant}, '{person}', now() + interval '1 day') RETURNING id::text"
            ),
            Kind::Rule => format!(
                "INSERT INTO assignment_rules (tenant_id, name, priority, strategy, active)
                 VALUES ({tenant}, '{mark}' || gen_random_uuid(), 9, 'round_robin', false) RETURNING id::text"
            ),
            Kind::Page => format!(
                "INSERT INTO meta_pages (tenant_id, page_id)
                 VALUES ({tenant}, (1000000 + floor(random() * 1000000000))::bigint::text) RETURNING page_id"
            ),
            Kind::Intake => format!(
                "INSERT INTO meta_lead_inbox (tenant_id, leadgen_id, page_id, change, state, reason)
                 VALUES ({tenant}, gen_random_uuid()::text, '1', '{{}}', 'failed', '{mark}') RETURNING id::text"
            ),
            Kind::Factor => {
                // Of somebody who does not call: whose it is taken away from is logged out.
                let seller = if tenant == 2 { STRANGER } else { Person::Suspended.id() };
                format!(
                    "INSERT INTO second_factors (tenant_id, user_id, secret) VALUES ({tenant}, '{seller}', '01234567890123456789')
                     ON CONFLICT (tenant_id, user_id) DO UPDATE SET created_at = now() RETURNING user_id::text"
                )
            }
            Kind::Seller => return seller.unwrap_or_else(|| Person::Closer.id()).to_string(),
            Kind::Word => return "cleanup".to_owned(),
        };
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&self.app.database.migrator).await.unwrap()
    }

    /// One text that changes with any row of the first two tenants; what the server itself keeps is left out.
    pub(super) async fn rows(&self) -> String {
        let tables: Vec<String> = sqlx::query_scalar(
            "SELECT c.table_name::text FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
             WHERE c.table_schema = 'public' AND c.column_name = 'tenant_id' AND t.table_type = 'BASE TABLE' ORDER BY 1",
        )
        .fetch_all(&self.app.database.migrator)
        .await
        .unwrap();
        let one = |table: &String| {
            format!("SELECT '{table} ' || tenant_id || ' ' || md5(string_agg(t::text, '|' ORDER BY t::text)) AS line
                     FROM {table} t WHERE tenant_id IN (1, 2) GROUP BY tenant_id")
        };
        let sql = tables.iter().map(one).collect::<Vec<_>>().join(" UNION ALL ");
        let sql = format!("SELECT string_agg(line, E'\\n' ORDER BY line) FROM ({sql}) lines");
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&self.app.database.migrator).await.unwrap()
    }
}

/// The vendedor who owns it.
fn seller(whose: Whose, caller: Person, tenant: i32) -> Option<Uuid> {
    match (whose, caller) {
        (Whose::Queue, _) => None,
        _ if tenant == 2 => Some(STRANGER),
        (Whose::Sibling, Person::Closer) => Some(Person::Setter.id()),
        (Whose::Own, Person::Closer) | (Whose::Sibling, _) => Some(Person::Closer.id()),
        _ => Some(Person::Setter.id()),
    }
}

/// The person it is for.
fn person(whose: Whose, caller: Person, tenant: i32) -> Uuid {
    match whose {
        Whose::Own | Whose::Queue => caller.id(),
        Whose::Other if tenant == 1 => Person::Ceo.id(),
        Whose::Other => Person::OtherCeo.id(),
        Whose::Sibling if caller.tenant() == 2 => STRANGER,
        Whose::Sibling if caller == Person::Secretary => Person::Ceo.id(),
        Whose::Sibling => Person::Secretary.id(),
    }
}
