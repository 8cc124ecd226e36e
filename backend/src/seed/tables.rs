//! A story as rows: which column of which table each part goes to. Decides nothing about what happens in it.
//!
//! Length: one function per table, each a list of its columns.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::copy::{Rows, maybe, maybe_time, time, value};
use super::dice::Dice;
use super::notices::{self, Notice};
use super::story::{self, Lead, Scene, Story};
use super::talk;

/// How many rows went where.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Written {
    /// Rows in `leads`.
    pub leads: usize,
    /// Rows in `conversations`.
    pub conversations: usize,
    /// Rows in `messages`.
    pub messages: usize,
    /// Rows in `assignment_log`.
    pub assignments: usize,
    /// Rows in `notifications`; 0 where that table does not exist.
    pub notifications: usize,
}

/// Number that stands for the tenant's Facebook page.
fn page_id(scene: &Scene) -> String {
    format!("10{:013}", scene.tenant_id)
}

/// A story as rows, ready to be sent.
pub(crate) struct Tables {
    scene: Scene,
    rule: Uuid,
    leads: Rows,
    submissions: Rows,
    conversations: Rows,
    messages: Rows,
    closings: Rows,
    statuses: Rows,
    owners: Rows,
    log: Rows,
    notifications: Option<Rows>,
}

impl Tables {
    /// Thinks up the story of `scene`; `bell`: with what its people are told. Takes a while for a million messages.
    pub(crate) fn of(mut dice: Dice, scene: Scene, bell: bool) -> Self {
        let story = story::tell(&mut dice, &scene);
        let notices = notices::raise(&mut dice, &scene, &story);
        let rule = dice.id(scene.now);
        let (owners, log) = assignments(&scene, &story, rule);
        Self {
            rule,
            leads: leads(&scene, &story),
            submissions: submissions(&scene, &story),
            conversations: conversations(&scene, &story),
            messages: messages(&scene, &story),
            closings: closings(&scene, &story),
            statuses: statuses(&scene, &story),
            owners,
            log,
            notifications: bell.then(|| notifications(&scene, &notices)),
            scene,
        }
    }

    /// Sends the rows to their tables, parents first.
    ///
    /// # Errors
    /// When the database did not take them.
    pub(crate) async fn write(self, db: &mut PgConnection) -> Result<Written, sqlx::Error> {
        pages_and_rules(db, &self.scene, self.rule).await?;
        let leads = self.leads.send(db).await?;
        self.submissions.send(db).await?;
        let conversations = self.conversations.send(db).await?;
        let messages = self.messages.send(db).await?;
        self.closings.send(db).await?;
        self.statuses.send(db).await?;
        self.owners.send(db).await?;
        let assignments = self.log.send(db).await?;
        let notifications = match self.notifications {
            Some(notifications) => notifications.send(db).await?,
            None => 0,
        };
        Ok(Written { leads, conversations, messages, assignments, notifications })
    }
}

async fn pages_and_rules(db: &mut PgConnection, scene: &Scene, rule: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO meta_pages (tenant_id, page_id, name, subscribed_at) VALUES ($1, $2, $3, $4)")
        .bind(scene.tenant_id)
        .bind(page_id(scene))
        .bind("Página principal")
        .bind(scene.today() - chrono::Duration::days(90))
        .execute(&mut *db)
        .await?;
    sqlx::query(
        // At rest: within a minute it would hand out the queue that the demonstration has something to show in.
        "INSERT INTO assignment_rules (tenant_id, id, name, priority, strategy, lead_sources, max_open, active, created_by) \
         VALUES ($1, $2, 'Reparto por turnos', 10, 'round_robin', '{META_ADS}', 60, false, $3)",
    )
    .bind(scene.tenant_id)
    .bind(rule)
    .bind(scene.ceos.first().map(|ceo| ceo.id))
    .execute(&mut *db)
    .await?;
    Ok(())
}

