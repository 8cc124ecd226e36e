//! What differs between the release of a run and the one that served before it: commits, migrations, configuration.
//! Read from git and from the plans in the journal; changes nothing.

use phases::engine::history;
use phases::engine::journal::{Kind, Record};
use phases::plan::{Phase, Plan};
use phases::release::{Release, ReleaseId};

use super::result::{Changes, Commit};
use crate::git::Checkout;

/// Commits that a report lists.
const LISTED: usize = 20;

/// What `run` changes for users; nothing when it does not switch releases or nothing served before.
pub fn of_run(records: &[Record], run: &str, checkout: Option<&Checkout>) -> Option<Changes> {
    let plan = plans(records).find(|(of, _)| *of == run)?.1;
    let (target, previous) = (plan.target.as_ref()?, plan.previous.as_ref()?);
    if !plan.shifts() || target.id == *previous {
        return None;
    }
    let (new, old) = (made(records, &target.id), made(records, previous));
    let commit = |id: &ReleaseId, made: Option<&(Release, String)>| {
        let known = history::known_releases(records).into_iter().find(|known| known.id == *id);
        made.map(|(release, _)| release.commit.clone())
            .or(known.map(|known| known.commit))
            .unwrap_or_else(|| id.as_str().chars().take(12).collect())
    };
    let (to, from) = (commit(&target.id, new.as_ref()), commit(previous, old.as_ref()));
    let mut changes = Changes {
        taken_back: plan.verb == Phase::Rollback.as_str(),
        commits: Vec::new(),
        more_commits: 0,
        commits_unknown: None,
        migrations: Vec::new(),
        configuration_changed: None,
    };
    list_commits(&mut changes, checkout, &from, &to);
    if let (Some((new, new_print)), Some((old, old_print))) = (new, old) {
        changes.migrations = migrations(&new, &old);
        changes.configuration_changed = Some(new_print != old_print);
    }
    Some(changes)
}

fn list_commits(changes: &mut Changes, checkout: Option<&Checkout>, from: &str, to: &str) {
    let Some(checkout) = checkout else {
        changes.commits_unknown = Some("the configuration is in no git checkout".to_owned());
        return;
    };
    let (mut since, mut until) = if changes.taken_back { (to, from) } else { (from, to) };
    // An older commit that is deployed takes back what lies between.
    if !changes.taken_back && from != to && checkout.is_ancestor(to, from) {
        changes.taken_back = true;
        (since, until) = (until, since);
    }
    match checkout.between(since, until, LISTED) {
        Ok(found) => {
            changes.more_commits = found.count.saturating_sub(found.listed.len() as u64);
            let view = |commit: crate::git::Commit| Commit {
                id: commit.id.chars().take(12).collect(),
                subject: commit.subject,
                author: commit.author,
            };
            changes.commits = found.listed.into_iter().map(view).collect();
        }
        Err(cause) => changes.commits_unknown = Some(cause),
    }
}

/// Migrations that only one of the two has, or that differ in content.
fn migrations(new: &Release, old: &Release) -> Vec<String> {
    let lacks = |one: &Release, other: &Release| -> Vec<(i64, String)> {
        let of_other = |version, checksum: &str| {
            other.migrations.iter().any(|m| m.version == version && m.checksum == checksum)
        };
        let only = one.migrations.iter().filter(|m| !of_other(m.version, &m.checksum));
        only.map(|m| (m.version, format!("{:03} {}", m.version, m.name))).collect()
    };
    let mut all = lacks(new, old);
    all.extend(lacks(old, new));
    all.sort();
    all.dedup();
    all.into_iter().map(|(_, name)| name).collect()
}

/// The release as the newest run planned it that made it from a checkout, with the configuration it was given.
fn made(records: &[Record], id: &ReleaseId) -> Option<(Release, String)> {
    let plan = plans(records).filter_map(|(_, plan)| Some((plan.release?, plan.fingerprint)));
    plan.filter(|(release, _)| release.id == *id).last()
}

