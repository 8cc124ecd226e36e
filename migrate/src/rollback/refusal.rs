//! Why a revert is refused, all reasons at once, and which consent would lift each.

use std::fmt;

use chrono::{DateTime, Utc};

use super::Loss;
use crate::error::SqlFailure;

/// A refused revert. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The migration.
    pub version: i64,
    /// Everything that speaks against it.
    pub reasons: Vec<Reason>,
}

/// One reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// It is not applied.
    NotApplied {
        /// When we reverted it, if we did.
        reverted_at: Option<DateTime<Utc>>,
    },
    /// Another tool applied it, so no way back was stored.
    NoWayBack,
    /// The way back stored at apply time is not the down file of today, or was changed in the database.
    DownDiffers {
        /// The down file.
        file: String,
    },
    /// It was declared irreversible.
    Irreversible {
        /// The declared reason.
        because: String,
    },
    /// Other objects stand on what it made. No consent lifts this.
    Dependents {
        /// Later migrations and the objects of theirs that would go, by kind and name.
        later: Vec<(i64, Vec<String>)>,
        /// The server's own list, when it refused to drop something.
        server: Option<String>,
    },
    /// A serving or kept release needs it.
    Serving {
        /// Release ids.
        releases: Vec<String>,
    },
    /// Rows would be lost.
    Loss {
        /// Where.
        losses: Vec<Loss>,
        /// How many in all.
        rows: u64,
        /// How many were consented to.
        accepted: Option<u64>,
    },
    /// Trying the way back took too long, so what would be lost is not known yet.
    NotMeasured,
    /// The way back does not run.
    DownFails(Box<SqlFailure>),
    /// The way back took rows from a table it had left alone when it was tried a moment before.
    DownUnsteady {
        /// The table.
        table: String,
    },
    /// The way back runs and leaves in place what the migration made.
    DownLeaves {
        /// What stays, by kind and name.
        objects: Vec<String>,
    },
}

impl Reason {
    /// The flag that lifts this reason.
    #[must_use]
    pub fn consent(&self) -> Option<String> {
        match self {
            Self::Serving { .. } => Some("--while-serving".to_owned()),
            Self::Loss { rows, .. } => Some(format!("--accept-loss {rows}")),
            _ => None,
        }
    }

    fn remedy(&self) -> Option<String> {
        match self {
            Self::NoWayBack => Some("apply once with the files at hand: that stores the way back".to_owned()),
            Self::DownDiffers { file } => {
                Some(format!("bring back the text `{file}` had when it was applied"))
            }
            Self::Dependents { later, .. } => {
                let newest = later.iter().map(|(version, _)| *version).max()?;
                Some(format!("revert `{newest}` first"))
            }
            Self::DownFails(failure) => failure.server_hint.clone(),
            Self::NotMeasured => {
                Some("settle the other reasons first: it is tried at leisure then".to_owned())
            }
            _ => None,
        }
    }
}

impl Refusal {
    /// The consents that would lift reasons, in one line, then what else is to be done.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let consents: Vec<String> = self.reasons.iter().filter_map(Reason::consent).collect();
        let mut lines: Vec<String> = self.reasons.iter().filter_map(Reason::remedy).collect();
        if !consents.is_empty() {
            let also = if consents.len() < self.reasons.len() { "then " } else { "" };
            lines.push(format!("{also}consent with `{}`", consents.join(" ")));
        }
        (!lines.is_empty()).then(|| lines.join("\n"))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "migration `{}` was not reverted, nothing was changed", self.version)?;
        for reason in &self.reasons {
            write!(f, "\n{reason}")?;
            if let Some(consent) = reason.consent() {
                write!(f, " (consent: `{consent}`)")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotApplied { reverted_at: Some(at) } => {
                write!(f, "it is not applied: it was reverted at {}", at.format("%Y-%m-%dT%H:%M:%SZ"))
            }
            Self::NotApplied { reverted_at: None } => f.write_str("it is not applied"),
            Self::NoWayBack => f.write_str("another tool applied it, so no way back was stored"),
            Self::DownDiffers { file } => {
                write!(f, "`{file}` is not the way back that was stored when it was applied")
            }
            Self::Irreversible { because } => write!(f, "it is declared irreversible because {because}"),
            Self::Dependents { later, server } => dependents(f, later, server.as_deref()),
            Self::Serving { releases } => {
                write!(
                    f,
                    "{} needs it",
                    releases.iter().map(|r| format!("release `{r}`")).collect::<Vec<_>>().join(", ")
                )
            }
            Self::Loss { losses, rows, accepted } => {
                let places: Vec<String> = losses.iter().map(Loss::to_string).collect();
                let noun = if *rows == 1 { "row" } else { "rows" };
                write!(f, "{rows} {noun} would be lost: {}", places.join(", "))?;
                match accepted {
                    Some(accepted) => write!(f, "; {accepted} were consented to"),
                    None => Ok(()),
                }
            }
            Self::NotMeasured => f.write_str("trying its way back took too long to see what would be lost"),
            Self::DownFails(failure) => write!(f, "its way back does not run: {failure}"),
            Self::DownUnsteady { table } => {
                write!(f, "its way back takes rows from `{table}`, which it did not when it was tried")
            }
            Self::DownLeaves { objects } => {
                write!(f, "its way back leaves behind what it made: {}", first_few(objects))
            }
        }
    }
}

fn dependents(f: &mut fmt::Formatter<'_>, later: &[(i64, Vec<String>)], server: Option<&str>) -> fmt::Result {
    let named: Vec<String> =
        later.iter().map(|(version, objects)| format!("`{version}` ({})", first_few(objects))).collect();
    match (named.is_empty(), server) {
        (false, _) => write!(f, "later migrations depend on it: {}", named.join(", ")),
        (true, Some(server)) => write!(f, "other objects depend on it: {}", server.replace('\n', "; ")),
        (true, None) => f.write_str("other objects depend on it"),
    }
}

/// The list as data is complete; a message names what a reader can take in.
fn first_few(objects: &[String]) -> String {
    const FEW: usize = 4;
    let named = objects.iter().take(FEW).map(String::as_str).collect::<Vec<_>>().join(", ");
    match objects.len().saturating_sub(FEW) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}
