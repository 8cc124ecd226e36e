//! Histories by dice: zones, days on which clocks change, midnights, reopenings, merges, bots, failures, reassignments.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use uuid::Uuid;

use super::history::{Assignment, Conversation, History, Lead, Word};
use super::oracle::Days;

const ZONES: [&str; 8] = [
    "America/Argentina/Buenos_Aires",
    "America/Mexico_City",
    "America/Santiago",
    "America/New_York",
    "Europe/Madrid",
    "America/St_Johns",
    "Asia/Kathmandu",
    "UTC",
];
const STATUSES: [&str; 8] =
    ["new", "contacted", "qualified", "proposal_sent", "negotiation", "won", "lost", "archived"];
const CHANNELS: [&str; 5] = ["whatsapp", "instagram", "messenger", "web", "email"];

/// Dice with a number that replays them.
pub(super) struct Random {
    dice: StdRng,
    seed: u64,
    now: DateTime<Utc>,
    zone: Tz,
    /// Days around which things happen.
    days: Vec<NaiveDate>,
}

impl Random {
    pub(super) fn new(seed: u64, now: DateTime<Utc>) -> Self {
        let mut dice = StdRng::seed_from_u64(seed);
        let zone: Tz = ZONES.choose(&mut dice).unwrap().parse().unwrap();
        let today = now.with_timezone(&zone).date_naive();
        // Clocks changed on these in the last year, in one zone or the other.
        let changes = (0..360).map(|back| today - TimeDelta::days(back)).filter(|day| {
            let noon = |day: NaiveDate| day.and_hms_opt(12, 0, 0).unwrap().and_local_timezone(zone).unwrap();
            noon(*day) - noon(*day - TimeDelta::days(1)) != TimeDelta::days(1)
        });
        let mut days: Vec<NaiveDate> = changes.collect();
        days.extend((0..6).map(|_| today - TimeDelta::days(dice.random_range(0..60))));
        days.extend([today, today - TimeDelta::days(6), today - TimeDelta::days(7)]);
        Self { dice, seed, now, zone, days }
    }

    fn id(&mut self) -> Uuid {
        Uuid::from_u128(self.dice.random())
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.dice.random_range(0..100) < percent
    }

    /// A moment, often at the edge of a day or an hour; never after now.
    fn moment(&mut self) -> DateTime<Utc> {
        let day = *self.days.choose(&mut self.dice).unwrap();
        let at = match self.dice.random_range(0..4) {
            0 => day.and_hms_opt(0, 0, 0).unwrap(),
            1 => day.and_hms_opt(self.dice.random_range(0..24), 0, 0).unwrap(),
            _ => {
                day.and_hms_opt(0, 0, 0).unwrap()
                    + TimeDelta::milliseconds(self.dice.random_range(0..86_400_000))
            }
        };
        let mut local = at;
        let at = loop {
            match local.and_local_timezone(self.zone).earliest() {
                Some(at) => break at.with_timezone(&Utc),
                None => local += TimeDelta::minutes(15),
            }
        };
        let nudge = *[-1_i64, 0, 1, 500_000].choose(&mut self.dice).unwrap();
        (at + TimeDelta::microseconds(nudge))
            .min(self.now - TimeDelta::seconds(self.dice.random_range(1..9_000)))
    }

    pub(super) fn history(&mut self, tenant: i32) -> History {
        let sellers: Vec<Uuid> = (0..4).map(|_| self.id()).collect();
        let mut history = History {
            tenant,
            zone: self.zone.name(),
            sellers,
            leads: Vec::new(),
            conversations: Vec::new(),
            assignments: Vec::new(),
        };
        for _ in 0..self.dice.random_range(1..7) {
            let lead = self.lead(&history);
            history.leads.push(lead);
        }
        for number in 0..self.dice.random_range(0..6) {
            let conversation = self.conversation(&history, CHANNELS[number % 5]);
            history.conversations.push(conversation);
        }
        for _ in 0..self.dice.random_range(0..8) {
            let assignment = self.assignment(&history);
            history.assignments.extend(assignment);
        }
        history
    }

