//! Is there room for a build, a release and the database?

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use phases::engine::failure::CheckEvidence;
use phases::environment::BuildSource;

use super::Line;
use crate::site::Site;
use crate::source::Source;

const MIB: u64 = 1024 * 1024;
/// A release, the database's write-ahead log and logs, with room to go back.
const STATE_BYTES: u64 = 1024 * MIB;
/// A cold release build of the backend.
const BUILD_BYTES: u64 = 3 * 1024 * MIB;

/// What the database writes while a migration runs, where it lies on a file system of its own.
const DATABASE_BYTES: u64 = 512 * MIB;

/// Free space where the state lives, where the database lies and where the compiler writes.
pub fn ask(site: &Site, source: &Source) -> Vec<CheckEvidence> {
    let mut lines = vec![room("disk", "ops", site.state.root(), STATE_BYTES)];
    // Through the link, when it is one: root's state may lie where the server's user cannot go.
    let database = std::fs::canonicalize(site.state.postgres()).ok();
    if let Some(database) = database.filter(|_| site.environment.database.embedded)
        && device(&database) != device(site.state.root())
    {
        lines.push(room("disk-database", "ops", &database, DATABASE_BYTES));
    }
    if matches!(site.environment.facts.build, BuildSource::Profile(_)) {
        lines.push(room("disk-build", "dev", &source.checkout.root, BUILD_BYTES));
    }
    lines
}

fn device(directory: &Path) -> Option<u64> {
    std::fs::metadata(directory).ok().map(|found| found.dev())
}

fn room(name: &'static str, owner: &'static str, directory: &Path, least: u64) -> CheckEvidence {
    let line = Line::new(name, owner);
    let existing = directory.ancestors().find(|parent| parent.exists()).unwrap_or(Path::new("/"));
    let expected = format!("{} MiB free for `{}`", least / MIB, directory.display());
    match rustix::fs::statvfs(existing) {
        Ok(stat) => {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            let said = format!("{} MiB free", free / MIB);
            if free >= least {
                line.passed(said)
            } else {
                line.failed(
                    expected,
                    said,
                    format!("make room on the file system of `{}`", existing.display()),
                )
            }
        }
        Err(error) => line.failed(expected, error.to_string(), format!("look at `{}`", existing.display())),
    }
}
