//! Checks by who looks after them: what needs somebody comes first.

use std::collections::BTreeMap;
use std::ops::Deref;

use super::result::{CheckView, RunResult};

/// A check as one step saw it: the gate and the smoke may run the same suite.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'r> {
    /// `phase.word`.
    pub step: &'r str,
    check: &'r CheckView,
}

impl Deref for Seen<'_> {
    type Target = CheckView;

    fn deref(&self) -> &CheckView {
        self.check
    }
}

/// The checks of one owner.
#[derive(Debug)]
pub struct Group<'r> {
    /// `dev`, `qa`, `ops`; empty for checks that name nobody.
    pub owner: &'r str,
    /// Who that is, as the environment names it.
    pub name: Option<&'r str>,
    /// What failed or could not run.
    pub unmet: Vec<Seen<'r>>,
    /// What passed, with what is worth knowing first.
    pub passed: Vec<Seen<'r>>,
}

impl Group<'_> {
    /// `dev (@devlead)`.
    pub fn title(&self) -> String {
        match (self.owner, self.name) {
            ("", _) => "nobody named".to_owned(),
            (owner, Some(name)) => format!("{owner} ({name})"),
            (owner, None) => owner.to_owned(),
        }
    }

    /// `2 failed, 1 could not run, 11 passed`.
    pub fn counts(&self) -> String {
        use phases::engine::failure::CheckOutcome::{Errored, Failed};
        let count = |outcome| self.unmet.iter().filter(|check| check.outcome == outcome).count();
        let parts =
            [(count(Failed), "failed"), (count(Errored), "could not run"), (self.passed.len(), "passed")];
        let said: Vec<String> =
            parts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
        said.join(", ")
    }
}

/// All checks of a run: owners with something unmet first, then dev, ops, qa, then those that name nobody.
pub fn by_owner(result: &RunResult) -> Vec<Group<'_>> {
    let mut groups: BTreeMap<&str, Group<'_>> = BTreeMap::new();
    for (step, check) in result.checks() {
        let seen = Seen { step: &step.step, check };
        let owner = check.owner.as_deref().unwrap_or("");
        let name = result.owners.get(owner).map(String::as_str);
        let group = groups.entry(owner).or_insert_with(|| Group {
            owner,
            name,
            unmet: Vec::new(),
            passed: Vec::new(),
        });
        if check.is_unmet() { group.unmet.push(seen) } else { group.passed.push(seen) }
    }
    let mut groups: Vec<Group<'_>> = groups.into_values().collect();
    groups.iter_mut().for_each(|group| group.passed.sort_by_key(|check| !check.is_warning()));
    groups.sort_by_key(|group| (group.unmet.is_empty(), group.owner.is_empty()));
    groups
}
