//! Three replicas of the real program on one database, killed at random for a minute while people write, Meta tells of
//! leads and every job runs again and again: afterwards each effect is there exactly once, counted in the database.

#![expect(clippy::print_stdout, reason = "how hard it was put to the test stands beside the result")]

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::http::{Method, StatusCode};
use crm_backend::simulator::{Manner, Options, Simulator};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use url::Url;
use uuid::Uuid;

use crate::harness::{MACHINE, Person, TestApp, eventually};
use crate::serve::process::{Release, Stage};

const SECRET: &str = "a1b2c3d4e5f60718293a4b5c6d7e8f90";
const REPLICAS: usize = 3;
/// People who write.
const PEOPLE: u32 = 30;
/// Jobs that are run again and again.
const JOBS: [&str; 6] =
    ["assignment_sweep", "cleanup", "daily_report", "meta_intake", "metrics_refresh", "notification_checks"];

/// How long they are killed: a minute, or `REPLICAS_SECONDS`.
fn storm() -> Duration {
    let seconds = std::env::var("REPLICAS_SECONDS")
        .ok()
        .map(|text| text.parse().expect("REPLICAS_SECONDS is a number"));
    Duration::from_secs(seconds.unwrap_or(60))
}

/// The replicas, each at an address that stays.
struct Replicas {
    stage: Stage,
    meta: Vec<(String, String)>,
    ports: Vec<u16>,
    running: Vec<Release>,
}

impl Replicas {
    fn start(app: &TestApp, meta: Vec<(String, String)>) -> Self {
        let held: Vec<TcpListener> =
            (0..REPLICAS).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let ports = held.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
        drop(held);
        let mut replicas = Self { stage: Stage::new(Some(&app.database)), meta, ports, running: Vec::new() };
        for number in 0..REPLICAS {
            let one = replicas.one(number);
            replicas.running.push(one);
        }
        replicas
    }

    fn one(&self, number: usize) -> Release {
        let mut command = self.stage.command("storm", 1);
        command
            .arg("serve")
            .env("BIND", format!("127.0.0.1:{}", self.ports[number]))
            .env("MACHINE_TOKEN", MACHINE);
        // Of each there are three, and a hundred other tests have databases on the same server.
        command
            .env("POSTGRES_MAX_CONNECTIONS", "6")
            .envs(self.meta.iter().map(|(name, value)| (name, value)));
        self.stage.plain(&format!("replica{number}"), command)
    }

    /// Kills one, which has no time to tidy up, and starts it again.
    fn kill(&mut self, number: usize) {
        let dead = self.running.remove(number);
        drop(dead);
        let again = self.one(number);
        self.running.insert(number, again);
    }
}

