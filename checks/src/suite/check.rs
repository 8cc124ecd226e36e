//! What checks of every kind have in common: a name, an owner, dependencies, polling.

use crate::kind::{Kind, Probe};
use crate::outcome::{Owner, Severity};
use crate::poll::Until;
use crate::strict::{Table, Text};
use crate::template::is_word;

/// One check of a suite.
#[derive(Debug)]
pub(crate) struct Check {
    pub(crate) name: Text,
    pub(crate) kind: &'static str,
    pub(crate) owner: Owner,
    pub(crate) severity: Severity,
    pub(crate) until: Option<Until>,
    /// As written under `depends`.
    pub(super) depends: Vec<Text>,
    /// Indexes of the checks that have to pass before: written, captured from, or logging in.
    pub(crate) after: Vec<usize>,
    pub(crate) probe: Box<dyn Probe>,
}

impl Check {
    pub(super) fn read(kind: &Kind, name: Text, mut table: Table<'_>) -> Option<Self> {
        if !is_word(name.as_str()) {
            let hint = "letters, digits, `-` and `_`, beginning with a letter".to_owned();
            table.review().note(
                name.span.clone(),
                format!("`{}` is no name of a check", name.as_str()),
                hint,
            );
        }
        let owner = table.word("owner", &Owner::WORDS).unwrap_or(Owner::Dev);
        let severity = table.word("severity", &Severity::WORDS).unwrap_or(Severity::Major);
        let until = table.table("until").and_then(Until::read);
        let depends = table.texts("depends").unwrap_or_default();
        let probe = (kind.read)(&mut table);
        table.finish();
        Some(Self {
            name,
            kind: kind.name,
            owner,
            severity,
            until,
            depends,
            after: Vec::new(),
            probe: probe?,
        })
    }
}
