//! The leads of a tenant and what happened to each: where it came from, who got it, how far it went,
//! what was said. Pure: the same dice and moment give the same story.
//!
//! Length: the types of the story and the one way it is told belong together.

use std::collections::HashSet;

use chrono::{DateTime, Duration, Utc};
use chrono_tz::Tz;
use uuid::Uuid;

use super::dice::Dice;
use super::talk::{self, Message};
use super::vocabulary::{CAMPAIGNS, Campaign, FIRST_NAMES, LAST_NAMES, MAIL_HOSTS, PHONES, TAGS};

/// Someone of the tenant.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) id: Uuid,
    pub(crate) name: String,
}

/// The tenant the story plays in.
pub(crate) struct Scene {
    pub(crate) tenant_id: i32,
    pub(crate) zone: Tz,
    pub(crate) currency: String,
    pub(crate) now: DateTime<Utc>,
    pub(crate) ceos: Vec<Person>,
    pub(crate) sellers: Vec<Person>,
    pub(crate) leads: usize,
    pub(crate) messages: usize,
}

/// One lead.
pub(crate) struct Lead {
    pub(crate) id: Uuid,
    pub(crate) phone: Option<String>,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) email: Option<String>,
    pub(crate) source: &'static str,
    pub(crate) lead_source: &'static str,
    pub(crate) campaign: Option<&'static Campaign>,
    pub(crate) leadgen_id: Option<String>,
    pub(crate) owners: Vec<Owner>,
    pub(crate) steps: Vec<Step>,
    pub(crate) amount: Option<i64>,
    pub(crate) tag: Option<&'static str>,
    pub(crate) is_test: bool,
    pub(crate) merged_into: Option<Uuid>,
    pub(crate) created_at: DateTime<Utc>,
}

/// One assignment of a lead.
pub(crate) struct Owner {
    pub(crate) seller: usize,
    pub(crate) at: DateTime<Utc>,
    pub(crate) reason: &'static str,
}

/// One status a lead came to.
pub(crate) struct Step {
    pub(crate) status: &'static str,
    pub(crate) at: DateTime<Utc>,
    pub(crate) by: Option<Uuid>,
}

/// One conversation.
pub(crate) struct Conversation {
    pub(crate) id: Uuid,
    pub(crate) lead: Option<usize>,
    pub(crate) contact: Option<String>,
    pub(crate) channel: &'static str,
    pub(crate) owner: Option<(usize, DateTime<Utc>)>,
    pub(crate) closed_at: Option<DateTime<Utc>>,
    pub(crate) messages: Vec<Message>,
}

/// Everything that happened in a tenant, in order of time.
pub(crate) struct Story {
    pub(crate) leads: Vec<Lead>,
    pub(crate) conversations: Vec<Conversation>,
}

impl Lead {
    pub(crate) fn status(&self) -> &Step {
        self.steps.last().expect("a lead is born with its first step")
    }

    pub(crate) fn owner(&self) -> Option<&Owner> {
        self.owners.last()
    }
}

impl Scene {
    /// First moment of today in the tenant's zone.
    pub(crate) fn today(&self) -> DateTime<Utc> {
        start_of_day(self.now, self.zone)
    }
}

/// First moment of the day of `at` in a zone; the first that exists, where a clock change skips midnight.
pub(crate) fn start_of_day(at: DateTime<Utc>, zone: Tz) -> DateTime<Utc> {
    let date = at.with_timezone(&zone).date_naive();
    (0..24)
        .find_map(|hour| date.and_hms_opt(hour, 0, 0)?.and_local_timezone(zone).earliest())
        .map_or(at, |start| start.with_timezone(&Utc))
}

