//! Releases take turns on one socket under load, and no request fails.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::json;

use super::client::{Connection, Reply, get, post, try_tcp};
use super::process::{Release, Stage};
use crate::harness::{PASSWORD, Person, TestApp};

/// What one client saw.
#[derive(Debug, Default)]
struct Seen {
    answers: BTreeMap<String, usize>,
    failures: Vec<String>,
}

/// How a client behaves between its requests.
#[derive(Debug, Clone, Copy)]
enum Habit {
    /// One after the other on a kept connection.
    Steady,
    /// A pause before each, on a kept connection.
    Idle(Duration),
    /// A new connection each time.
    Fresh,
    /// Its body comes in two halves.
    Halting(Duration),
    /// Logs in: real work in database and processor.
    Login,
    /// Three at once.
    Ahead,
}

struct Client {
    address: std::net::SocketAddr,
    habit: Habit,
    connection: Option<Connection<std::net::TcpStream>>,
}

impl Client {
    fn turn(&mut self) -> std::io::Result<Vec<Reply>> {
        if let Habit::Idle(pause) = self.habit {
            std::thread::sleep(pause);
        }
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => try_tcp(self.address)?,
        };
        let replies = self.ask(&mut connection)?;
        let stays = replies.last().is_some_and(|reply| !reply.says_close());
        if stays && !matches!(self.habit, Habit::Fresh) {
            self.connection = Some(connection);
        }
        Ok(replies)
    }

    fn ask(&self, connection: &mut Connection<std::net::TcpStream>) -> std::io::Result<Vec<Reply>> {
        let login = json!({"email": Person::Ceo.email(), "password": PASSWORD}).to_string();
        let one = match self.habit {
            Habit::Steady | Habit::Idle(_) | Habit::Fresh => connection.ask(&get("/health/live"))?,
            Habit::Login => {
                let (head, body) = post("/auth/login", &login);
                connection.ask(&format!("{head}{body}"))?
            }
            Habit::Halting(pause) => {
                let (head, body) = post("/auth/login", &login);
                connection.send(&format!("{head}{}", &body[..10]))?;
                std::thread::sleep(pause);
                connection.ask(&body[10..])?
            }
            Habit::Ahead => {
                connection.send(&get("/health/live").repeat(3))?;
                return (0..3).map(|_| connection.reply()).collect();
            }
        };
        Ok(vec![one])
    }
}

fn client(stage: &Stage, habit: Habit, over: &Arc<AtomicBool>) -> JoinHandle<Seen> {
    let mut client = Client { address: stage.address(), habit, connection: None };
    let over = Arc::clone(over);
    std::thread::spawn(move || {
        let mut seen = Seen::default();
        while !over.load(Ordering::Relaxed) {
            match client.turn() {
                Ok(replies) => {
                    for reply in replies {
                        if reply.status != 200 {
                            seen.failures.push(format!("{:?}: {}", client.habit, reply.status));
                        }
                        *seen.answers.entry(reply.release().to_owned()).or_default() += 1;
                    }
                }
                Err(error) => seen.failures.push(format!("{:?}: {error}", client.habit)),
            }
        }
        seen
    })
}

/// The new release serves, the old one drains to its end.
fn switch(old: &mut Release, new: &Release) {
    new.command("serve");
    old.command("drain");
    let ended = old.ending();
    assert!(ended.success(), "{ended}\n{}", old.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn switches_under_load_fail_no_request() {
    let app = TestApp::start().await;
    let stage = Stage::new(Some(&app.database));
    let mut serving = stage.release("r0", 1);
    serving.command("serve");
    let over = Arc::new(AtomicBool::new(false));
    let mut habits = vec![Habit::Steady, Habit::Steady, Habit::Fresh, Habit::Login, Habit::Ahead];
    habits.extend([20, 100, 350].map(|pause| Habit::Idle(Duration::from_millis(pause))));
    habits.extend([50, 400].map(|pause| Habit::Halting(Duration::from_millis(pause))));
    let clients: Vec<_> = habits.into_iter().map(|habit| client(&stage, habit, &over)).collect();
    for number in 1..=4 {
        std::thread::sleep(Duration::from_millis(200));
        let next = stage.release(&format!("r{number}"), 1);
        switch(&mut serving, &next);
        serving = next;
    }
    over.store(true, Ordering::Relaxed);
    let mut answers = BTreeMap::new();
    for client in clients {
        let seen = client.join().unwrap();
        assert_eq!(seen.failures, Vec::<String>::new());
        for (release, count) in seen.answers {
            *answers.entry(release).or_insert(0) += count;
        }
    }
    let releases: Vec<&str> = answers.keys().map(String::as_str).collect();
    assert_eq!(releases, ["r0", "r1", "r2", "r3", "r4"], "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_standby_a_release_has_its_connections_already() {
    let app = TestApp::start().await;
    let held = async || {
        let held = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'crm_app' AND datname = current_database()";
        sqlx::query_scalar::<_, i64>(held).fetch_one(&app.database.migrator).await.unwrap()
    };
    let before = held().await;
    let stage = Stage::new(Some(&app.database));
    let release = stage.release("r0", 1);
    assert_eq!(held().await - before, 10, "{}", release.log());
}
