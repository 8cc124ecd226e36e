//! Can the database be reached, or started?

use phases::engine::failure::CheckEvidence;
use phases::observed::DatabaseState;

use super::Line;
use crate::site::{Site, database};

/// What stands there now.
pub async fn ask(site: &Site) -> Vec<CheckEvidence> {
    let line = Line::new("database", "ops");
    vec![match database::state(site).await {
        DatabaseState::Absent => line.passed("private PostgreSQL, started by migrate"),
        DatabaseState::Ready { applied, .. } => {
            let newest =
                applied.last().map_or("empty".to_owned(), |version| format!("at migration {version:03}"));
            line.passed(format!("answers, {newest}"))
        }
        DatabaseState::Unreachable { reason } => {
            let hint = if site.environment.database.embedded {
                format!("read the log: `{}`", site.state.logs().join("postgres.log").display())
            } else {
                "look at the DSN in the secrets file and at the server".to_owned()
            };
            line.failed("a database that answers", reason, hint)
        }
    }]
}