/// Tells the whole story of a tenant.
pub(crate) fn tell(dice: &mut Dice, scene: &Scene) -> Story {
    let mut births: Vec<_> = (0..scene.leads).map(|number| birth(dice, scene, number)).collect();
    births.sort_unstable();
    let mut phones = HashSet::new();
    let mut leads: Vec<_> = births.into_iter().map(|at| lead(dice, scene, at, &mut phones)).collect();
    mark_exceptions(dice, &mut leads);
    let talking: Vec<_> = (0..leads.len()).filter(|&number| talks(dice, &leads[number])).collect();
    let length = i64::try_from(scene.messages / talking.len().max(1)).unwrap_or(i64::MAX).max(2);
    let mut conversations: Vec<_> =
        talking.into_iter().map(|number| conversation(dice, scene, &leads, number, length)).collect();
    conversations.extend((0..scene.leads / 40).map(|_| stranger(dice, scene, &mut phones)));
    Story { leads, conversations }
}

/// When the n-th lead came: each eighth one today, the others over the sixty days before.
fn birth(dice: &mut Dice, scene: &Scene, number: usize) -> DateTime<Utc> {
    let today = scene.today();
    if number.is_multiple_of(8) {
        let passed = (scene.now - today).num_seconds();
        return today + Duration::seconds(dice.between(passed / 20, passed - passed / 20));
    }
    // The lower of two draws: more leads lately than long ago.
    let ago = dice.between(600, 60 * 86_400).min(dice.between(600, 60 * 86_400));
    today - Duration::seconds(ago)
}

fn lead(dice: &mut Dice, scene: &Scene, created_at: DateTime<Utc>, phones: &mut HashSet<String>) -> Lead {
    let first_name = (*dice.pick(FIRST_NAMES)).to_owned();
    let last_name = (*dice.pick(LAST_NAMES)).to_owned();
    let phone = phone(dice, phones);
    let email = dice.chance(78).then(|| mail(dice, &first_name, &last_name));
    let (source, lead_source) = dice.weighted(&[
        (("meta_lead_form", "META_ADS"), 78),
        (("whatsapp", "ORGANIC"), 10),
        (("manual", "REFERRAL"), 8),
        (("web", "WEBSITE"), 4),
    ]);
    let campaign = (lead_source == "META_ADS").then(|| dice.weighted(CAMPAIGNS));
    let status = dice.weighted(if created_at >= scene.today() { FUNNEL_TODAY } else { FUNNEL });
    let span = (scene.now - created_at).min(Duration::days(14));
    let owners = owners(dice, scene, created_at, span, status);
    let steps = steps(scene, created_at, span, status, owners.last());
    let amount = (status != "new" && dice.chance(60)).then(|| dice.between(12, 480) * 250_000);
    Lead {
        id: dice.id(created_at),
        phone: Some(phone),
        first_name,
        last_name,
        email,
        source,
        lead_source,
        campaign,
        leadgen_id: campaign
            .map(|_| format!("{}{}{}", scene.tenant_id, created_at.timestamp(), dice.digits(5))),
        owners,
        steps,
        amount,
        tag: dice.chance(25).then(|| *dice.pick(TAGS)),
        is_test: false,
        merged_into: None,
        created_at,
    }
}

const FUNNEL: &[(&str, u32)] = &[
    ("new", 16),
    ("contacted", 24),
    ("qualified", 17),
    ("proposal_sent", 12),
    ("negotiation", 8),
    ("won", 12),
    ("lost", 8),
    ("archived", 3),
];
const FUNNEL_TODAY: &[(&str, u32)] = &[("new", 60), ("contacted", 30), ("qualified", 10)];

const REASONS: &[(&str, u32)] = &[("rule", 60), ("claimed", 30), ("manual", 10)];
const CHANNELS: &[(&str, u32)] = &[("whatsapp", 82), ("instagram", 12), ("messenger", 6)];

