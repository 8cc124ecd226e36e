//! What changed since the release that served before.

use maud::{Markup, html};

use super::cut;
use super::room::Room;
use crate::report::result::Changes;

/// Migrations that are listed, and bytes of commits.
const LISTED: usize = 15;
const ROOM: usize = 30_000;

pub(super) fn section(changes: &Changes) -> Markup {
    let count = changes.commits.len() as u64 + changes.more_commits;
    let (commits, _) = Room::of(ROOM).fill(changes.commits.iter().map(|commit| {
        html! { li { code { (cut(&commit.id)) } " " (cut(&commit.subject)) small { (cut(&commit.author)) } } }
    }));
    html! {
        section {
            h2 { @if changes.taken_back { "What was taken back" } @else { "What changed" } }
            dl {
                dt { "commits" }
                dd {
                    @match &changes.commits_unknown {
                        Some(cause) => { "not known: " (cut(cause)) }
                        None if count == 0 => { "none" }
                        None => { (count) }
                    }
                }
                dt { "migrations" }
                dd {
                    @if changes.migrations.is_empty() { "none" }
                    @for (index, name) in changes.migrations.iter().take(LISTED).enumerate() {
                        @if index > 0 { ", " }
                        (cut(name))
                    }
                    @if changes.migrations.len() > LISTED { " …" }
                }
                dt { "configuration" }
                dd {
                    @match changes.configuration_changed {
                        Some(true) => { b.warn { "changed" } }
                        Some(false) => { "the same" }
                        None => { "not known" }
                    }
                }
            }
            @if !changes.commits.is_empty() {
                ol.commits {
                    (commits)
                }
                @if changes.more_commits > 0 { p.more { "and " (changes.more_commits) " more" } }
            }
        }
    }
}
