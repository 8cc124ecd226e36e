//! The crate inside another program: its own pool, its own routes beside ours, its own job.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use axum::routing::get;
use axum::{Json, Router};
use crm_backend::jobs::engine::{Engine, Job, JobContext, JobError};
use crm_backend::policy::{Policy, Role, Routes};
use crm_backend::settings::{Settings, Source};
use crm_backend::{ApiError, AppState, Database, Stage, Tenant, app_with};
use serde_json::{Value, json};
use sqlx::postgres::PgPoolOptions;
use tokio::sync::mpsc;
use utoipa_axum::routes;

use crate::harness::{KEY, PASSWORD, Person, TestApp, call, post};

/// Names of the leads of the caller's tenant.
#[utoipa::path(get, path = "/own/names", responses((status = OK, body = Vec<String>)))]
async fn names(mut tenant: Tenant) -> Result<Json<Vec<String>>, ApiError> {
    let sql = "SELECT first_name FROM leads ORDER BY first_name";
    Ok(Json(sqlx::query_scalar(sql).fetch_all(tenant.db()).await?))
}

/// Writes and then refuses.
#[utoipa::path(post, path = "/own/refusal", responses((status = CONFLICT)))]
async fn refusal(mut tenant: Tenant) -> Result<StatusCode, ApiError> {
    let caller = tenant.caller();
    sqlx::query("INSERT INTO leads (tenant_id, first_name) VALUES ($1, 'Nadie')")
        .bind(caller.tenant_id)
        .execute(tenant.db())
        .await?;
    Err(ApiError::conflict("own_code", "on second thought, no", json!({ "by": caller.user_id })))
}

/// A job of somebody else's.
#[derive(Debug)]
struct Own(mpsc::UnboundedSender<()>);

#[async_trait::async_trait]
impl Job for Own {
    fn name(&self) -> &'static str {
        "own_job"
    }

    fn interval(&self) -> Duration {
        Duration::from_secs(3600)
    }

    async fn run(&self, _: &JobContext) -> Result<(), JobError> {
        self.0.send(()).map_err(|error| JobError::Other(error.to_string()))
    }
}

struct Embedded {
    // Holds the database.
    crm: TestApp,
    state: AppState,
    router: Router,
}

/// Another service that has the CRM in it.
async fn embedded() -> Embedded {
    let crm = TestApp::start().await;
    crm.sql("INSERT INTO leads (tenant_id, first_name) VALUES (1, 'Eva'), (1, 'Ana'), (2, 'Zoe')").await;
    let dsn = crm.database.app_dsn();
    let settings =
        Settings::read(Source::from_pairs([("POSTGRES_DSN", dsn.as_str()), ("JWT_SECRET", KEY)])).unwrap();
    let pool = PgPoolOptions::new().max_connections(3).connect(&dsn).await.unwrap();
    let state = AppState::over(settings, Database::over(pool));
    state.lifecycle().advance(Stage::Serving);
    let own =
        Routes::new().with(Policy::Roles(&[Role::Ceo]), routes!(names)).with(Policy::Any, routes!(refusal));
    let outside = Router::new().route("/outside", get(async || "hello"));
    let router = app_with(state.clone(), own).merge(outside);
    Embedded { crm, state, router }
}

impl Embedded {
    async fn token(&self, person: Person) -> String {
        let login = json!({ "email": person.email(), "password": PASSWORD });
        let answer = call(&self.router, post("/auth/login", &login)).await;
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    async fn send(&self, method: &str, path: &str, token: &str) -> crate::harness::Answer {
        let request = Request::builder().method(method).uri(path);
        let request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        call(&self.router, request.body(Body::empty()).unwrap()).await
    }
}

#[tokio::test]
async fn own_routes_stand_behind_the_same_policies_tenants_and_headers() {
    let service = embedded().await;
    let (ceo, other) = (service.token(Person::Ceo).await, service.token(Person::OtherCeo).await);
    let setter = service.token(Person::Setter).await;
    let answer = service.send("GET", "/own/names", &ceo).await;
    assert_eq!((answer.status, answer.json()), (StatusCode::OK, json!(["Ana", "Eva"])));
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert!(!answer.header("x-request-id").is_empty());
    assert_eq!(service.send("GET", "/own/names", &other).await.json(), json!(["Zoe"]));
    assert_eq!(service.send("GET", "/own/names", &setter).await.status, StatusCode::FORBIDDEN);
    assert_eq!(service.send("GET", "/own/names", "x").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(service.send("GET", "/own/names?tenant_id=2", &ceo).await.status, StatusCode::FORBIDDEN);
    let refused = service.send("POST", "/own/refusal", &setter).await;
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::CONFLICT, "own_code"));
    assert_eq!(
        service.send("GET", "/own/names", &ceo).await.json(),
        json!(["Ana", "Eva"]),
        "nothing was kept"
    );
    // Ours, and what is outside of it all.
    assert_eq!(service.send("GET", "/crm/leads", &ceo).await.status, StatusCode::OK);
    assert_eq!(service.send("GET", "/outside", "x").await.body, "hello");
}

#[tokio::test]
async fn own_routes_are_in_the_document() {
    let service = embedded().await;
    let document = service.send("GET", "/openapi.json", "").await.json();
    let own = &document["paths"]["/own/names"]["get"];
    assert_eq!((&own["x-policy"], &own["x-roles"]), (&Value::from("roles"), &json!(["ceo"])));
    assert!(document["paths"]["/crm/leads"]["get"].is_object());
}

#[tokio::test]
async fn own_jobs_run_beside_ours() {
    let service = embedded().await;
    let (told, mut runs) = mpsc::unbounded_channel();
    let pool =
        PgPoolOptions::new().max_connections(2).connect(&service.crm.database.app_dsn()).await.unwrap();
    let engine = Engine::new(Database::over(pool), vec![Arc::new(Own(told))], "own");
    let working = tokio::spawn(engine.work(service.state.lifecycle().clone(), Duration::from_secs(1)));
    tokio::time::timeout(Duration::from_secs(60), runs.recv()).await.unwrap().unwrap();
    working.abort();
}
