//! The reference: what the figures of a period are, worked out from the raw history in plain loops. Shares no line with
//! the server.
//!
//! Length: one walk through a history and what comes of it, in one place to be read against the contract.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use serde_json::Value;
use uuid::Uuid;

use super::history::{Assignment, Conversation, History, Lead, Word};

/// Upper bounds in seconds.
const BUCKETS: [i64; 7] = [60, 300, 900, 1800, 3600, 14_400, 86_400];

/// What somebody did.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Expected {
    first_response: Vec<i64>,
    first_response_own: Vec<i64>,
    response: Vec<i64>,
    closed_unanswered: i64,
    silences: i64,
    followed_up: i64,
    leads: i64,
    contacted: i64,
    won_of_leads: i64,
    won: i64,
    lost: i64,
    assigned: i64,
    latencies: Vec<i64>,
    taken_away: i64,
    sent: i64,
    received: i64,
    days: BTreeSet<NaiveDate>,
    open: i64,
    active: i64,
    waiting: i64,
    pipeline: BTreeMap<&'static str, (i64, i64)>,
}

/// Days of a zone, half-open.
#[derive(Debug, Clone, Copy)]
pub(super) struct Days {
    pub(super) zone: Tz,
    pub(super) first: NaiveDate,
    pub(super) last: NaiveDate,
    /// The day on which it is asked.
    pub(super) today: NaiveDate,
}

impl Days {
    fn day(&self, at: DateTime<Utc>) -> NaiveDate {
        at.with_timezone(&self.zone).date_naive()
    }

    fn hold(&self, at: DateTime<Utc>) -> bool {
        (self.first..=self.last).contains(&self.day(at))
    }
}

fn seconds(from: DateTime<Utc>, to: DateTime<Utc>) -> i64 {
    (to - from).num_microseconds().unwrap().div_euclid(1_000_000)
}

impl History {
    fn lead(&self, id: Option<Uuid>) -> Option<&Lead> {
        self.leads.iter().find(|lead| Some(lead.id) == id)
    }

    /// Figures by seller; of `None`: nobody's.
    pub(super) fn expect(&self, days: &Days) -> BTreeMap<Option<Uuid>, Expected> {
        let mut all: BTreeMap<Option<Uuid>, Expected> = BTreeMap::new();
        for conversation in &self.conversations {
            let lead = self.lead(conversation.lead);
            if lead.is_none_or(Lead::counts) {
                self.walk(conversation, lead, days, &mut all);
            }
        }
        for lead in self.leads.iter().filter(|lead| lead.counts()) {
            let own = all.entry(lead.owner).or_default();
            if days.hold(lead.created_at) {
                own.leads += 1;
                own.contacted += i64::from(lead.first_response_at.is_some());
                own.won_of_leads += i64::from(lead.status == "won");
                let is_open = !matches!(lead.status, "won" | "lost" | "archived");
                if let Some((amount, currency)) = lead.amount.filter(|amount| is_open && amount.0 > 0) {
                    let sum = own.pipeline.entry(currency).or_default();
                    *sum = (sum.0 + 1, sum.1 + amount);
                }
            }
            if days.hold(lead.status_changed_at) {
                own.won += i64::from(lead.status == "won");
                own.lost += i64::from(lead.status == "lost");
            }
        }
        for (number, assignment) in self.assignments.iter().enumerate() {
            self.assign(number, assignment, days, &mut all);
        }
        all
    }

    fn assign(
        &self,
        number: usize,
        assignment: &Assignment,
        days: &Days,
        all: &mut BTreeMap<Option<Uuid>, Expected>,
    ) {
        let conversation = self.conversations.iter().find(|one| Some(one.id) == assignment.conversation);
        let lead = self.lead(assignment.lead.or(conversation.and_then(|one| one.lead)));
        if !lead.is_none_or(Lead::counts) || !days.hold(assignment.at) {
            return;
        }
        let first = self.assignments.iter().position(|one| one.lead == assignment.lead);
        if let Some(to) = assignment.to {
            let own = all.entry(Some(to)).or_default();
            own.assigned += 1;
            if assignment.lead.is_some() && first == Some(number) {
                own.latencies.push(seconds(lead.unwrap().created_at, assignment.at));
            }
        }
        if let Some(from) = assignment.from {
            all.entry(Some(from)).or_default().taken_away += 1;
        }
    }