/// Somebody who writes and tries again until it is acknowledged, as providers do.
async fn write(
    ports: Vec<u16>,
    seed: u64,
    over: Arc<AtomicBool>,
    acknowledged: Arc<AtomicUsize>,
    refused: Arc<AtomicUsize>,
) {
    let mut dice = StdRng::seed_from_u64(seed);
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build().unwrap();
    while !over.load(Ordering::Relaxed) {
        let message = json!({
            "tenant_id": 1, "channel": "whatsapp", "provider": "test", "provider_message_id": Uuid::new_v4(),
            "contact": format!("+54911555{:05}", dice.random_range(0..PEOPLE)), "name": "Sofía Paz", "body": "Hola",
        });
        loop {
            let port = ports[dice.random_range(0..ports.len())];
            let request =
                client.post(format!("http://127.0.0.1:{port}/chat")).bearer_auth(MACHINE).json(&message);
            match request.send().await {
                Ok(answer) if answer.status().is_success() => break,
                Ok(answer) => {
                    let status = answer.status();
                    assert!(status == 503, "{status}: {}", answer.text().await.unwrap_or_default());
                    refused.fetch_add(1, Ordering::Relaxed);
                }
                Err(_) => {
                    refused.fetch_add(1, Ordering::Relaxed);
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        acknowledged.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(dice.random_range(20..120))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_effect_is_there_once_though_replicas_are_killed_for_a_minute() {
    // Fails when it was done before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let options = Options { failing_percent: 5, ..Options::new(7, SECRET.into()) };
    let (page, token) = (options.page_id.clone(), options.token.clone());
    let simulator = Simulator::start(options).await.unwrap();
    let meta = [
        ("META_APP_SECRET", SECRET.to_owned()),
        ("META_VERIFY_TOKEN", "saludo-saludo-saludo".to_owned()),
        ("META_APP_ID", simulator.options().app_id.clone()),
        ("META_GRAPH_URL", simulator.url()),
        ("META_GRAPH_TIMEOUT_MS", "5000".to_owned()),
    ];
    let pairs: Vec<(&str, &str)> = meta.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let app = TestApp::with(&pairs).await;
    app.sql(
        "INSERT INTO assignment_rules (tenant_id, name, priority, strategy) VALUES (1, 'Turnos', 1, 'round_robin');
         UPDATE tenants SET settings = jsonb_build_object('unanswered_seconds', '[3, 9, 36000]'::jsonb,
           'working_hours', (SELECT jsonb_object_agg(day, '[[\"00:00\", \"24:00\"]]'::jsonb)
                             FROM unnest(ARRAY['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']) day)) WHERE id = 1",
    )
    .await;
    let ceo = app.token(Person::Ceo).await;
    let body = json!({ "page_id": page, "token": token });
    eventually("the page is connected", async || {
        app.json_as(&ceo, Method::POST, "/crm/meta/pages", &body).await.status == StatusCode::CREATED
    })
    .await;

    let meta = meta.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let mut replicas = Replicas::start(&app, meta);
    let over = Arc::new(AtomicBool::new(false));
    let (acknowledged, refused) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let writers: Vec<_> = (0..3)
        .map(|seed| {
            let (over, acknowledged, refused) =
                (Arc::clone(&over), Arc::clone(&acknowledged), Arc::clone(&refused));
            tokio::spawn(write(replicas.ports.clone(), seed, over, acknowledged, refused))
        })
        .collect();
    let mut dice = StdRng::seed_from_u64(storm().as_secs());
    let (begun, mut kills, mut untold) = (Instant::now(), 0, Vec::new());
    while begun.elapsed() < storm() {
        let leads = simulator.send_forms(5);
        let port = replicas.ports[dice.random_range(0..REPLICAS)];
        let webhook = Url::parse(&format!("http://127.0.0.1:{port}/webhooks/meta")).unwrap();
        let manner = Manner { beside: 4, ..Manner::wild() };
        let told =
            tokio::time::timeout(Duration::from_secs(2), simulator.tell(&webhook, &leads, manner)).await;
        if told.map_or(true, |told| told.given_up > 0) {
            untold.extend(leads);
        }
        for _ in 0..4 {
            sqlx::query("INSERT INTO scheduled_run (job, scheduled_for) VALUES ($1, clock_timestamp())")
                .bind(JOBS[dice.random_range(0..JOBS.len())])
                .execute(&app.database.migrator)
                .await
                .unwrap();
        }
        tokio::time::sleep(Duration::from_millis(dice.random_range(100..900))).await;
        replicas.kill(dice.random_range(0..REPLICAS));
        kills += 1;
    }
    over.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    // What was not acknowledged is told again, as Meta does.
    let webhook = Url::parse(&format!("http://127.0.0.1:{}/webhooks/meta", replicas.ports[0])).unwrap();
    while !untold.is_empty() {
        let told = simulator.tell(&webhook, &untold, Manner::default()).await;
        if told.given_up == 0 {
            untold.clear();
        }
    }
    settled(&app, &simulator).await;
    counted(&app, &simulator, acknowledged.load(Ordering::Relaxed)).await;
    let refused = refused.load(Ordering::Relaxed);
    let again = app.count("SELECT count(*) FROM scheduled_run WHERE attempts > 1").await;
    println!("{kills} kills, {refused} calls without an answer, {again} runs done again");
    assert!(
        kills > 5 && refused > 0,
        "{kills} kills, {refused} calls without an answer: nothing was put to the test"
    );
}

/// Waits until every run is over, also those whose replica died: their claims end after a minute.
async fn settled(app: &TestApp, simulator: &Simulator) {
    let forms = i64::try_from(simulator.ledger().submissions.len()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(240);
    loop {
        // What waits for a later attempt is due now.
        app.sql(
            "UPDATE meta_lead_inbox SET not_before = now() WHERE state <> 'failed' AND not_before > now();
             UPDATE scheduled_run SET not_before = now() WHERE finished_at IS NULL AND not_before > now()",
        )
        .await;
        let stored = app.count("SELECT count(*) FROM meta_lead_inbox WHERE state = 'assigned'").await;
        let open = app
            .count("SELECT count(*) FROM scheduled_run WHERE finished_at IS NULL AND job <> 'meta_intake'")
            .await;
        if stored == forms && open == 0 {
            return;
        }
        assert!(Instant::now() < deadline, "{stored} of {forms} forms are stored, {open} runs are open");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Each effect, once.
async fn counted(app: &TestApp, simulator: &Simulator, acknowledged: usize) {
    let acknowledged = i64::try_from(acknowledged).unwrap();
    let none = [
        ("messages of one id", "SELECT count(*) FROM (SELECT FROM messages GROUP BY provider, provider_message_id HAVING count(*) > 1) t"),
        ("leads of one phone number", "SELECT count(*) FROM (SELECT FROM leads WHERE phone IS NOT NULL GROUP BY phone HAVING count(*) > 1) t"),
        ("people without a vendedor", "SELECT count(*) FROM leads WHERE assigned_seller_id IS NULL AND NOT is_test AND merged_into IS NULL"),
        (
            "people who were handed out twice",
            "SELECT count(*) FROM (SELECT lead_id FROM assignment_log WHERE to_seller_id IS NOT NULL AND conversation_id IS NULL
             GROUP BY lead_id HAVING count(*) > 1) t",
        ),
        (
            "conversations that were handed out twice",
            "SELECT count(*) FROM (SELECT FROM assignment_log WHERE to_seller_id IS NOT NULL AND conversation_id IS NOT NULL
             GROUP BY conversation_id HAVING count(*) > 1) t",
        ),
        (
            "notifications that were told twice",
            "SELECT count(*) FROM (SELECT FROM notifications GROUP BY tenant_id, recipient_id, dedupe_key HAVING count(*) > 1) t",
        ),
        (
            "notifications whose event is not there once",
            "SELECT count(*) FROM notifications n WHERE (SELECT count(*) FROM outbox o WHERE o.event = 'new_notification'
             AND o.recipient_id = n.recipient_id AND (o.payload->>'id')::bigint = n.id) <> 1",
        ),
        (
            "messages and forms that nobody is told of",
            "SELECT (SELECT count(*) FROM messages m WHERE NOT EXISTS (SELECT FROM outbox o WHERE o.event = 'NEW_MESSAGE'
                     AND (o.payload->>'message_id')::bigint = m.id))
                  + (SELECT count(*) FROM meta_lead_inbox i WHERE NOT EXISTS (SELECT FROM outbox o
                     WHERE o.event = 'META_LEAD_RECEIVED' AND o.payload->>'leadgen_id' = i.leadgen_id))",
        ),
        (
            "messages and forms that somebody is told of twice",
            "SELECT count(*) FROM (SELECT FROM outbox WHERE event IN ('NEW_MESSAGE', 'META_LEAD_RECEIVED')
             GROUP BY event, recipient_id, payload->>'message_id', payload->>'leadgen_id' HAVING count(*) > 1) t",
        ),
        ("runs that were given up", "SELECT count(*) FROM scheduled_run WHERE outcome = 'dead'"),
    ];
    for (what, sql) in none {
        assert_eq!(app.count(sql).await, 0, "{what}");
    }
    assert_eq!(
        app.count("SELECT count(*) FROM messages").await,
        acknowledged,
        "messages that were acknowledged"
    );
    let ledger = simulator.ledger();
    let forms = i64::try_from(ledger.submissions.len()).unwrap();
    assert_eq!(app.count("SELECT count(*) FROM lead_submissions").await, forms, "forms");
    assert!(
        app.count("SELECT count(*) FROM notifications WHERE type = 'unanswered'").await > 0,
        "nobody was told of a wait"
    );
    assert!(
        app.count("SELECT count(*) FROM notifications WHERE type = 'assignment'").await > 0,
        "nobody was told of a lead"
    );
    let ceo = app.token(Person::Ceo).await;
    let refreshed = app.post_as(&ceo, "/admin/core/sellers/metrics/refresh").await.json();
    assert_eq!(refreshed["differences"], 0, "figures that went another way than what happened");
    println!("{acknowledged} messages and {forms} forms, each once");
}
