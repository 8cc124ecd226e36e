//! Are the migration files complete, and are the required ones among them?

use phases::engine::failure::CheckEvidence;

use super::Line;
use crate::site::{Site, database};
use crate::source::Source;

/// Numbers, completeness (already parsed with the source), required versions.
pub async fn ask(site: &Site, source: &Source) -> Vec<CheckEvidence> {
    let mut lines = files(site, source);
    lines.extend(database::drift(site).await.into_iter().map(|drift| drifted(&drift)));
    lines
}

/// An applied migration is history: what does not fit it any more is refused before anything is built.
fn drifted(drift: &::migrate::Drift) -> CheckEvidence {
    let line = Line::new("drift", "dev");
    let (message, hint) = (drift.message.clone(), drift.hint.clone());
    if drift.blocks() {
        line.failed("files and database agree", message, hint)
    } else {
        line.warned(message, hint)
    }
}

fn files(site: &Site, source: &Source) -> Vec<CheckEvidence> {
    let line = Line::new("migrations", "dev");
    let release = &source.release;
    let present: Vec<i64> = release.migrations.iter().map(|pin| pin.version).collect();
    let missing: Vec<String> = site
        .environment
        .facts
        .required_migrations
        .iter()
        .filter(|required| !present.contains(required))
        .map(|required| format!("{required:03}"))
        .collect();
    if missing.is_empty() {
        let newest = release
            .migrations
            .last()
            .map_or("none".to_owned(), |pin| format!("{:03}_{}", pin.version, pin.name));
        return vec![line.passed(format!("{} complete (up, down, verify), newest {newest}", present.len()))];
    }
    let place = format!("config/environments/{}.toml", site.environment.facts.name);
    vec![line.failed(
        format!("{} in {}", missing.join(", "), crate::source::MIGRATIONS),
        "missing".to_owned(),
        format!("switch to a commit that has them, or correct `required_migrations` in `{place}`"),
    )]
}