    fn walk(
        &self,
        conversation: &Conversation,
        lead: Option<&Lead>,
        days: &Days,
        all: &mut BTreeMap<Option<Uuid>, Expected>,
    ) {
        let mut asked: Option<DateTime<Utc>> = None;
        let mut episode = 0;
        let mut is_answered = false;
        self.silences(conversation, days, all);
        for &(at, word) in &conversation.words {
            match word {
                Word::Lead => {
                    asked = asked.or(Some(at));
                    if days.hold(at) {
                        all.entry(None).or_default().received += 1;
                    }
                }
                Word::Person(person) => {
                    let own = all.entry(Some(person)).or_default();
                    if days.hold(at) {
                        own.sent += 1;
                        own.days.insert(days.day(at));
                        own.response.extend(asked.map(|asked| seconds(asked, at)));
                    }
                    if !is_answered && (asked.is_some() || episode == 0) {
                        is_answered = true;
                        let start = asked.or(lead.map(|lead| lead.created_at)).filter(|start| *start <= at);
                        if let (Some(start), true) = (start, days.hold(at)) {
                            own.first_response.push(seconds(start, at));
                            let theirs = self.last_given(conversation, person, at);
                            own.first_response_own.push(seconds(theirs.map_or(start, |t| t.max(start)), at));
                        }
                    }
                    asked = None;
                }
                Word::Closed => {
                    if asked.is_some() && days.hold(at) {
                        all.entry(conversation.owner).or_default().closed_unanswered += 1;
                    }
                    asked = None;
                }
                Word::Reopened => {
                    asked = None;
                    episode += 1;
                    is_answered = false;
                }
                Word::Bot | Word::Failed(_) => {}
            }
        }
        if !conversation.is_closed() {
            let own = all.entry(conversation.owner).or_default();
            own.open += 1;
            let since = days.today - chrono::TimeDelta::days(6);
            own.active += i64::from(days.day(conversation.last_message_at()) >= since);
            own.waiting += i64::from(asked.is_some());
        }
    }

    /// A day after a person's word without any: whose, and whether the next word came from us.
    fn silences(&self, conversation: &Conversation, days: &Days, all: &mut BTreeMap<Option<Uuid>, Expected>) {
        let heard: Vec<_> = conversation
            .words
            .iter()
            .filter(|(_, word)| !matches!(word, Word::Bot | Word::Failed(_)))
            .collect();
        for (number, (at, word)) in heard.iter().enumerate() {
            let Word::Person(person) = word else { continue };
            let (over, next) = (*at + chrono::TimeDelta::hours(24), heard.get(number + 1));
            if next.is_some_and(|(at, _)| *at <= over) || !days.hold(over) {
                continue;
            }
            let own = all.entry(Some(*person)).or_default();
            own.silences += 1;
            own.followed_up += i64::from(next.is_some_and(|(_, word)| matches!(word, Word::Person(_))));
        }
    }

    /// When the person was given it last.
    fn last_given(
        &self,
        conversation: &Conversation,
        person: Uuid,
        until: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        let about = |one: &&Assignment| {
            one.lead.is_some() && one.lead == conversation.lead || one.conversation == Some(conversation.id)
        };
        let given =
            self.assignments.iter().filter(about).filter(|one| one.to == Some(person) && one.at <= until);
        given.map(|one| one.at).max()
    }
}

