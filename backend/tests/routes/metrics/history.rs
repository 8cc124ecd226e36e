//! A tenant's raw history, as it lies in the tables, and how it gets there.

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use uuid::Uuid;

/// Somebody who may buy.
#[derive(Debug, Clone)]
pub(super) struct Lead {
    pub(super) id: Uuid,
    pub(super) created_at: DateTime<Utc>,
    pub(super) status: &'static str,
    pub(super) status_changed_at: DateTime<Utc>,
    pub(super) owner: Option<Uuid>,
    pub(super) is_test: bool,
    pub(super) merged_into: Option<Uuid>,
    /// Hundredths, and the currency.
    pub(super) amount: Option<(i64, &'static str)>,
    pub(super) first_response_at: Option<DateTime<Utc>>,
}

impl Lead {
    pub(super) fn counts(&self) -> bool {
        !self.is_test && self.merged_into.is_none()
    }
}

/// What happens in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Lead,
    Bot,
    Person(Uuid),
    /// A person's message that was never delivered.
    Failed(Uuid),
    Closed,
    Reopened,
}

/// One thread.
#[derive(Debug, Clone)]
pub(super) struct Conversation {
    pub(super) id: Uuid,
    pub(super) lead: Option<Uuid>,
    pub(super) owner: Option<Uuid>,
    pub(super) channel: &'static str,
    /// In order of time, no two at once.
    pub(super) words: Vec<(DateTime<Utc>, Word)>,
    pub(super) created_at: DateTime<Utc>,
}

impl Conversation {
    pub(super) fn is_closed(&self) -> bool {
        let mark = |word: &&(_, Word)| matches!(word.1, Word::Closed | Word::Reopened);
        self.words.iter().rev().find(mark).is_some_and(|mark| mark.1 == Word::Closed)
    }

    fn closed_at(&self) -> Option<DateTime<Utc>> {
        let closed = self.words.iter().rev().find(|word| word.1 == Word::Closed);
        closed.map(|closed| closed.0).filter(|_| self.is_closed())
    }

    /// The first message of the lead that nobody has answered.
    pub(super) fn waiting_since(&self) -> Option<DateTime<Utc>> {
        self.words.iter().fold(None, |waiting, (at, word)| match word {
            Word::Lead => waiting.or(Some(*at)),
            Word::Bot | Word::Failed(_) => waiting,
            Word::Person(_) | Word::Closed | Word::Reopened => None,
        })
    }

    pub(super) fn last_message_at(&self) -> DateTime<Utc> {
        let said = |word: &&(_, Word)| !matches!(word.1, Word::Closed | Word::Reopened);
        self.words.iter().rev().find(said).map_or(self.created_at, |word| word.0)
    }
}

/// Of a lead, or of a conversation without one.
#[derive(Debug, Clone)]
pub(super) struct Assignment {
    pub(super) lead: Option<Uuid>,
    pub(super) conversation: Option<Uuid>,
    pub(super) from: Option<Uuid>,
    pub(super) to: Option<Uuid>,
    pub(super) at: DateTime<Utc>,
}

/// Everything of one tenant.
#[derive(Debug, Clone)]
pub(super) struct History {
    pub(super) tenant: i32,
    pub(super) zone: &'static str,
    pub(super) sellers: Vec<Uuid>,
    pub(super) leads: Vec<Lead>,
    pub(super) conversations: Vec<Conversation>,
    pub(super) assignments: Vec<Assignment>,
}

