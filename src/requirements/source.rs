//! Is the checkout what should be released? `local` only warns; elsewhere a wrong branch or tree is refused.

use phases::engine::failure::CheckEvidence;

use super::Line;
use crate::site::Site;
use crate::source::Source;

/// Branch, upstream, tree, conflicts.
pub fn ask(site: &Site, source: &Source) -> Vec<CheckEvidence> {
    vec![branch(site, source), tree(site, source), conflicts(source)]
}

fn branch(site: &Site, source: &Source) -> CheckEvidence {
    let line = Line::new("branch", "dev");
    let branch = source.checkout.branch();
    let name = branch.name.as_deref().unwrap_or("(no branch)");
    let commit = source.commit.get(..12).unwrap_or(&source.commit);
    if let Some(wanted) = site.environment.top.branch.as_deref().filter(|wanted| *wanted != name) {
        return strict(site, &line, wanted, name, &format!("run `git switch {wanted}`"));
    }
    let Some(upstream) = branch.upstream.as_deref() else {
        let said = format!("{name} at {commit}, no upstream");
        if site.is_local() {
            return line.passed(said);
        }
        return strict(
            site,
            &line,
            "a branch with an upstream",
            &said,
            "run `git push --set-upstream origin HEAD`",
        );
    };
    let place = format!("{name} at {commit}");
    match (branch.ahead, branch.behind) {
        (0, 0) => line.passed(format!("{place}, equal to {upstream}")),
        (ahead, 0) => strict(site, &line, upstream, &format!("{place}, {ahead} ahead"), "run `git push`"),
        (ahead, behind) => {
            let said = format!("{place}, {ahead} ahead and {behind} behind");
            strict(site, &line, upstream, &said, "run `git pull --rebase`")
        }
    }
}

fn tree(site: &Site, source: &Source) -> CheckEvidence {
    let line = Line::new("tree", "dev");
    if !source.release.dirty {
        return line.passed("clean: inputs and migrations are those of the commit");
    }
    let hint = "commit or stash; a dirty tree is a release of its own";
    strict(site, &line, "a clean tree", "build inputs or migrations differ from the commit", hint)
}

fn conflicts(source: &Source) -> CheckEvidence {
    let line = Line::new("conflicts", "dev");
    match source.checkout.conflicts() {
        Ok(files) if files.is_empty() => line.passed("none"),
        Ok(files) => line.failed("no file in conflict", files.join(", "), "finish the merge: `git status`"),
        Err(error) => line.failed("no file in conflict", error.to_string(), "run `git status`"),
    }
}

/// A warning on `local`, a failure elsewhere.
fn strict(site: &Site, line: &Line, expected: &str, actual: &str, hint: &str) -> CheckEvidence {
    if site.is_local() { line.warned(actual, hint) } else { line.failed(expected, actual, hint) }
}
