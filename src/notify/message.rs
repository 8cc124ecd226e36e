//! What a chat is told: Slack's JSON (`text` for notifications, `blocks` for the message), which others read too.
//! Source: Slack, "Sending messages using incoming webhooks" and "Formatting text for app surfaces".

use phases::engine::event::Ending;
use phases::engine::failure::CheckOutcome;
use phases::plan::Plan;
use serde_json::{Value, json};

use crate::environment::tables::NotifyEvent;
use crate::report::grouped::{Group, by_owner};
use crate::report::result::{CheckView, RunResult};
use crate::report::summary;
use crate::terminal::seconds;

/// A message as it is posted.
pub type Message = Value;

/// Slack cuts a section at 3,000 characters.
const LONGEST: usize = 2_800;
/// Characters of a line about a check.
const LINE: usize = 300;
/// Checks that are listed per owner.
const LISTED: usize = 10;

/// What kind of message tells this ending.
pub fn kind(result: &RunResult) -> NotifyEvent {
    match result.ending {
        Some(Ending::Deployed | Ending::Done) => NotifyEvent::Succeeded,
        Some(Ending::RolledBack) => NotifyEvent::RolledBack,
        Some(Ending::Stuck) => NotifyEvent::Stuck,
        Some(Ending::Failed | Ending::Refused | Ending::Interrupted) | None => NotifyEvent::Failed,
    }
}

/// A run begins.
pub fn began(run: &str, plan: &Plan, holder: &str) -> Message {
    let target = plan.target.as_ref().map_or(String::new(), |target| format!(": {}", target.id));
    let headline = format!("{} of {} began{target}", plan.verb, plan.environment);
    let before = plan.previous.as_ref().map_or(String::new(), |id| format!(" · before: {id}"));
    message(&format!("▶️ {headline}"), Vec::new(), &format!("run {run} · by {holder}{before}"))
}

/// A run is over: what failed by owner, the next command, whom to call.
pub fn ended(result: &RunResult) -> Message {
    let mark = match kind(result) {
        NotifyEvent::Started | NotifyEvent::Succeeded => "✅",
        NotifyEvent::RolledBack => "↩️",
        NotifyEvent::Failed => "❌",
        NotifyEvent::Stuck => "🆘",
    };
    let mut sections = Vec::new();
    if let Some(failure) = &result.failure {
        sections.push(format!("*Cause:* {}", escape(&failure.message)));
        sections.extend(failure.hint.iter().map(|hint| format!("*Hint:* {}", escape(hint))));
    }
    sections.extend(by_owner(result).iter().filter(|group| !group.unmet.is_empty()).map(group));
    sections.extend(result.next.iter().map(|next| format!("*Next:* `{}`", code(next))));
    if !result.contacts.is_empty() {
        let who = result.contacts.iter().map(|(role, who)| format!("{}: {}", escape(role), escape(who)));
        sections.push(format!("*Contacts:* {}", who.collect::<Vec<_>>().join(" · ")));
    }
    let context = format!("run {} · {}", result.run, seconds(result.worked()));
    message(&format!("{mark} {}", summary::headline(result)), sections, &context)
}

fn group(group: &Group<'_>) -> String {
    let mut lines = vec![format!("*For {}*", escape(&group.title()))];
    lines.extend(group.unmet.iter().take(LISTED).map(|check| line(check)));
    let left = group.unmet.len().saturating_sub(LISTED);
    if left > 0 {
        lines.push(format!("and {left} more"));
    }
    lines.join("\n")
}

fn line(check: &CheckView) -> String {
    let mark = if check.outcome == CheckOutcome::Failed { "✗" } else { "?" };
    let expected = check.expected.as_deref().unwrap_or("an answer");
    let said = format!("{mark} {}: expected {expected}, got {}", check.check, check.actual());
    let hint = check.hint.as_ref().map_or(String::new(), |hint| format!(" → {hint}"));
    escape(&cut(&format!("{said}{hint}"), LINE))
}

fn message(headline: &str, sections: Vec<String>, context: &str) -> Message {
    let text = |text: &str| json!({ "type": "mrkdwn", "text": cut(text, LONGEST) });
    let mut blocks = vec![json!({ "type": "section", "text": text(&format!("*{}*", escape(headline))) })];
    blocks.extend(sections.iter().map(|section| json!({ "type": "section", "text": text(section) })));
    blocks.push(json!({ "type": "context", "elements": [text(&escape(context))] }));
    json!({ "text": escape(headline), "blocks": blocks })
}

/// The three characters that Slack gives a meaning; so nobody is called by `<!channel>` in a log line.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn code(text: &str) -> String {
    escape(&text.replace('`', "'"))
}

fn cut(text: &str, most: usize) -> String {
    let mut characters = text.chars();
    let beginning: String = characters.by_ref().take(most).collect();
    if characters.next().is_some() { format!("{beginning}…") } else { beginning }
}
