//! Leads of Meta, against the stand-in for Meta over real HTTP in both directions.

mod intake;
mod pages;
mod people;
mod program;
mod reconciliation;
mod silence;
mod webhook;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use axum::http::{Method, StatusCode};
use crm_backend::jobs::{self, engine::Engine};
use crm_backend::simulator::{Options, Simulator};
use crm_backend::{Database, app};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::Url;
use uuid::Uuid;

use crate::harness::{Answer, Person, TestApp};

const SECRET: &str = "a1b2c3d4e5f60718293a4b5c6d7e8f90";
const GREETING: &str = "saludo-saludo-saludo";

/// A form and the person it was put to.
#[derive(sqlx::FromRow)]
struct Stored {
    leadgen_id: String,
    lead_id: Uuid,
    is_test: bool,
    phone: Option<String>,
    email: Option<String>,
}

/// A server, the stand-in that it asks, and the address where it is told.
struct MetaApp {
    app: TestApp,
    simulator: Simulator,
    webhook: Url,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for MetaApp {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl MetaApp {
    async fn start(seed: u64) -> Self {
        Self::with(Options::new(seed, SECRET.into())).await
    }

    async fn with(options: Options) -> Self {
        let app_id = options.app_id.clone();
        let simulator = Simulator::start(options).await.unwrap();
        let test = TestApp::with(&[
            ("META_APP_SECRET", SECRET),
            ("META_VERIFY_TOKEN", GREETING),
            ("META_APP_ID", &app_id),
            ("META_GRAPH_URL", &simulator.url()),
            ("META_GRAPH_TIMEOUT_MS", "2000"),
        ])
        .await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = app(test.state.clone());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let webhook = Url::parse(&format!("http://{address}/webhooks/meta")).unwrap();
        Self { app: test, simulator, webhook, tasks: vec![server] }
    }

    /// With the page connected, and one replica that works.
    async fn working(seed: u64) -> Self {
        let mut meta = Self::start(seed).await;
        assert_eq!(meta.connect().await.status, StatusCode::CREATED);
        meta.replica();
        meta
    }

    /// The page is connected by the CEO.
    async fn connect(&self) -> Answer {
        let options = self.simulator.options();
        self.connect_as(Person::Ceo, &options.page_id, &options.token).await
    }

    async fn connect_as(&self, person: Person, page_id: &str, token: &str) -> Answer {
        let ceo = self.app.token(person).await;
        let body = json!({ "page_id": page_id, "token": token });
        self.app.json_as(&ceo, Method::POST, "/crm/meta/pages", &body).await
    }

    /// One more replica works.
    fn replica(&mut self) {
        let settings = self.app.state.settings();
        let engine = Engine::new(Database::lazy(settings), jobs::of(settings), "test");
        let work = engine.work(self.app.state.lifecycle().clone(), Duration::from_secs(1));
        self.tasks.push(tokio::spawn(work));
    }

    /// A job runs from its beginning to its end.
    async fn run(&self, job: &str) {
        let id: i64 = sqlx::query_scalar(
            "INSERT INTO scheduled_run (job, scheduled_for) VALUES ($1, clock_timestamp()) RETURNING id",
        )
        .bind(job)
        .fetch_one(&self.app.database.migrator)
        .await
        .unwrap();
        // A replica does one run at a time, and one of the intake may take a quarter of a minute.
        let deadline = Instant::now() + Duration::from_secs(60);
        let done = "SELECT outcome = 'succeeded' FROM scheduled_run WHERE id = $1 AND outcome IS NOT NULL";
        while sqlx::query_scalar::<_, bool>(done)
            .bind(id)
            .fetch_optional(&self.app.database.migrator)
            .await
            .unwrap()
            != Some(true)
        {
            assert!(Instant::now() < deadline, "`{job}` never succeeded");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn count(&self, sql: &'static str) -> i64 {
        self.app.count(sql).await
    }

    /// Whatever waits for a later attempt is due now, and a run is planned for it.
    async fn hasten(&self) {
        self.app
            .sql(
                "UPDATE meta_lead_inbox SET not_before = now()
                 WHERE tenant_id IS NOT NULL AND reason IS NOT NULL AND not_before > now();
                 INSERT INTO scheduled_run (job, scheduled_for) SELECT 'meta_intake', clock_timestamp()
                 WHERE NOT EXISTS (SELECT FROM scheduled_run WHERE job = 'meta_intake' AND finished_at IS NULL)",
            )
            .await;
    }

    /// Waits until every form of the ledger is stored, then compares people and forms.
    async fn all_is_stored(&self) {
        let forms = i64::try_from(self.simulator.ledger().submissions.len()).unwrap();
        // Ten a second, and a minute besides: a debug build beside other tests stores thirty.
        let deadline = Instant::now() + Duration::from_secs(60 + forms.unsigned_abs() / 10);
        while self.count("SELECT count(*) FROM meta_lead_inbox WHERE state = 'assigned'").await < forms {
            assert!(Instant::now() < deadline, "never happened: every form is stored");
            self.hasten().await;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        self.compare().await;
    }

    /// People and forms are those of the ledger, each once.
    async fn compare(&self) {
        let rows: Vec<Stored> = sqlx::query_as(
            "SELECT s.leadgen_id, l.id AS lead_id, l.is_test, l.phone, l.email FROM lead_submissions s
             JOIN leads l ON l.tenant_id = s.tenant_id AND l.id = s.lead_id WHERE s.tenant_id = 1",
        )
        .fetch_all(&self.app.database.migrator)
        .await
        .unwrap();
        let ledger = self.simulator.ledger();
        assert_eq!(rows.len(), ledger.submissions.len(), "forms");
        let stored: BTreeMap<&str, _> = rows.iter().map(|row| (row.leadgen_id.as_str(), row)).collect();
        let mut leads = BTreeSet::new();
        for person in &ledger.people {
            let own: BTreeSet<Uuid> =
                person.submissions.iter().map(|id| stored[id.as_str()].lead_id).collect();
            assert_eq!(own.len(), 1, "one person: {person:?}");
            let Stored { lead_id, is_test, phone, email, .. } = stored[person.submissions[0].as_str()];
            assert!(leads.insert(*lead_id), "two people are one lead: {person:?}");
            assert_eq!((is_test, phone), (&person.is_test, &person.phone));
            assert!(email.is_none() || *email == person.email, "{email:?} {person:?}");
        }
        assert_eq!(leads.len() as i64, self.count("SELECT count(*) FROM leads").await, "people");
    }
}
