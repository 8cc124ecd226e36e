//! The notifications of the seed: what the people of a tenant would have been told by now. Pure.

use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::dice::Dice;
use super::story::{Conversation, Lead, Scene, Story};
use super::talk;

/// Most notifications of one kind for one tenant: a bell with thousands convinces nobody.
const MOST_OF_A_KIND: usize = 12;

/// One notification.
pub(crate) struct Notice {
    pub(crate) recipient: Uuid,
    pub(crate) kind: &'static str,
    pub(crate) priority: &'static str,
    pub(crate) episode: String,
    pub(crate) key: String,
    pub(crate) params: Value,
    pub(crate) entity: (&'static str, String),
    pub(crate) link: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) read_at: Option<DateTime<Utc>>,
    pub(crate) expires_at: Option<DateTime<Utc>>,
}

/// All notifications of a story, in order of time.
pub(crate) fn raise(dice: &mut Dice, scene: &Scene, story: &Story) -> Vec<Notice> {
    let mut notices = unanswered(scene, story);
    notices.extend(assignments(dice, scene, story));
    notices.extend(hot_leads(dice, scene, story));
    notices.extend(follow_ups(dice, scene, story));
    notices.extend(reports(scene));
    for notice in &mut notices {
        // These go stale by themselves. Source: the rules of notifications, seven days.
        if matches!(notice.priority, "low" | "medium") {
            notice.expires_at = Some(notice.created_at + Duration::days(7));
        }
    }
    notices.sort_by(|a, b| (a.created_at, &a.key).cmp(&(b.created_at, &b.key)));
    notices
}

/// Conversations that wait: over one hour high to the vendedor, over four critical to each CEO.
fn unanswered(scene: &Scene, story: &Story) -> Vec<Notice> {
    let mut notices = vec![];
    for conversation in story.conversations.iter().rev() {
        let Some(since) = talk::waiting_since(&conversation.messages) else { continue };
        let (level, priority, hours) = match (scene.now - since).num_hours() {
            0 => continue,
            1..=3 => ("1h", "high", 1),
            4..=23 => ("4h", "critical", 4),
            _ => ("24h", "critical", 24),
        };
        let owner = conversation.owner.map(|(seller, _)| scene.sellers[seller].id);
        let recipients = if priority == "high" { owner.into_iter().collect() } else { ids(scene) };
        // As the check of waits writes it, which then finds these told already.
        let episode = since.timestamp_micros().to_string();
        for recipient in recipients {
            notices.push(Notice {
                recipient,
                kind: "unanswered",
                priority,
                key: format!("unans:{}:{episode}:{level}", conversation.id),
                episode: episode.clone(),
                params: json!({ "lead": who(story, conversation), "hours": hours }),
                entity: ("conversation", conversation.id.to_string()),
                link: format!("/conversaciones/{}", conversation.id),
                created_at: since + Duration::hours(hours),
                read_at: None,
                expires_at: None,
            });
        }
        if notices.len() >= MOST_OF_A_KIND {
            break;
        }
    }
    notices
}

/// Leads given to a vendedor in the last days.
fn assignments(dice: &mut Dice, scene: &Scene, story: &Story) -> Vec<Notice> {
    let recent = story.leads.iter().rev().filter_map(|lead| Some((lead, lead.owner()?)));
    let given = recent
        .filter(|(lead, owner)| owner.reason != "claimed" && !lead.is_test && lead.merged_into.is_none());
    given
        .take(MOST_OF_A_KIND)
        .map(|(lead, owner)| {
            let read = dice.chance(50).then(|| (owner.at + Duration::minutes(7)).min(scene.now));
            about_lead(scene.sellers[owner.seller].id, "assignment", "high", lead, owner.at, read)
        })
        .collect()
}

/// Young leads that write a lot.
fn hot_leads(dice: &mut Dice, scene: &Scene, story: &Story) -> Vec<Notice> {
    let talking = story.conversations.iter().rev().filter_map(|conversation| {
        let lead = &story.leads[conversation.lead?];
        let last = conversation.messages.last()?;
        let lively = conversation.messages.iter().filter(|message| message.inbound).count() >= 3;
        let young =
            scene.now - lead.created_at < Duration::days(7) && scene.now - last.at < Duration::hours(30);
        (lively && young && conversation.closed_at.is_none()).then_some((
            lead,
            conversation.owner?.0,
            last.at,
        ))
    });
    talking
        .take(MOST_OF_A_KIND / 2)
        .map(|(lead, seller, at)| {
            let read = dice.chance(30).then(|| (at + Duration::minutes(3)).min(scene.now));
            about_lead(scene.sellers[seller].id, "hot_lead", "high", lead, at, read)
        })
        .collect()
}

