//! `[http.name]`: one request, assertions on its answer, captures for later checks.

mod answer;
mod read;

use std::time::Duration;

use async_trait::async_trait;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

pub(crate) use read::read;

use crate::assertion::{Answer, Assertion, Lookup, Verdict};
use crate::capture::Capture;
use crate::kind::{Attempt, Mismatch, Probe};
use crate::redact::percent_encoded;
use crate::scene::Scene;
use crate::strict::Text;

use crate::template::{JsonTemplate, Reference, Template};
use crate::variables::RELEASE;

/// What a wrong password is answered with.
const UNAUTHORIZED: u16 = 401;

/// A check over HTTP.
#[derive(Debug)]
pub(crate) struct Http {
    pub(crate) method: Method,
    path: Template,
    headers: Vec<(HeaderName, Template)>,
    json: Option<JsonTemplate>,
    expect: Vec<Assertion>,
    capture: Vec<Capture>,
    session: Option<Text>,
    timeout: Duration,
    /// Its share of a load, when the file says one.
    pub(crate) load_weight: Option<u64>,
    /// `[http.login]` in the file; captures are kept under it.
    name: String,
}

/// A request with every reference filled in.
#[derive(Debug, Clone)]
pub(crate) struct Filled {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Vec<u8>>,
}

impl Http {
    /// `GET /health`, as written.
    pub(crate) fn label(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Whether `status` is one that this check expects.
    pub(crate) fn accepts(&self, status: u16) -> bool {
        self.expect.iter().all(|assertion| assertion.allows_status(status))
    }

    /// Fills in what the run knows.
    ///
    /// # Errors
    /// What is missing or cannot be said in a header.
    pub(crate) fn fill(&self, scene: &Scene<'_>) -> Result<Filled, String> {
        let value = |reference: &Reference| scene.value(reference);
        let path =
            self.path.render(|reference| Ok::<_, String>(percent_encoded(&scene.value(reference)?)))?;
        let mut headers = HeaderMap::new();
        for (name, template) in &self.headers {
            headers.insert(name.clone(), header_value(name, &template.render(value)?)?);
        }
        if let Some(session) = &self.session {
            let bearer = format!("Bearer {}", scene.token(session.as_str())?);
            headers.insert(AUTHORIZATION, header_value(&AUTHORIZATION, &bearer)?);
        }
        let json = self.json.as_ref().map(|json| json.render(&value)).transpose()?;
        if json.is_some() && !headers.contains_key(CONTENT_TYPE) {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        Ok(Filled { path, headers, body: json.map(|json| json.to_string().into_bytes()) })
    }

    /// Judges every assertion; the first sentence of `Err` is why the probe could not.
    fn judge(&self, answer: &Answer, scene: &Scene<'_>) -> Result<Attempt, String> {
        let value: &Lookup<'_> = &|reference| scene.value(reference);
        let mut mismatches: Vec<Mismatch> = wrong_release(answer, scene).into_iter().collect();
        if let (Some(refused), []) = (self.refused_password(answer, scene), mismatches.as_slice()) {
            return Err(refused);
        }
        let mut notes = Vec::new();
        // Captured whatever the status says: a token in an unexpected answer is still a secret.
        let not_captured = self.keep_captures(answer, scene);
        let is_expected = self.accepts(answer.status);
        // The shape of an answer with the wrong status is no news.
        let asked = self.expect.iter().filter(|assertion| is_expected || assertion.is_about_status());
        for assertion in asked {
            match assertion.judge(answer, value)? {
                Verdict::Held => {}
                Verdict::NotAsked { assertion } => notes.push(format!("not asked in this run: {assertion}")),
                Verdict::Broken { expected, actual } => {
                    let note = assertion.is_about_status().then(|| body_note(answer)).flatten();
                    mismatches.push(Mismatch { expected, actual, note });
                }
            }
        }
        if is_expected {
            mismatches.extend(not_captured);
        }
        Ok(if mismatches.is_empty() { Attempt::Passed { notes } } else { Attempt::Failed(mismatches) })
    }

    /// That the subject does not take the password which this run was given. Whether it would take the right one is
    /// not known then, and a mended password must not meet a locked door.
    fn refused_password(&self, answer: &Answer, scene: &Scene<'_>) -> Option<String> {
        if answer.status != UNAUTHORIZED || self.accepts(UNAUTHORIZED) {
            return None;
        }
        let json = self.json.iter().flat_map(JsonTemplate::references);
        let (session, key) = json.filter_map(|reference| scene.password_of(reference)).next()?;
        Some(format!("the password of `{session}`, the secret `{key}`, is not accepted (401)"))
    }

    /// Keeps what was captured; says what could not be.
    fn keep_captures(&self, answer: &Answer, scene: &Scene<'_>) -> Vec<Mismatch> {
        let mut missing = Vec::new();
        for capture in &self.capture {
            if let Some(captured) = capture.take(&answer.body) {
                scene.keep(&self.name, captured);
            } else {
                let expected = format!("a value at `{}` to capture as `{}`", capture.path(), capture.name);
                missing.push(Mismatch { expected, actual: "none".to_owned(), note: None });
            }
        }
        missing
    }
}

#[async_trait]
impl Probe for Http {
    async fn attempt(&self, scene: &Scene<'_>) -> Attempt {
        let answered = async {
            let filled = self.fill(scene).map_err(Attempt::Errored)?;
            let answer = answer::ask(self, filled, scene).await?;
            self.judge(&answer, scene).map_err(Attempt::Errored)
        };
        answered.await.unwrap_or_else(|attempt| attempt)
    }

    fn references(&self) -> Vec<&Reference> {
        let headers = self.headers.iter().flat_map(|(_, template)| template.references());
        let json = self.json.iter().flat_map(JsonTemplate::references);
        let expect = self.expect.iter().flat_map(Assertion::references);
        self.path.references().chain(headers).chain(json).chain(expect).collect()
    }

    fn session(&self) -> Option<&Text> {
        self.session.as_ref()
    }

    fn captures(&self) -> Vec<&str> {
        self.capture.iter().map(|capture| capture.name.as_str()).collect()
    }

    fn request(&self) -> Option<&Http> {
        Some(self)
    }
}

/// An answer of another release says nothing of the one that is probed.
fn wrong_release(answer: &Answer, scene: &Scene<'_>) -> Option<Mismatch> {
    let expected = scene.release()?;
    let said = String::from_utf8_lossy(answer.headers.get(RELEASE)?.as_bytes());
    let mismatch = || Mismatch {
        expected: format!("an answer of release `{expected}`"),
        actual: format!("one of release `{said}`"),
        note: None,
    };
    (said != expected).then(mismatch)
}

fn header_value(name: &HeaderName, value: &str) -> Result<HeaderValue, String> {
    let mut header = HeaderValue::from_str(value)
        .map_err(|_| format!("the value of header `{name}` has forbidden characters"))?;
    header.set_sensitive(crate::redact::is_telling(name.as_str()));
    Ok(header)
}

/// The body of an answer with the wrong status: mostly it says what is wrong.
fn body_note(answer: &Answer) -> Option<String> {
    let body = answer.body.text().trim();
    (!body.is_empty()).then(|| format!("body: {body}"))
}
