//! What is logged as an error, told to Sentry (`SENTRY_DSN`): the words of the log, where they were said and by which
//! request; never who asked for what. Whatever looks like a person or a secret is struck out. One word is told once a
//! minute, however often it is said; a Sentry that is away or slow costs nothing but what it would have been told.

mod scrub;

use std::collections::{BTreeMap, HashMap};
use std::fmt::{self, Debug};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use reqwest::header;
use sentry_types::Dsn;
use sentry_types::protocol::v7::{Envelope, Event};
use tokio::sync::mpsc;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use crate::settings::Settings;

/// Errors that wait to be told.
const WAITING: usize = 100;
/// Longest wait for Sentry.
const PATIENCE: Duration = Duration::from_secs(5);
/// The same words are told again after this.
const AGAIN: Duration = Duration::from_secs(60);
/// How often it was said meanwhile is forgotten after this: what is said changes, and there is no end of words.
const FORGOTTEN: Duration = Duration::from_secs(3600);
/// Who says that it tells.
const AGENT: &str = concat!("crm-server/", env!("CARGO_PKG_VERSION"));

/// An error of the log.
#[derive(Debug)]
struct Incident {
    message: String,
    target: String,
    place: Option<String>,
    request_id: Option<String>,
    fields: BTreeMap<String, String>,
}

/// Hears errors of the log.
pub(crate) struct Ear(mpsc::Sender<Incident>);

/// Tells them.
#[derive(Debug)]
pub(crate) struct Mouth {
    heard: mpsc::Receiver<Incident>,
    dsn: Dsn,
    release: String,
    environment: String,
}

/// Both, when there is somebody to tell.
pub(crate) fn pair(settings: &Settings) -> Option<(Ear, Mouth)> {
    let dsn = settings.sentry_dsn.as_ref()?.0.clone();
    let (ear, heard) = mpsc::channel(WAITING);
    let (release, environment) = (settings.release.clone(), settings.environment.clone());
    Some((Ear(ear), Mouth { heard, dsn, release, environment }))
}

/// The id of the request that a span is about.
struct OfRequest(String);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Ear {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let (Some(span), Some(request)) = (context.span(id), fields.0.remove("request_id")) {
            span.extensions_mut().insert(OfRequest(request));
        }
    }

    fn on_event(&self, event: &tracing::Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        if *metadata.level() != Level::ERROR {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        let message = fields.0.remove("message").unwrap_or_else(|| metadata.name().to_owned());
        let request_id = context.event_scope(event).into_iter().flatten().find_map(|span| {
            let extensions = span.extensions();
            extensions.get::<OfRequest>().map(|request| request.0.clone())
        });
        let place = metadata.file().zip(metadata.line()).map(|(file, line)| format!("{file}:{line}"));
        // Full: whoever is to be told does not listen, and the log has it all the same.
        let _ = self.0.try_send(Incident {
            message: scrub::text(&message),
            target: metadata.target().to_owned(),
            place,
            request_id,
            fields: fields.0.into_iter().map(|(name, value)| (name, scrub::text(&value))).collect(),
        });
    }
}

/// Fields of an event as text.
#[derive(Default)]
struct Fields(BTreeMap<String, String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }
}

impl Debug for Ear {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Ear")
    }
}

impl Mouth {
    /// Tells until `over`, and then what was said before.
    pub(crate) async fn tell(mut self, over: impl Future<Output = ()>) {
        // Fails when it was done before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().timeout(PATIENCE).user_agent(AGENT).build();
        let Ok(client) = client else { return };
        let mut told: HashMap<String, (Instant, u64)> = HashMap::new();
        let mut over = std::pin::pin!(over.fuse());
        loop {
            let incident = tokio::select! {
                biased;
                incident = self.heard.recv() => incident,
                () = &mut over => self.heard.try_recv().ok(),
            };
            let Some(incident) = incident else { return };
            told.retain(|_, (at, kept_back)| at.elapsed() < if *kept_back > 0 { FORGOTTEN } else { AGAIN });
            let words = format!("{} {}", incident.target, incident.message);
            let kept_back = match told.get_mut(&words) {
                Some((at, kept_back)) if at.elapsed() < AGAIN => {
                    *kept_back += 1;
                    continue;
                }
                Some((_, kept_back)) => *kept_back,
                None => 0,
            };
            told.insert(words, (Instant::now(), 0));
            self.send(&client, incident, kept_back).await;
        }
    }

    async fn send(&self, client: &reqwest::Client, incident: Incident, kept_back: u64) {
        let mut body = Vec::new();
        let envelope = Envelope::from(self.event(incident, kept_back));
        if envelope.to_writer(&mut body).is_err() {
            return;
        }
        let request = client
            .post(self.dsn.envelope_api_url())
            .header("X-Sentry-Auth", self.dsn.to_auth(Some(AGENT)).to_string())
            .header(header::CONTENT_TYPE, "application/x-sentry-envelope")
            .body(body);
        match request.send().await.and_then(reqwest::Response::error_for_status) {
            Ok(_) => tracing::debug!("an error was told"),
            // Its address has a key in it.
            Err(error) => {
                tracing::warn!(error = %error.without_url(), "an error could not be told to Sentry")
            }
        }
    }

    fn event(&self, incident: Incident, kept_back: u64) -> Event<'static> {
        let Incident { message, target, place, request_id, fields } = incident;
        let mut event = Event {
            message: Some(message),
            logger: Some(target),
            culprit: place,
            release: Some(self.release.clone().into()),
            environment: Some(self.environment.clone().into()),
            platform: "rust".into(),
            ..Event::default()
        };
        event.tags.extend(request_id.map(|id| ("request_id".to_owned(), id)));
        event.extra.extend(fields.into_iter().map(|(name, value)| (name, value.into())));
        if kept_back > 0 {
            event.extra.insert("said_since_the_last_time".to_owned(), kept_back.into());
        }
        event
    }
}
