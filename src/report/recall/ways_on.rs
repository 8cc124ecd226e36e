//! The next command of a run, as it named it itself at its end, or as its lack of an end calls for.

use phases::engine::event::Ending;
use phases::engine::history;
use phases::engine::journal::Record;
use phases::engine::resume::Progress;

/// The ways on from a run without end, when it is the one that `resume` would take up.
pub(super) fn unfinished(records: &[Record], run: &str, name: &str) -> (Option<String>, Option<String>) {
    match history::unfinished(records) {
        Ok(Some(open)) if open.run == run => {
            let back = Progress::touched(&open).then(|| format!("crmctl rollback {name}"));
            (Some(format!("crmctl resume {name}")), back)
        }
        Ok(_) | Err(_) => (Some(format!("crmctl status {name}")), None),
    }
}

/// The command that the run itself named at its end.
pub(super) fn next(ending: Ending, exit_code: Option<u8>, name: &str) -> String {
    let verb = match (ending, exit_code) {
        (_, Some(30 | 31)) => "smoke",
        (Ending::Refused, _) => "preflight",
        (Ending::Interrupted, _) => "deploy",
        _ => "status",
    };
    format!("crmctl {verb} {name}")
}
