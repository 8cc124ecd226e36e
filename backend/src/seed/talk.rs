//! One conversation of the seed: who wrote what and when, and who waits for an answer. Pure.

use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

use super::dice::Dice;
use super::vocabulary::{AUTO_REPLY, FOLLOW_UPS, SCRIPTS, Voice};

/// Percent of words of a seller after which the lead falls silent for a while.
const SILENCES: u32 = 4;

/// One message.
pub(crate) struct Message {
    pub(crate) inbound: bool,
    pub(crate) author: &'static str,
    pub(crate) author_id: Option<Uuid>,
    pub(crate) body: String,
    pub(crate) delivery: &'static str,
    pub(crate) at: DateTime<Utc>,
}

/// What a conversation is about.
pub(crate) struct Setting<'a> {
    pub(crate) lead_name: &'a str,
    pub(crate) campaign: &'a str,
    /// Who answers, since when; nobody: the lead writes alone.
    pub(crate) seller: Option<(Uuid, &'a str, DateTime<Utc>)>,
    pub(crate) start: DateTime<Utc>,
    pub(crate) now: DateTime<Utc>,
    /// Messages aimed at.
    pub(crate) length: i64,
    /// Whether the last word stays with the lead.
    pub(crate) left_waiting: bool,
}

/// Writes the messages of a conversation, in order of time, none later than `now`, the first inbound.
pub(crate) fn write(dice: &mut Dice, setting: &Setting<'_>) -> Vec<Message> {
    let mut messages = vec![];
    let mut at = setting.start;
    let first_script = usize::try_from(dice.between(0, 99)).unwrap_or(0);
    let scripts = (0..).map(|n| SCRIPTS[(first_script + n) % SCRIPTS.len()]);
    for (voice, line) in scripts.flatten().take(usize::try_from(setting.length).unwrap_or(1).max(1)) {
        let message = match (voice, setting.seller) {
            (Voice::Lead, _) => from_lead(line, setting, at),
            (Voice::Seller, Some((id, name, since))) => {
                at = at.max(since);
                let delivery = if dice.chance(2) { "failed" } else { "read" };
                from_seller(fill(line, setting, name), id, delivery, at)
            }
            (Voice::Seller, None) if messages.len() == 1 => Message {
                inbound: false,
                author: "bot",
                author_id: None,
                body: AUTO_REPLY.to_owned(),
                delivery: "delivered",
                at,
            },
            (Voice::Seller, None) => break,
        };
        if at > setting.now {
            break;
        }
        let is_word_of_seller = message.author == "user" && message.delivery == "read";
        messages.push(message);
        if let (true, true, Some((id, name, _))) = (is_word_of_seller, dice.chance(SILENCES), setting.seller)
        {
            at += silence(dice);
            if at > setting.now {
                break;
            }
            let line: &str = dice.pick::<&str>(FOLLOW_UPS);
            messages.push(from_seller(fill(line, setting, name), id, "read", at));
        }
        at += pause(dice);
    }
    if messages.is_empty() {
        messages.push(from_lead(SCRIPTS[0][0].1, setting, setting.start.min(setting.now)));
    }
    settle_end(&mut messages, setting.left_waiting);
    messages
}

/// The first human reply that came through.
pub(crate) fn first_reply(messages: &[Message]) -> Option<DateTime<Utc>> {
    messages
        .iter()
        .find(|message| message.author == "user" && message.delivery != "failed")
        .map(|message| message.at)
}

/// Since when a human answer is due: the first inbound message after the last human reply that arrived.
pub(crate) fn waiting_since(messages: &[Message]) -> Option<DateTime<Utc>> {
    let answered =
        messages.iter().rposition(|message| message.author == "user" && message.delivery != "failed");
    let open = &messages[answered.map_or(0, |last| last + 1)..];
    open.iter().find(|message| message.inbound).map(|message| message.at)
}

