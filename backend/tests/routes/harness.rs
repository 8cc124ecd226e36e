//! A server over a database of its own, with two tenants in it. Dropped, it takes its database along.

mod database;
mod people;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use crm_backend::settings::{Settings, Source};
use crm_backend::{AppState, Stage, app};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

pub(crate) use database::TestDatabase;
pub(crate) use people::{PASSWORD, Person};

/// The key that signs in these tests.
pub(crate) const KEY: &str = "f3a91c5e7b2d4068e1f09c8b7a6d5e4f3c2b1a09";

/// What other programs show.
pub(crate) const MACHINE: &str = "b7e2d9c4a1f80356b7e2d9c4a1f80356-machine";

/// The application and its database.
pub(crate) struct TestApp {
    pub(crate) state: AppState,
    pub(crate) database: TestDatabase,
    router: Router,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    pub(crate) fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl TestApp {
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    pub(crate) async fn with(more: &[(&str, &str)]) -> Self {
        let database = TestDatabase::create().await;
        people::settle(&database).await;
        let state = state(&database.app_dsn(), more);
        state.lifecycle().advance(Stage::Serving);
        let router = app(state.clone());
        Self { state, database, router }
    }

    pub(crate) async fn call(&self, request: Request<Body>) -> Answer {
        call(&self.router, request).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Request::get(path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn get_as(&self, token: &str, path: &str) -> Answer {
        self.send_as(token, Method::GET, path).await
    }

    /// An answer whose body is read by the caller.
    pub(crate) async fn open_as(&self, token: &str, path: &str) -> axum::response::Response {
        let request = Request::get(path).header(header::AUTHORIZATION, format!("Bearer {token}"));
        self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    pub(crate) async fn post_as(&self, token: &str, path: &str) -> Answer {
        self.send_as(token, Method::POST, path).await
    }

    pub(crate) async fn send_as(&self, token: &str, method: Method, path: &str) -> Answer {
        let request = Request::builder().method(method).uri(path);
        let request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        self.call(request.body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call(post(path, body)).await
    }

    pub(crate) async fn login(&self, person: Person) -> Answer {
        self.post("/auth/login", &json!({"email": person.email(), "password": PASSWORD})).await
    }

    /// An access token of `person`.
    pub(crate) async fn token(&self, person: Person) -> String {
        let answer = self.login(person).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// Sends a body as somebody.
    pub(crate) async fn json_as(&self, token: &str, method: Method, path: &str, body: &Value) -> Answer {
        let request = Request::builder().method(method).uri(path);
        let request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        let request = request.header(header::CONTENT_TYPE, "application/json");
        self.call(request.body(Body::from(body.to_string())).unwrap()).await
    }

    /// A server that channels may bring messages to, and what brings them.
    pub(crate) async fn with_channel() -> Self {
        Self::with(&[("MACHINE_TOKEN", MACHINE)]).await
    }

    /// The same with a connection for everybody of a crowd, and with time: on a busy machine they wait for each other.
    pub(crate) async fn with_crowd() -> Self {
        let more = [("POSTGRES_MAX_CONNECTIONS", "45"), ("POSTGRES_STATEMENT_TIMEOUT_MS", "60000")];
        Self::with(&[("MACHINE_TOKEN", MACHINE), more[0], more[1]]).await
    }

    /// Somebody writes on WhatsApp to the first tenant; gives the receipt.
    pub(crate) async fn write_from(&self, phone: &str, id: &str, body: &str) -> Value {
        let message = json!({
            "tenant_id": 1, "channel": "whatsapp", "provider": "test", "provider_message_id": id,
            "contact": phone, "name": "Sofía Paz", "body": body,
        });
        let answer = self.json_as(MACHINE, Method::POST, "/chat", &message).await;
        assert!(answer.status.is_success(), "{answer:?}");
        answer.json()
    }

    /// One number from the database.
    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.database.migrator).await.unwrap()
    }

    /// Runs SQL as the role that owns everything.
    pub(crate) async fn sql(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(&self.database.migrator).await.unwrap();
    }
}

pub(crate) fn post(path: &str, body: &Value) -> Request<Body> {
    let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
    request.body(Body::from(body.to_string())).unwrap()
}

pub(crate) async fn call(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: parts.status, headers: parts.headers, body }
}

/// State over any connection text.
pub(crate) fn state(dsn: &str, more: &[(&str, &str)]) -> AppState {
    // Tests write behind the server's back; what is kept for a moment has tests of its own.
    let cache = more
        .iter()
        .all(|(name, _)| *name != "ENABLE_METRICS_CACHE")
        .then_some(("ENABLE_METRICS_CACHE", "false"));
    let mut pairs =
        vec![("POSTGRES_DSN", dsn), ("JWT_SECRET", KEY), ("CRM_RELEASE", "0123456789ab.01234567")];
    pairs.extend_from_slice(more);
    pairs.extend(cache);
    AppState::new(Settings::read(Source::from_pairs(pairs)).unwrap())
}

/// Waits for a condition, not for a time.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !holds().await {
        assert!(std::time::Instant::now() < deadline, "never happened: {what}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}
