//! What checks of one run share: the subject, the variables, what was captured, what has to stay secret.

use std::collections::BTreeMap;
use std::sync::{OnceLock, PoisonError, RwLock};

use secrecy::ExposeSecret;

use crate::capture::Captured;
use crate::client;
use crate::redact::Redactor;
use crate::session::{PASSWORD, Session, TOKEN};
use crate::subject::Subject;
use crate::template::Reference;
use crate::variables::Variables;

/// One run of a suite, as its checks see it.
pub(crate) struct Scene<'a> {
    pub(crate) subject: &'a Subject,
    pub(crate) redactor: Redactor,
    variables: &'a Variables,
    sessions: &'a [Session],
    captured: RwLock<BTreeMap<(String, String), String>>,
    client: OnceLock<Result<reqwest::Client, String>>,
}

impl<'a> Scene<'a> {
    pub(crate) fn new(subject: &'a Subject, variables: &'a Variables, sessions: &'a [Session]) -> Self {
        let redactor = Redactor::default();
        for secret in variables.secrets.values() {
            redactor.learn(secret.expose_secret());
        }
        let captured = RwLock::default();
        Self { subject, redactor, variables, sessions, captured, client: OnceLock::new() }
    }

    /// The shared HTTP client.
    ///
    /// # Errors
    /// It could not be built.
    pub(crate) fn client(&self) -> Result<&reqwest::Client, String> {
        self.client.get_or_init(|| client::build(self.subject)).as_ref().map_err(Clone::clone)
    }

    /// The release that should answer, when the run knows it.
    pub(crate) fn release(&self) -> Option<&str> {
        self.variables.release.as_deref()
    }

    /// The value of a reference.
    ///
    /// # Errors
    /// A sentence that says what this run does not know.
    pub(crate) fn value(&self, reference: &Reference) -> Result<String, String> {
        let Some(scope) = &reference.scope else {
            let value = self.variables.value(&reference.name);
            return value.ok_or_else(|| format!("this run has no value for `{reference}`"));
        };
        let Some(session) = self.session(scope) else { return self.captured(scope, &reference.name) };
        if reference.name == "email" {
            return Ok(session.email.clone());
        }
        let secret = self.variables.secrets.get(&session.password_key);
        let missing = || format!("the secret `{}` is not set", session.password_key);
        secret.map(|secret| secret.expose_secret().to_owned()).ok_or_else(missing)
    }

    /// The session whose password a reference stands for, with the key of that secret.
    pub(crate) fn password_of(&self, reference: &Reference) -> Option<(&str, &str)> {
        let session = self.session(reference.scope.as_deref()?)?;
        (reference.name == PASSWORD).then_some((session.name.as_str(), session.password_key.as_str()))
    }

    /// The bearer token of a session that its login check captured.
    ///
    /// # Errors
    /// The session is not logged in.
    pub(crate) fn token(&self, session: &str) -> Result<String, String> {
        let login = self.session(session).map(|session| session.login.as_str());
        self.captured(login.unwrap_or_default(), TOKEN)
    }

    /// Keeps what `check` captured.
    pub(crate) fn keep(&self, check: &str, captured: Captured) {
        if captured.secret {
            self.redactor.learn(&captured.value);
        }
        let mut all = self.captured.write().unwrap_or_else(PoisonError::into_inner);
        all.insert((check.to_owned(), captured.name), captured.value);
    }

    fn session(&self, name: &str) -> Option<&Session> {
        self.sessions.iter().find(|session| session.name.as_str() == name)
    }

    fn captured(&self, check: &str, name: &str) -> Result<String, String> {
        let all = self.captured.read().unwrap_or_else(PoisonError::into_inner);
        let value = all.get(&(check.to_owned(), name.to_owned()));
        value.cloned().ok_or_else(|| format!("`{check}` captured no `{name}`"))
    }
}
