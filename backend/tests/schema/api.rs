//! The real router over the test's database: people log in and ask. Holds no expectation.

use std::collections::HashMap;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use crm_backend::settings::{Settings, Source};
use crm_backend::{AppState, app};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::database::TestDatabase;

/// The application, and the tokens of who has logged in.
pub(crate) struct Api {
    router: Router,
    tokens: HashMap<String, String>,
}

impl Api {
    pub(crate) fn over(database: &TestDatabase) -> Self {
        let pairs = [
            ("POSTGRES_DSN", database.dsn("crm_app")),
            ("JWT_SECRET", "d1f7a9c35b8e4460927ac5d08e3b6f14".to_owned()),
            ("POSTGRES_MAX_CONNECTIONS", "4".to_owned()),
        ];
        let state = AppState::new(Settings::read(Source::from_pairs(pairs)).unwrap());
        Self { router: app(state), tokens: HashMap::new() }
    }

    /// Logs in with the seed's password.
    pub(crate) async fn log_in(&mut self, email: &str) {
        let body = json!({ "email": email, "password": "test123" }).to_string();
        let request = Request::post("/auth/login").header(header::CONTENT_TYPE, "application/json");
        let (status, answer) = self.send(request.body(Body::from(body)).unwrap()).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        self.tokens.insert(email.to_owned(), answer["access_token"].as_str().unwrap().to_owned());
    }

    /// Asks as somebody who has logged in.
    pub(crate) async fn get(&self, email: &str, path: &str) -> (StatusCode, Value) {
        let token = format!("Bearer {}", self.tokens[email]);
        self.send(Request::get(path).header(header::AUTHORIZATION, token).body(Body::empty()).unwrap()).await
    }

    /// Asks for something to be done.
    pub(crate) async fn post(&self, email: &str, path: &str) -> (StatusCode, Value) {
        let token = format!("Bearer {}", self.tokens[email]);
        self.send(Request::post(path).header(header::AUTHORIZATION, token).body(Body::empty()).unwrap()).await
    }

    /// The same, and it must succeed.
    pub(crate) async fn ok(&self, email: &str, path: &str) -> Value {
        let (status, answer) = self.get(email, path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        answer
    }

    pub(crate) async fn anonymous(&self, path: &str) -> StatusCode {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await.0
    }

    async fn send(&self, request: Request<Body>) -> (StatusCode, Value) {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }
}

/// The names of the fields an error complains about.
pub(crate) fn complaints(answer: &Value) -> Vec<&str> {
    let fields = answer["error"]["fields"].as_array().map(Vec::as_slice).unwrap_or_default();
    fields.iter().map(|field| field["field"].as_str().unwrap()).collect()
}