impl History {
    /// Writes all of it.
    pub(super) async fn write(&self, pool: &PgPool) {
        let mut transaction = pool.begin().await.unwrap();
        let db = &mut *transaction;
        sqlx::query("INSERT INTO tenants (id, name, time_zone) VALUES ($1, 'T' || $1, $2)")
            .bind(self.tenant)
            .bind(self.zone)
            .execute(&mut *db)
            .await
            .unwrap();
        for (number, seller) in self.sellers.iter().enumerate() {
            let role = ["ceo", "setter", "closer"][number.min(2)];
            sqlx::query(
                "INSERT INTO users (tenant_id, id, email, password_hash, role, status, first_name, last_name)
                 VALUES ($1, $2, $3, '$argon2id$x', $4, 'active', $5, 'Prueba')",
            )
            .bind(self.tenant)
            .bind(seller)
            .bind(format!("{seller}@example.com"))
            .bind(role)
            .bind(format!("P{number}"))
            .execute(&mut *db)
            .await
            .unwrap();
        }
        // Who took over comes first.
        let mut leads: Vec<&Lead> = self.leads.iter().collect();
        leads.sort_by_key(|lead| lead.merged_into.is_some());
        for lead in leads {
            sqlx::query(
                "INSERT INTO leads (tenant_id, id, first_name, status, status_changed_at, assigned_seller_id, is_test,
                   merged_into, amount, currency, first_response_at, created_at, updated_at)
                 VALUES ($1, $2, 'L', $3, $4, $5, $6, $7, $8::bigint / 100.0, $9, $10, $11, $11)",
            )
            .bind(self.tenant)
            .bind(lead.id)
            .bind(lead.status)
            .bind(lead.status_changed_at)
            .bind(lead.owner)
            .bind(lead.is_test)
            .bind(lead.merged_into)
            .bind(lead.amount.map(|amount| amount.0))
            .bind(lead.amount.map(|amount| amount.1))
            .bind(lead.first_response_at)
            .bind(lead.created_at)
            .execute(&mut *db)
            .await
            .unwrap();
        }
        for conversation in &self.conversations {
            self.write_conversation(conversation, db).await;
        }
        for assignment in &self.assignments {
            sqlx::query(
                "INSERT INTO assignment_log (tenant_id, lead_id, conversation_id, from_seller_id, to_seller_id, reason, created_at)
                 VALUES ($1, $2, $3, $4, $5, 'manual', $6)",
            )
            .bind(self.tenant)
            .bind(assignment.lead)
            .bind(assignment.conversation)
            .bind(assignment.from)
            .bind(assignment.to)
            .bind(assignment.at)
            .execute(&mut *db)
            .await
            .unwrap();
        }
        transaction.commit().await.unwrap();
    }

    async fn write_conversation(&self, conversation: &Conversation, db: &mut sqlx::PgConnection) {
        sqlx::query(
            "INSERT INTO conversations (tenant_id, id, lead_id, channel, contact, assigned_seller_id, waiting_since,
               last_message_at, closed_at, created_at, updated_at)
             VALUES ($1, $2, $3, $4, 'somebody', $5, $6, $7, $8, $9, $7)",
        )
        .bind(self.tenant)
        .bind(conversation.id)
        .bind(conversation.lead)
        .bind(conversation.channel)
        .bind(conversation.owner)
        .bind(conversation.waiting_since())
        .bind(conversation.last_message_at())
        .bind(conversation.closed_at())
        .bind(conversation.created_at)
        .execute(&mut *db)
        .await
        .unwrap();
        type Words = Vec<(DateTime<Utc>, Word)>;
        let (marks, messages): (Words, Words) = conversation
            .words
            .iter()
            .copied()
            .partition(|word| matches!(word.1, Word::Closed | Word::Reopened));
        let kinds: Vec<&str> =
            marks.iter().map(|mark| if mark.1 == Word::Closed { "closed" } else { "reopened" }).collect();
        sqlx::query(
            "INSERT INTO conversation_history (tenant_id, conversation_id, kind, changed_at)
             SELECT $1, $2, kind, at FROM unnest($3::text[], $4::timestamptz[]) mark (kind, at)",
        )
        .bind(self.tenant)
        .bind(conversation.id)
        .bind(kinds)
        .bind(marks.iter().map(|mark| mark.0).collect::<Vec<_>>())
        .execute(&mut *db)
        .await
        .unwrap();
        let said: Vec<(&str, Option<Uuid>, &str)> = messages.iter().map(|message| said(message.1)).collect();
        sqlx::query(
            "INSERT INTO messages (tenant_id, conversation_id, direction, author, author_id, body, delivery, created_at)
             SELECT $1, $2, CASE WHEN author = 'lead' THEN 'inbound' ELSE 'outbound' END, author, person, 'x', delivery, at
             FROM unnest($3::text[], $4::uuid[], $5::text[], $6::timestamptz[]) WITH ORDINALITY
                  said (author, person, delivery, at, number) ORDER BY number",
        )
        .bind(self.tenant)
        .bind(conversation.id)
        .bind(said.iter().map(|said| said.0).collect::<Vec<_>>())
        .bind(said.iter().map(|said| said.1).collect::<Vec<_>>())
        .bind(said.iter().map(|said| said.2).collect::<Vec<_>>())
        .bind(messages.iter().map(|message| message.0).collect::<Vec<_>>())
        .execute(&mut *db)
        .await
        .unwrap();
    }
}

/// Author, person and delivery of a message.
fn said(word: Word) -> (&'static str, Option<Uuid>, &'static str) {
    match word {
        Word::Lead => ("lead", None, "delivered"),
        Word::Person(person) => ("user", Some(person), "read"),
        Word::Failed(person) => ("user", Some(person), "failed"),
        Word::Bot | Word::Closed | Word::Reopened => ("bot", None, "delivered"),
    }
}
