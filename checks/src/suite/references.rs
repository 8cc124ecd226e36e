//! Every name that a suite mentions is found, and no check waits for itself.

use super::{Suite, note_unknown};
use crate::session::{FIELDS, Session, TOKEN};
use crate::strict::Review;
use crate::template::Reference;
use crate::variables;

/// Finds what each check has to wait for; what is unknown or goes in a circle is noted.
pub(super) fn resolve(suite: &mut Suite, review: &Review<'_>) {
    for session in &suite.sessions {
        review_login(suite, session, review);
    }
    let after: Vec<Vec<usize>> = (0..suite.checks.len()).map(|at| dependencies(suite, at, review)).collect();
    for (check, mut after) in suite.checks.iter_mut().zip(after) {
        after.sort_unstable();
        after.dedup();
        check.after = after;
    }
    if let Some(circle) = circle(suite) {
        let names: Vec<&str> = circle.iter().map(|at| suite.checks[*at].name.as_str()).collect();
        let path = format!("{} → {}", names.join(" → "), names[0]);
        let place = suite.checks[circle[0]].name.span.clone();
        review.note(place, format!("these checks wait for each other: {path}"), None);
    }
}

fn position(suite: &Suite, name: &str) -> Option<usize> {
    suite.checks.iter().position(|check| check.name.as_str() == name)
}

fn check_names(suite: &Suite) -> impl Iterator<Item = &str> + Clone {
    suite.checks.iter().map(|check| check.name.as_str())
}

/// A login check has to capture the token and to use the session's own password.
fn review_login(suite: &Suite, session: &Session, review: &Review<'_>) {
    let (login, place) = (session.login.as_str(), session.login_place.clone());
    let Some(at) = position(suite, login) else {
        let message =
            format!("session `{}` logs in through `{login}`, which is no check", session.name.as_str());
        return note_unknown(review, place, message, login, check_names(suite));
    };
    let probe = &suite.checks[at].probe;
    if !probe.captures().contains(&TOKEN) {
        let hint = "for example: capture = { token = \"$.access_token\" }".to_owned();
        review.note(place.clone(), format!("`{login}` captures no `{TOKEN}`"), hint);
    }
    let is_own = |reference: &&Reference| {
        reference.scope.as_deref() == Some(session.name.as_str()) && reference.name == "password"
    };
    if !probe.references().iter().any(is_own) {
        let message = format!(
            "`{login}` does not log in session `{0}`: it has no `{{{{{0}.password}}}}`",
            session.name.as_str()
        );
        review.note(place, message, "give each session its own login check: login = \"…\"".to_owned());
    }
}

fn dependencies(suite: &Suite, at: usize, review: &Review<'_>) -> Vec<usize> {
    let check = &suite.checks[at];
    let mut after = Vec::new();
    for name in &check.depends {
        match position(suite, name.as_str()) {
            Some(found) => after.push(found),
            None => {
                let message = format!("`depends` names `{}`, which is no check", name.as_str());
                note_unknown(review, name.span.clone(), message, name.as_str(), check_names(suite));
            }
        }
    }
    if let Some(name) = check.probe.session() {
        let sessions = suite.sessions.iter();
        match sessions.clone().find(|session| session.name.as_str() == name.as_str()) {
            Some(session) => after.extend(position(suite, &session.login)),
            None => {
                let known = sessions.map(|session| session.name.as_str());
                let message = format!("there is no session `{}`", name.as_str());
                note_unknown(review, name.span.clone(), message, name.as_str(), known);
            }
        }
    }
    after.extend(
        check.probe.references().into_iter().filter_map(|reference| source(suite, reference, review)),
    );
    after
}

/// The check that a reference's value comes from, when it comes from one.
fn source(suite: &Suite, reference: &Reference, review: &Review<'_>) -> Option<usize> {
    let place = reference.place.clone();
    let name = reference.name.as_str();
    let Some(scope) = reference.scope.as_deref() else {
        if !variables::NAMES.contains(&name) {
            note_unknown(review, place, format!("`{reference}` is no variable"), name, variables::NAMES);
        }
        return None;
    };
    if suite.sessions.iter().any(|session| session.name.as_str() == scope) {
        if !FIELDS.contains(&name) {
            note_unknown(review, place, format!("a session has no `{name}`"), name, FIELDS);
        }
        return None;
    }
    let Some(at) = position(suite, scope) else {
        let known = suite.sessions.iter().map(|session| session.name.as_str()).chain(check_names(suite));
        note_unknown(review, place, format!("`{scope}` is neither a check nor a session"), scope, known);
        return None;
    };
    let captures = suite.checks[at].probe.captures();
    if !captures.contains(&name) {
        note_unknown(review, place, format!("`{scope}` captures no `{name}`"), name, captures);
    }
    Some(at)
}

/// The checks of the first circle, in order, if there is one.
fn circle(suite: &Suite) -> Option<Vec<usize>> {
    let mut done = vec![false; suite.checks.len()];
    (0..suite.checks.len()).find_map(|at| walk(suite, at, &mut Vec::new(), &mut done))
}

fn walk(suite: &Suite, at: usize, path: &mut Vec<usize>, done: &mut [bool]) -> Option<Vec<usize>> {
    if let Some(start) = path.iter().position(|passed| *passed == at) {
        return Some(path[start..].to_vec());
    }
    if done[at] {
        return None;
    }
    path.push(at);
    let found = suite.checks[at].after.iter().find_map(|next| walk(suite, *next, path, done));
    path.pop();
    done[at] = true;
    found
}