/// Leads nobody wrote to for days, the oldest ones expired by now.
fn follow_ups(dice: &mut Dice, scene: &Scene, story: &Story) -> Vec<Notice> {
    let silent =
        story.leads.iter().filter(|lead| matches!(lead.status().status, "contacted" | "qualified" | "new"));
    let owned = silent.filter_map(|lead| Some((lead, lead.owner()?.seller)));
    let due = owned.filter(|(lead, _)| scene.now - lead.status().at > Duration::days(2));
    due.take(MOST_OF_A_KIND)
        .enumerate()
        .map(|(number, (lead, seller))| {
            let at = scene.now - Duration::hours(6 + 16 * i64::try_from(number).unwrap_or(0));
            let at = at.max(lead.status().at + Duration::days(1));
            let read = dice.chance(40).then(|| (at + Duration::hours(1)).min(scene.now));
            let priority = ["medium", "low", "high"][number % 3];
            about_lead(scene.sellers[seller].id, "followup", priority, lead, at, read)
        })
        .collect()
}

/// The daily reports of the last days, and the page that once fell silent.
fn reports(scene: &Scene) -> Vec<Notice> {
    let mut notices = vec![];
    for recipient in ids(scene) {
        for days in 0..5 {
            let at = scene.today() - Duration::days(days) + Duration::hours(8);
            if at > scene.now {
                continue;
            }
            let day = at.with_timezone(&scene.zone).format("%Y-%m-%d").to_string();
            let read_at = (days > 0).then(|| at + Duration::minutes(30));
            notices.push(for_tenant(
                scene,
                recipient,
                "metric_alert",
                "medium",
                &day,
                at,
                read_at,
                "/dashboard",
            ));
        }
        let at = scene.today() - Duration::hours(40);
        let read_at = Some(at + Duration::minutes(12));
        notices.push(for_tenant(
            scene,
            recipient,
            "meta_silent",
            "critical",
            "token_expired",
            at,
            read_at,
            "/configuracion/meta",
        ));
    }
    notices
}

fn about_lead(
    recipient: Uuid,
    kind: &'static str,
    priority: &'static str,
    lead: &Lead,
    created_at: DateTime<Utc>,
    read_at: Option<DateTime<Utc>>,
) -> Notice {
    let episode = created_at.timestamp().to_string();
    Notice {
        recipient,
        kind,
        priority,
        key: format!("{kind}:{}:{episode}", lead.id),
        episode,
        params: json!({ "lead": full_name(lead), "campaign": lead.campaign.map(|campaign| campaign.name) }),
        entity: ("lead", lead.id.to_string()),
        link: format!("/leads/{}", lead.id),
        created_at,
        read_at,
        expires_at: None,
    }
}

#[expect(clippy::too_many_arguments, reason = "a row has that many columns")]
fn for_tenant(
    scene: &Scene,
    recipient: Uuid,
    kind: &'static str,
    priority: &'static str,
    episode: &str,
    created_at: DateTime<Utc>,
    read_at: Option<DateTime<Utc>>,
    link: &str,
) -> Notice {
    Notice {
        recipient,
        kind,
        priority,
        key: format!("{kind}:{episode}"),
        episode: episode.to_owned(),
        params: json!({ "episode": episode }),
        entity: ("tenant", scene.tenant_id.to_string()),
        link: link.to_owned(),
        created_at,
        read_at,
        expires_at: None,
    }
}

fn ids(scene: &Scene) -> Vec<Uuid> {
    scene.ceos.iter().map(|ceo| ceo.id).collect()
}

fn who(story: &Story, conversation: &Conversation) -> String {
    match conversation.lead {
        Some(number) => full_name(&story.leads[number]),
        None => conversation.contact.clone().unwrap_or_default(),
    }
}

fn full_name(lead: &Lead) -> String {
    format!("{} {}", lead.first_name, lead.last_name)
}