fn plans(records: &[Record]) -> impl Iterator<Item = (&str, Plan)> {
    let begun = records.iter().filter(|record| record.kind == Kind::Plan);
    begun.filter_map(|record| {
        Some((record.run.as_str(), serde_json::from_value(record.desired.clone()).ok()?))
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::*;

    fn git(root: &Path, arguments: &[&str]) -> String {
        let who = ["-c", "user.name=Ana", "-c", "user.email=ana@example.invalid"];
        let output = Command::new("git").arg("-C").arg(root).args(who).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// A checkout with `count` empty commits; gives their ids, oldest first.
    fn checkout(root: &Path, count: usize) -> (Checkout, Vec<String>) {
        git(root, &["init", "--quiet"]);
        let commit = |number: usize| {
            git(root, &["commit", "--quiet", "--allow-empty", "--message", &format!("change {number}")]);
            git(root, &["rev-parse", "HEAD"])
        };
        ((Checkout { root: root.to_owned() }), (0..count).map(commit).collect())
    }

    fn empty(taken_back: bool) -> Changes {
        Changes {
            taken_back,
            commits: Vec::new(),
            more_commits: 0,
            commits_unknown: None,
            migrations: Vec::new(),
            configuration_changed: None,
        }
    }

    #[test]
    fn commits_are_listed_newest_first_and_the_rest_is_counted() {
        let directory = tempfile::tempdir().unwrap();
        let (checkout, ids) = checkout(directory.path(), LISTED + 5);
        let mut changes = empty(false);
        list_commits(&mut changes, Some(&checkout), &ids[0], ids.last().unwrap());
        assert_eq!((changes.commits.len(), changes.more_commits), (LISTED, 4));
        assert_eq!(
            (changes.commits[0].subject.as_str(), changes.commits[0].author.as_str()),
            ("change 24", "Ana")
        );
        assert!(!changes.taken_back);
    }

    #[test]
    fn going_back_lists_what_is_taken_back() {
        let directory = tempfile::tempdir().unwrap();
        let (checkout, ids) = checkout(directory.path(), 3);
        for said in [true, false] {
            // By `rollback`, or by deploying an older commit.
            let mut changes = empty(said);
            list_commits(&mut changes, Some(&checkout), &ids[2], &ids[0]);
            assert!(changes.taken_back);
            let subjects: Vec<&str> = changes.commits.iter().map(|commit| commit.subject.as_str()).collect();
            assert_eq!(subjects, ["change 2", "change 1"]);
        }
    }

    #[test]
    fn a_commit_that_this_clone_lacks_is_said() {
        let directory = tempfile::tempdir().unwrap();
        let (checkout, ids) = checkout(directory.path(), 1);
        let mut changes = empty(false);
        list_commits(&mut changes, Some(&checkout), "0123456789abcdef0123456789abcdef01234567", &ids[0]);
        assert_eq!(changes.commits_unknown.as_deref(), Some("this clone lacks commit 0123456789ab"));
        let mut changes = empty(false);
        list_commits(&mut changes, None, &ids[0], &ids[0]);
        assert!(changes.commits_unknown.unwrap().contains("no git checkout"));
    }

    #[test]
    fn migrations_and_configuration_are_compared_with_the_plans_of_both_releases() {
        let journal = include_str!("fixtures/journal.ndjson");
        let mut records: Vec<Record> =
            journal.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let rolled: super::super::result::RunResult =
            serde_json::from_str(include_str!("fixtures/rolled.json")).unwrap();
        // The release that served before comes with one migration less and the same configuration.
        let mut before =
            records.iter().find(|r| r.run == rolled.run && r.kind == Kind::Plan).unwrap().clone();
        before.run = "20261124T000000Z-0000".to_owned();
        before.desired["release"]["id"] = rolled.previous.unwrap().id.into();
        before.desired["release"]["migrations"].as_array_mut().unwrap().pop();
        records.insert(0, before);
        let changes = of_run(&records, &rolled.run, None).unwrap();
        assert_eq!(changes.migrations, ["018 lead_status_system"]);
        assert_eq!(changes.configuration_changed, Some(false));
    }
}