impl Expected {
    /// Everybody's together.
    pub(super) fn total(all: &BTreeMap<Option<Uuid>, Self>) -> (Self, i64) {
        let mut total = Self::default();
        for own in all.values() {
            let mut own = own.clone();
            total.first_response.append(&mut own.first_response);
            total.first_response_own.append(&mut own.first_response_own);
            total.response.append(&mut own.response);
            total.latencies.append(&mut own.latencies);
            total.closed_unanswered += own.closed_unanswered;
            total.silences += own.silences;
            total.followed_up += own.followed_up;
            total.leads += own.leads;
            total.contacted += own.contacted;
            total.won_of_leads += own.won_of_leads;
            total.won += own.won;
            total.lost += own.lost;
            total.assigned += own.assigned;
            total.taken_away += own.taken_away;
            total.sent += own.sent;
            total.received += own.received;
            total.open += own.open;
            total.active += own.active;
            total.waiting += own.waiting;
            for (currency, (n, sum)) in own.pipeline {
                let all = total.pipeline.entry(currency).or_default();
                *all = (all.0 + n, all.1 + sum);
            }
        }
        (total, all.values().map(|own| own.days.len() as i64).sum())
    }

    /// Compares with an answer, figure by figure.
    pub(super) fn assert_is(&self, answer: &Value, active_days: i64, of_team: bool, label: &str) {
        let is = |name: &str, given: &Value, expected: Value| {
            assert_eq!(*given, expected, "{name} {label}");
        };
        for (name, durations) in [
            ("first_response", &self.first_response),
            ("first_response_own", &self.first_response_own),
            ("response", &self.response),
            ("assignment_latency", &self.latencies),
        ] {
            let given = &answer[name];
            is(name, &given["n"], durations.len().into());
            is(name, &given["buckets"], buckets(durations).to_vec().into());
            let sum: i64 = durations.iter().sum();
            let mean = (!durations.is_empty()).then(|| sum as f64 / durations.len() as f64);
            is(name, &given["mean_seconds"], mean.map_or(Value::Null, Value::from));
        }
        let within = self.response.iter().filter(|seconds| **seconds <= 86_400).count() as i64;
        let responses = self.response.len() as i64;
        for (name, n, of) in [
            ("response_rate_24h", within, responses + self.closed_unanswered),
            ("follow_up_rate", self.followed_up, self.silences),
            ("contact_rate", self.contacted, self.leads),
            ("conversion_rate", self.won_of_leads, self.leads),
            ("win_rate", self.won, self.won + self.lost),
            ("reassignment_rate", self.taken_away, self.assigned),
        ] {
            is(name, &answer[name]["n"], n.into());
            is(name, &answer[name]["of"], of.into());
            let rate = (of > 0).then(|| n as f64 / of as f64);
            is(name, &answer[name]["rate"], rate.map_or(Value::Null, Value::from));
        }
        for (name, expected) in [
            ("assignments", self.assigned),
            ("messages_sent", self.sent),
            ("active_days", active_days),
            ("closed_unanswered", self.closed_unanswered),
            ("open_conversations", self.open),
            ("active_conversations", self.active),
            ("unanswered", self.waiting),
        ] {
            is(name, &answer[name], expected.into());
        }
        let received = if of_team { self.received.into() } else { Value::Null };
        is("messages_received", &answer["messages_received"], received);
        let pipeline: Vec<(String, i64, String)> = self
            .pipeline
            .iter()
            .map(|(currency, (n, sum))| {
                ((*currency).to_owned(), *n, format!("{}.{:02}", sum / 100, sum % 100))
            })
            .collect();
        let given: Vec<(String, i64, String)> = answer["pipeline"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| {
                let text = |name: &str| one[name].as_str().unwrap().to_owned();
                (text("currency"), one["n"].as_i64().unwrap(), text("amount"))
            })
            .collect();
        assert_eq!(given, pipeline, "pipeline {label}");
    }

    pub(super) fn days(&self) -> i64 {
        self.days.len() as i64
    }
}

fn buckets(durations: &[i64]) -> [i64; 8] {
    let mut buckets = [0; 8];
    for seconds in durations {
        buckets[BUCKETS.iter().filter(|bound| seconds > bound).count()] += 1;
    }
    buckets
}