fn leads(scene: &Scene, story: &Story) -> Rows {
    let mut rows = Rows::into(
        "leads",
        &[
            "tenant_id",
            "id",
            "phone",
            "first_name",
            "last_name",
            "email",
            "status",
            "status_changed_at",
            "source",
            "lead_source",
            "assigned_seller_id",
            "assigned_at",
            "amount",
            "currency",
            "tags",
            "is_test",
            "merged_into",
            "created_at",
            "updated_at",
            "meta_lead_id",
            "meta_campaign_id",
            "meta_campaign_name",
            "meta_adset_id",
            "meta_adset_name",
            "meta_ad_id",
            "meta_ad_name",
            "meta_form_id",
            "meta_form_name",
            "first_response_at",
        ],
    );
    let mut answered: HashMap<usize, DateTime<Utc>> = HashMap::new();
    for conversation in &story.conversations {
        if let (Some(lead), Some(at)) = (conversation.lead, talk::first_reply(&conversation.messages)) {
            answered.entry(lead).and_modify(|first| *first = at.min(*first)).or_insert(at);
        }
    }
    // Merged leads after those they point to: the foreign key is checked when the COPY ends, the order is for readers.
    for (number, lead) in story.leads.iter().enumerate() {
        let meta = |kind: u32| {
            lead.campaign.map(|campaign| format!("{}2021{:06}{kind:03}", scene.tenant_id, campaign.number))
        };
        let owner = lead.owner();
        rows.push([
            value(scene.tenant_id),
            value(lead.id),
            maybe(lead.phone.as_ref()),
            value(&lead.first_name),
            value(&lead.last_name),
            maybe(lead.email.as_ref()),
            value(lead.status().status),
            time(lead.status().at),
            value(lead.source),
            value(lead.lead_source),
            maybe(owner.map(|owner| scene.sellers[owner.seller].id)),
            maybe_time(owner.map(|owner| owner.at)),
            maybe(lead.amount.map(|cents| format!("{}.{:02}", cents / 100, cents % 100))),
            maybe(lead.amount.map(|_| &scene.currency)),
            value(lead.tag.map_or("{}".to_owned(), |tag| format!("{{\"{tag}\"}}"))),
            value(lead.is_test),
            maybe(lead.merged_into),
            time(lead.created_at),
            time(lead.status().at),
            maybe(lead.leadgen_id.as_ref()),
            maybe(meta(1)),
            maybe(lead.campaign.map(|campaign| campaign.name)),
            maybe(meta(2)),
            maybe(lead.campaign.map(|campaign| campaign.adset)),
            maybe(meta(3)),
            maybe(lead.campaign.map(|campaign| campaign.ad)),
            maybe(meta(4)),
            maybe(lead.campaign.map(|campaign| campaign.form)),
            maybe_time(answered.get(&number).copied()),
        ]);
    }
    rows
}

fn submissions(scene: &Scene, story: &Story) -> Rows {
    let columns = [
        "tenant_id",
        "lead_id",
        "leadgen_id",
        "page_id",
        "form_id",
        "fields",
        "raw",
        "is_test",
        "submitted_at",
    ];
    let mut rows = Rows::into("lead_submissions", &columns);
    for lead in &story.leads {
        let (Some(campaign), Some(leadgen_id)) = (lead.campaign, &lead.leadgen_id) else { continue };
        let form_id = format!("{}2021{:06}004", scene.tenant_id, campaign.number);
        let (fields, raw) = answers(lead, leadgen_id, &form_id);
        rows.push([
            value(scene.tenant_id),
            value(lead.id),
            value(leadgen_id),
            value(page_id(scene)),
            value(form_id),
            value(fields),
            value(raw),
            value(lead.is_test),
            time(lead.created_at),
        ]);
    }
    rows
}

/// What the form asked, mapped and as Meta sends it.
fn answers(lead: &Lead, leadgen_id: &str, form_id: &str) -> (serde_json::Value, serde_json::Value) {
    let name = format!("{} {}", lead.first_name, lead.last_name);
    let fields = json!({ "full_name": [name], "phone_number": [lead.phone], "email": [lead.email] });
    let data: Vec<_> = fields
        .as_object()
        .into_iter()
        .flatten()
        .map(|(field, values)| json!({ "name": field, "values": values }))
        .collect();
    let raw = json!({
        "id": leadgen_id, "form_id": form_id, "created_time": lead.created_at.to_rfc3339(), "field_data": data,
    });
    (fields, raw)
}

fn conversations(scene: &Scene, story: &Story) -> Rows {
    let mut rows = Rows::into(
        "conversations",
        &[
            "tenant_id",
            "id",
            "lead_id",
            "contact",
            "channel",
            "assigned_seller_id",
            "assigned_at",
            "waiting_since",
            "last_message_at",
            "closed_at",
            "created_at",
            "updated_at",
        ],
    );
    for conversation in &story.conversations {
        let (Some(first), Some(last)) = (conversation.messages.first(), conversation.messages.last()) else {
            continue;
        };
        let owner = conversation.owner;
        rows.push([
            value(scene.tenant_id),
            value(conversation.id),
            maybe(conversation.lead.map(|number| story.leads[number].id)),
            maybe(conversation.contact.as_ref()),
            value(conversation.channel),
            maybe(owner.map(|(seller, _)| scene.sellers[seller].id)),
            maybe_time(owner.map(|(_, at)| at)),
            maybe_time(talk::waiting_since(&conversation.messages)),
            time(last.at),
            maybe_time(conversation.closed_at),
            time(first.at),
            time(conversation.closed_at.unwrap_or(last.at)),
        ]);
    }
    rows
}