/// Cuts the end so that the lead waits, or does not, as far as there was an answer at all.
fn settle_end(messages: &mut Vec<Message>, left_waiting: bool) {
    let answered = |messages: &[Message]| waiting_since(messages).is_none();
    while messages.len() > 1 && answered(messages) == left_waiting {
        if !left_waiting
            && !messages.iter().any(|message| message.author == "user" && message.delivery != "failed")
        {
            return;
        }
        messages.pop();
    }
}

fn from_lead(line: &str, setting: &Setting<'_>, at: DateTime<Utc>) -> Message {
    let body = fill(line, setting, "");
    Message { inbound: true, author: "lead", author_id: None, body, delivery: "delivered", at }
}

fn from_seller(body: String, id: Uuid, delivery: &'static str, at: DateTime<Utc>) -> Message {
    Message { inbound: false, author: "user", author_id: Some(id), body, delivery, at }
}

fn fill(line: &str, setting: &Setting<'_>, seller: &str) -> String {
    line.replace("{lead}", setting.lead_name)
        .replace("{seller}", seller)
        .replace("{campaign}", setting.campaign)
}

/// Time that a lead says nothing, until the seller asks again: a day or two.
fn silence(dice: &mut Dice) -> Duration {
    Duration::minutes(dice.between(25 * 60, 60 * 60))
}

/// Time until the next message: mostly minutes, sometimes hours.
fn pause(dice: &mut Dice) -> Duration {
    let (low, high) =
        dice.weighted(&[((30, 280), 45), ((280, 1_700), 30), ((1_700, 7_000), 17), ((7_000, 40_000), 8)]);
    Duration::seconds(dice.between(low, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(seller: Option<(Uuid, &'static str, DateTime<Utc>)>, left_waiting: bool) -> Setting<'static> {
        let now = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
        let start = now - Duration::days(9);
        Setting { lead_name: "Sofía", campaign: "Campaña", seller, start, now, length: 12, left_waiting }
    }

    #[test]
    fn who_is_left_waiting_waits_and_nobody_else() {
        let seller = Some((Uuid::nil(), "Martín", DateTime::UNIX_EPOCH));
        for start in 0..200 {
            let waiting = write(&mut Dice::new(start), &setting(seller, true));
            assert!(waiting_since(&waiting).is_some());
            let answered = write(&mut Dice::new(start), &setting(seller, false));
            assert!(waiting_since(&answered).is_none());
            assert!(answered.is_sorted_by_key(|message| message.at) && answered[0].inbound);
        }
    }

    #[test]
    fn some_silences_are_followed_up() {
        let seller = Some((Uuid::nil(), "Martín", DateTime::UNIX_EPOCH));
        let asked_again = |start| {
            let messages = write(&mut Dice::new(start), &setting(seller, false));
            messages.windows(2).any(|pair| {
                pair.iter().all(|message| message.author == "user")
                    && pair[1].at - pair[0].at > Duration::hours(24)
            })
        };
        assert!((10..100).contains(&(0..200).filter(|start| asked_again(*start)).count()));
    }

    #[test]
    fn bot_and_failed_replies_leave_the_lead_waiting() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        let message = |inbound, author, delivery, seconds| Message {
            inbound,
            author,
            author_id: None,
            body: String::new(),
            delivery,
            at: at(seconds),
        };
        let messages = [
            message(true, "lead", "delivered", 1),
            message(false, "user", "read", 2),
            message(true, "lead", "delivered", 3),
            message(false, "bot", "delivered", 4),
            message(false, "user", "failed", 5),
            message(true, "lead", "delivered", 6),
        ];
        assert_eq!(waiting_since(&messages), Some(at(3)));
        assert_eq!(waiting_since(&messages[..2]), None);
    }

    #[test]
    fn unassigned_conversation_has_no_human_reply() {
        let messages = write(&mut Dice::new(7), &setting(None, false));
        assert!(messages.iter().all(|message| message.author != "user"));
        assert!(waiting_since(&messages).is_some());
    }
}