/// The statuses on the way to `status`, itself included.
fn path(status: &'static str) -> Vec<&'static str> {
    const WAY: [&str; 6] = ["new", "contacted", "qualified", "proposal_sent", "negotiation", "won"];
    match WAY.iter().position(|step| *step == status) {
        Some(last) => WAY[..=last].to_vec(),
        None => vec!["new", "contacted", status],
    }
}

fn owners(dice: &mut Dice, scene: &Scene, born: DateTime<Utc>, span: Duration, status: &str) -> Vec<Owner> {
    if scene.sellers.is_empty() || (status == "new" && dice.chance(55)) {
        return vec![];
    }
    let draw =
        |dice: &mut Dice| usize::try_from(dice.between(0, scene.sellers.len() as i64 - 1)).unwrap_or(0);
    let at = born + (span / 20).min(Duration::seconds(dice.between(40, 5_400)));
    let first = Owner { seller: draw(dice), at, reason: dice.weighted(REASONS) };
    let second = Owner { seller: draw(dice), at: at + span / 20, reason: "reassigned" };
    if dice.chance(9) && second.seller != first.seller { vec![first, second] } else { vec![first] }
}

/// Statuses at even distances over `span`, the later part of it after the last assignment.
fn steps(
    scene: &Scene,
    born: DateTime<Utc>,
    span: Duration,
    status: &'static str,
    owner: Option<&Owner>,
) -> Vec<Step> {
    let path = path(status);
    let parts = i32::try_from(path.len()).unwrap_or(i32::MAX) + 1;
    let by = owner.map(|owner| scene.sellers[owner.seller].id);
    let moment = |number: usize| {
        let passed = span / parts * i32::try_from(number).unwrap_or(0);
        (born + passed).max(owner.map_or(born, |owner| owner.at)).min(scene.now)
    };
    path.iter()
        .enumerate()
        .map(|(number, &status)| match number {
            0 => Step { status, at: born, by: None },
            _ => Step { status, at: moment(number), by },
        })
        .collect()
}

/// A few leads that must not count: tests of the form, and people who came twice.
fn mark_exceptions(dice: &mut Dice, leads: &mut [Lead]) {
    for number in (0..leads.len()).filter(|number| number % 40 == 11) {
        leads[number].is_test = true;
        leads[number].last_name = "Prueba Meta".to_owned();
    }
    for number in (1..leads.len()).filter(|number| number % 45 == 17) {
        let keeper =
            (0..number).rev().find(|&other| !leads[other].is_test && leads[other].merged_into.is_none());
        if let Some(keeper) = keeper {
            leads[number].merged_into = Some(leads[keeper].id);
            if dice.chance(50) {
                leads[number].phone = leads[keeper].phone.clone();
            }
        }
    }
}

/// Whether a lead has a conversation.
fn talks(dice: &mut Dice, lead: &Lead) -> bool {
    let percent = if lead.status().status == "new" { 45 } else { 96 };
    lead.merged_into.is_none() && !lead.is_test && dice.chance(percent)
}

fn conversation(dice: &mut Dice, scene: &Scene, leads: &[Lead], number: usize, length: i64) -> Conversation {
    let lead = &leads[number];
    let start =
        lead.created_at + Duration::seconds(dice.between(5, 900)).min((scene.now - lead.created_at) / 2);
    let owner = lead.owner().map(|owner| (owner.seller, owner.at));
    let ended = matches!(lead.status().status, "won" | "lost" | "archived") && dice.chance(75);
    let left_waiting = !ended && dice.chance(28);
    let length = dice.between(length / 2, length + length / 2).max(1);
    let messages = talk::write(
        dice,
        &talk::Setting {
            lead_name: &lead.first_name,
            campaign: lead.campaign.map_or("la web", |campaign| campaign.name),
            seller: owner
                .map(|(seller, at)| (scene.sellers[seller].id, scene.sellers[seller].name.as_str(), at)),
            start,
            now: scene.now,
            length,
            left_waiting,
        },
    );
    let last = messages.last().map_or(start, |message| message.at);
    let closed = ended && talk::waiting_since(&messages).is_none();
    Conversation {
        id: dice.id(start),
        lead: Some(number),
        contact: None,
        channel: dice.weighted(CHANNELS),
        owner,
        closed_at: closed.then(|| (last + Duration::hours(1)).min(scene.now)),
        messages,
    }
}

/// Someone who writes and whom no lead is known for; nobody has taken the conversation yet.
fn stranger(dice: &mut Dice, scene: &Scene, phones: &mut HashSet<String>) -> Conversation {
    let start = scene.now - Duration::seconds(dice.between(300, 5 * 86_400));
    let setting = talk::Setting {
        lead_name: "",
        campaign: CAMPAIGNS[0].0.name,
        seller: None,
        start,
        now: scene.now,
        length: dice.between(1, 3),
        left_waiting: true,
    };
    let messages = talk::write(dice, &setting);
    let contact = Some(phone(dice, phones));
    Conversation {
        id: dice.id(start),
        lead: None,
        contact,
        channel: "whatsapp",
        owner: None,
        closed_at: None,
        messages,
    }
}

fn phone(dice: &mut Dice, taken: &mut HashSet<String>) -> String {
    loop {
        let (prefix, digits) = dice.weighted(PHONES);
        let number = format!("{prefix}{}", dice.digits(digits));
        if taken.insert(number.clone()) {
            return number;
        }
    }
}

fn mail(dice: &mut Dice, first_name: &str, last_name: &str) -> String {
    let plain = |name: &str| {
        let lower = name.to_lowercase();
        let folded = lower.chars().map(|c| match c {
            'á' => 'a',
            'é' => 'e',
            'í' => 'i',
            'ó' => 'o',
            'ú' | 'ü' => 'u',
            'ñ' => 'n',
            other => other,
        });
        folded.filter(char::is_ascii_alphanumeric).collect::<String>()
    };
    format!("{}.{}{}@{}", plain(first_name), plain(last_name), dice.between(1, 99), dice.pick(MAIL_HOSTS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene(now: DateTime<Utc>) -> Scene {
        let person = |name: &str| Person { id: Uuid::new_v4(), name: name.to_owned() };
        Scene {
            tenant_id: 1,
            zone: chrono_tz::America::Argentina::Buenos_Aires,
            currency: "ARS".to_owned(),
            now,
            ceos: vec![person("Carolina")],
            sellers: vec![person("Martín"), person("Lucía")],
            leads: 400,
            messages: 2_000,
        }
    }

    /// Just after midnight there is hardly any "today" to put leads into.
    #[test]
    fn story_holds_together_at_any_hour() {
        for seconds in [0, 1, 59, 3_600, 50_000, 86_399] {
            let midnight =
                start_of_day(DateTime::from_timestamp(1_790_000_000, 0).unwrap(), scene(Utc::now()).zone);
            let scene = scene(midnight + Duration::seconds(seconds));
            let story = tell(&mut Dice::new(1), &scene);
            assert_eq!(story.leads.len(), 400);
            assert!(story.leads.iter().any(|lead| lead.created_at >= midnight));
            for lead in &story.leads {
                assert!(lead.created_at <= scene.now && lead.steps.is_sorted_by_key(|step| step.at));
                assert!(lead.steps.iter().all(|step| step.at <= scene.now));
                assert!(lead.owners.iter().all(|owner| owner.at <= scene.now && owner.at >= lead.created_at));
            }
            for talk in &story.conversations {
                assert!(talk.messages.iter().all(|message| message.at <= scene.now));
                assert!(talk.closed_at.is_none() || talk::waiting_since(&talk.messages).is_none());
            }
        }
    }

    #[test]
    fn midnight_that_a_clock_change_skips_is_the_first_moment_there_is() {
        // Asunción moved its clocks at 00:00 on 2024-10-06.
        let noon = DateTime::parse_from_rfc3339("2024-10-06T15:00:00Z").unwrap().with_timezone(&Utc);
        let start = start_of_day(noon, chrono_tz::America::Asuncion);
        assert_eq!(start.to_rfc3339(), "2024-10-06T04:00:00+00:00");
    }
}
