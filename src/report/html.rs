//! One self-contained page: no script, no other resource, readable on a phone, in the dark and on paper. Templates
//! escape everything by themselves; what may grow without end is cut, so that the page stays under 500 kB.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::json::FailureView;
use super::result::{Mood, RunResult};
use super::summary;
use crate::terminal::seconds;

mod changes;
mod chart;
mod checks;
mod load;
mod room;
mod timeline;

use room::Room;

const STYLE: &str = include_str!("html/style.css");
/// What a browser may do with this page: apply the style inside it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
/// Log lines of a failure with their bytes, what crmctl says beside them, and characters of any text.
const DETAIL_LINES: usize = 60;
const DETAIL_BYTES: usize = 50_000;
const SAID_LINES: usize = 6;
const LONGEST: usize = 400;

/// The page.
pub fn render(result: &RunResult) -> String {
    let title = summary::headline(result);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body class=(mood(result)) {
                (header(result, &title))
                main {
                    @if let Some(failure) = &result.failure { (cause(failure)) }
                    (checks::unmet(result))
                    (ways_on(result))
                    @if let Some(failure) = &result.failure { (log(failure)) }
                    (facts(result))
                    (timeline::section(result))
                    @if let Some(changes) = &result.changes { (changes::section(changes)) }
                    @for load in result.loads.values() { (load::section(load)) }
                    (checks::passed(result))
                }
                footer { "crmctl · run " (result.run) " · written from the journal of " (result.environment) }
            }
        }
    };
    page.into_string()
}

const fn mood(result: &RunResult) -> &'static str {
    match result.mood() {
        Mood::Good => "good",
        Mood::Open => "open",
        Mood::Bad => "bad",
    }
}

fn header(result: &RunResult, title: &str) -> Markup {
    let mark = match result.mood() {
        Mood::Good => "✓",
        Mood::Open => "!",
        Mood::Bad => "✗",
    };
    html! {
        header {
            span.mark aria-hidden="true" { (mark) }
            div {
                h1 { (cut(title)) }
                p {
                    (result.verb) " of " b { (result.environment) } " · " (moment(&result.started_at))
                    @if let Some(actor) = &result.actor { " · by " (cut(actor)) }
                    @if let Some(code) = result.exit_code { " · exit code " (code) }
                }
            }
        }
    }
}

fn cause(failure: &FailureView) -> Markup {
    html! {
        section.cause {
            h2 { "Cause" }
            p { (prose(&failure.message)) }
            @if let Some(hint) = &failure.hint { p.hint { "→ " (prose(hint)) } }
            @for line in said(failure) { p.small { (prose(line)) } }
        }
    }
}

/// What crmctl itself says about a failure; releases log JSON.
fn said(failure: &FailureView) -> impl Iterator<Item = &String> {
    failure.detail.iter().filter(|line| !line.starts_with('{')).take(SAID_LINES)
}

fn log(failure: &FailureView) -> Markup {
    let visible = said(failure).count();
    if failure.detail.len() == visible {
        return html! {};
    }
    let last = failure.detail.iter().rev().take(DETAIL_LINES).rev();
    let (lines, _) = Room::of(DETAIL_BYTES).fill(last.map(|line| html! { (cut(line)) "\n" }));
    html! {
        section {
            details {
                summary { "Last lines of the log" }
                pre { (lines) }
            }
        }
    }
}

fn ways_on(result: &RunResult) -> Markup {
    html! {
        section.next {
            @if let Some(next) = &result.next {
                div {
                    h2 { "Next" }
                    p { code { (next) } @if let Some(other) = &result.alternative { " or " code { (other) } } }
                }
            }
            @if !result.contacts.is_empty() {
                div {
                    h2 { "Contacts" }
                    ul { @for (role, who) in &result.contacts { li { b { (cut(role)) } " " (cut(who)) } } }
                }
            }
            @if let Some(holder) = &result.held_by {
                div { h2 { "At work" } p { (cut(holder)) } }
            }
        }
    }
}

fn facts(result: &RunResult) -> Markup {
    let digest = result.release.as_ref().and_then(|release| release.digest.as_deref());
    html! {
        section {
            h2 { "Release" }
            dl {
                @if let Some(release) = &result.release {
                    dt { "release" } dd { code { (release.id) } }
                    @if let Some(commit) = &release.commit { dt { "commit" } dd { code { (commit) } } }
                    @if let Some(digest) = digest { dt { "digest" } dd { code { (digest) } } }
                }
                @if let Some(previous) = &result.previous { dt { "before" } dd { code { (previous.id) } } }
                @if let Some(address) = &result.address { dt { "address" } dd { (cut(address)) } }
                dt { "run" } dd { code { (result.run) } }
                dt { "took" } dd { (seconds(result.worked())) }
            }
        }
    }
}

/// `2026-11-24 20:35:01 UTC`.
fn moment(at: &str) -> String {
    let parsed = chrono::DateTime::parse_from_rfc3339(at);
    parsed.map_or_else(|_| cut(at), |at| at.to_utc().format("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// A text whose parts in backticks are code.
fn prose(text: &str) -> Markup {
    let text = cut(text);
    if text.matches('`').count() % 2 == 1 {
        return html! { (text) };
    }
    html! {
        @for (index, part) in text.split('`').enumerate() {
            @if index % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// A text in a length that a page can bear.
fn cut(text: &str) -> String {
    let mut characters = text.chars();
    let beginning: String = characters.by_ref().take(LONGEST).collect();
    if characters.next().is_some() { format!("{beginning}…") } else { beginning }
}