    fn owner(&mut self, history: &History) -> Option<Uuid> {
        if self.chance(30) { None } else { history.sellers.choose(&mut self.dice).copied() }
    }

    fn lead(&mut self, history: &History) -> Lead {
        let created_at = self.moment();
        let others: Vec<Uuid> =
            history.leads.iter().filter(|lead| lead.merged_into.is_none()).map(|lead| lead.id).collect();
        Lead {
            id: self.id(),
            created_at,
            status: STATUSES.choose(&mut self.dice).unwrap(),
            status_changed_at: self.moment().max(created_at),
            owner: self.owner(history),
            is_test: self.chance(10),
            merged_into: if self.chance(15) { others.choose(&mut self.dice).copied() } else { None },
            amount: self
                .chance(50)
                .then(|| (self.dice.random_range(0..100_000_000), "ARS"))
                .map(|amount| if self.chance(30) { (amount.0, "USD") } else { amount }),
            first_response_at: self.chance(50).then(|| self.moment()),
        }
    }

    fn conversation(&mut self, history: &History, channel: &'static str) -> Conversation {
        let lead =
            if self.chance(80) { history.leads.choose(&mut self.dice).map(|lead| lead.id) } else { None };
        let mut times: Vec<DateTime<Utc>> =
            (0..self.dice.random_range(1..14)).map(|_| self.moment()).collect();
        times.sort();
        times.dedup();
        let mut is_closed = false;
        let mut words = Vec::new();
        for at in times {
            let person = *history.sellers.choose(&mut self.dice).unwrap();
            let word = match self.dice.random_range(0..20) {
                _ if is_closed => Word::Reopened,
                0..8 => Word::Lead,
                8..15 => Word::Person(person),
                15 => Word::Bot,
                16 => Word::Failed(person),
                _ => Word::Closed,
            };
            is_closed = word == Word::Closed;
            words.push((at, word));
        }
        let created_at = words[0].0;
        Conversation { id: self.id(), lead, owner: self.owner(history), channel, words, created_at }
    }

    fn assignment(&mut self, history: &History) -> Option<Assignment> {
        let strangers: Vec<Uuid> =
            history.conversations.iter().filter(|one| one.lead.is_none()).map(|one| one.id).collect();
        let stranger = if self.chance(30) { strangers.choose(&mut self.dice).copied() } else { None };
        let lead =
            if stranger.is_none() { history.leads.choose(&mut self.dice).map(|lead| lead.id) } else { None };
        let (from, to) = (self.owner(history), self.owner(history));
        // A change changes something.
        (from != to).then(|| Assignment { lead, conversation: stranger, from, to, at: self.moment() })
    }

    /// Days to ask for, in the tenant's zone or another one, and the query that does.
    pub(super) fn wish(&mut self, zone: Option<&str>) -> (Days, String) {
        let name = zone.unwrap_or(self.zone.name()).to_owned();
        let zone: Tz = name.parse().unwrap();
        let today = self.now.with_timezone(&zone).date_naive();
        if self.chance(40) {
            let days = self.dice.random_range(1..367);
            let first = today - TimeDelta::days(days - 1);
            let query = format!("period_days={days}&time_zone={name}");
            return (Days { zone, first, last: today, today }, query);
        }
        let mut pair =
            [*self.days.choose(&mut self.dice).unwrap(), *self.days.choose(&mut self.dice).unwrap()];
        pair.sort();
        let [first, last] = pair;
        (Days { zone, first, last, today }, format!("from={first}&until={last}&time_zone={name}"))
    }

    pub(super) fn other_zone(&mut self) -> &'static str {
        ZONES.choose(&mut self.dice).unwrap()
    }

    pub(super) fn label(&self) -> String {
        format!("(seed {}, {})", self.seed, self.zone.name())
    }
}