fn closings(scene: &Scene, story: &Story) -> Rows {
    let columns = ["tenant_id", "conversation_id", "kind", "changed_by", "changed_at"];
    let mut rows = Rows::into("conversation_history", &columns);
    for conversation in story.conversations.iter().filter(|conversation| !conversation.messages.is_empty()) {
        let Some(closed_at) = conversation.closed_at else { continue };
        rows.push([
            value(scene.tenant_id),
            value(conversation.id),
            value("closed"),
            maybe(conversation.owner.map(|(seller, _)| scene.sellers[seller].id)),
            time(closed_at),
        ]);
    }
    rows
}

fn messages(scene: &Scene, story: &Story) -> Rows {
    let columns = [
        "tenant_id",
        "conversation_id",
        "direction",
        "author",
        "author_id",
        "body",
        "delivery",
        "provider",
        "provider_message_id",
        "created_at",
    ];
    let mut rows = Rows::into("messages", &columns);
    let mut all: Vec<_> = story
        .conversations
        .iter()
        .flat_map(|conversation| {
            conversation
                .messages
                .iter()
                .enumerate()
                .map(move |(number, message)| (conversation, number, message))
        })
        .collect();
    // Ids grow with time, as they would have.
    all.sort_by_key(|(conversation, number, message)| (message.at, conversation.id, *number));
    for (conversation, number, message) in all {
        rows.push([
            value(scene.tenant_id),
            value(conversation.id),
            value(if message.inbound { "inbound" } else { "outbound" }),
            value(message.author),
            maybe(message.author_id),
            value(&message.body),
            value(message.delivery),
            value(conversation.channel),
            value(format!("seed.{}.{number}", conversation.id)),
            time(message.at),
        ]);
    }
    rows
}

fn statuses(scene: &Scene, story: &Story) -> Rows {
    let columns = ["tenant_id", "lead_id", "from_status", "to_status", "changed_by", "changed_at"];
    let mut rows = Rows::into("lead_status_history", &columns);
    for lead in &story.leads {
        let mut before = None;
        for step in &lead.steps {
            rows.push([
                value(scene.tenant_id),
                value(lead.id),
                maybe(before),
                value(step.status),
                maybe(step.by),
                time(step.at),
            ]);
            before = Some(step.status);
        }
    }
    rows
}

fn assignments(scene: &Scene, story: &Story, rule: Uuid) -> (Rows, Rows) {
    let mut owners = Rows::into(
        "owner_history",
        &["tenant_id", "lead_id", "from_seller_id", "to_seller_id", "changed_by", "reason", "changed_at"],
    );
    let mut log = Rows::into(
        "assignment_log",
        &[
            "tenant_id",
            "lead_id",
            "from_seller_id",
            "to_seller_id",
            "assigned_by",
            "rule_id",
            "reason",
            "created_at",
        ],
    );
    let mut all: Vec<_> = story
        .leads
        .iter()
        .flat_map(|lead| {
            let before = std::iter::once(None).chain(lead.owners.iter().map(Some));
            lead.owners.iter().zip(before).map(move |(owner, before)| (lead, owner, before))
        })
        .collect();
    all.sort_by_key(|(lead, owner, _)| (owner.at, lead.id));
    for (lead, owner, before) in all {
        let to = scene.sellers[owner.seller].id;
        let from = before.map(|before| scene.sellers[before.seller].id);
        let by = match owner.reason {
            "rule" => None,
            "claimed" => Some(to),
            _ => scene.ceos.first().map(|ceo| ceo.id),
        };
        let rule = (owner.reason == "rule").then_some(rule);
        owners.push([
            value(scene.tenant_id),
            value(lead.id),
            maybe(from),
            value(to),
            maybe(by),
            value(owner.reason),
            time(owner.at),
        ]);
        log.push([
            value(scene.tenant_id),
            value(lead.id),
            maybe(from),
            value(to),
            maybe(by),
            maybe(rule),
            value(owner.reason),
            time(owner.at),
        ]);
    }
    (owners, log)
}

fn notifications(scene: &Scene, notices: &[Notice]) -> Rows {
    let mut rows = Rows::into(
        "notifications",
        &[
            "tenant_id",
            "recipient_id",
            "type",
            "priority",
            "episode",
            "dedupe_key",
            "text_key",
            "params",
            "entity_type",
            "entity_id",
            "link",
            "created_at",
            "updated_at",
            "read_at",
            "expires_at",
        ],
    );
    for notice in notices {
        rows.push([
            value(scene.tenant_id),
            value(notice.recipient),
            value(notice.kind),
            value(notice.priority),
            value(&notice.episode),
            value(&notice.key),
            value(format!("notification.{}", notice.kind)),
            value(&notice.params),
            value(notice.entity.0),
            value(&notice.entity.1),
            value(&notice.link),
            time(notice.created_at),
            time(notice.read_at.unwrap_or(notice.created_at)),
            maybe_time(notice.read_at),
            maybe_time(notice.expires_at),
        ]);
    }
    rows
}
