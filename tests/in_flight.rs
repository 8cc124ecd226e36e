//! What is under way while releases take turns: slow requests, bodies half sent, pipelines, connections that idle.
//! Written on plain sockets without any retry; not one of them may fail, and no connection may be reset.

use std::io::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::Duration;

use crate::harness::machine::Machine;
use crate::harness::raw::{Connection, get, login};

/// Longer than a switch, shorter than the drain.
const SLOW: Duration = Duration::from_millis(1500);
/// How long a body, and an idle connection, is left alone.
const PAUSE: Duration = Duration::from_millis(1500);
/// Between the two halves of a request in a pipeline.
const BREATH: Duration = Duration::from_millis(50);
/// Clients of each kind, started one after the other so that some are under way at any moment.
const CLIENTS: u32 = 4;

/// What the clients of one kind saw.
#[derive(Debug, Default)]
struct Seen {
    answered: u64,
    /// Answers of a release that was on its way out.
    last_ones: u64,
    failures: Vec<String>,
}

/// One thing that a client does with a connection; gives how the last answer ended.
type Deed = fn(&mut Connection) -> Result<Told, Error>;

/// Answers that came.
#[derive(Debug, Default)]
struct Told {
    answered: u64,
    closes: bool,
    bad: Option<String>,
}

impl Told {
    /// Takes one answer.
    fn hear(&mut self, connection: &mut Connection) -> Result<(), Error> {
        let answer = connection.answer()?;
        self.answered += 1;
        if answer.status != 200 {
            self.bad = Some(format!("{} of {}", answer.status, answer.release));
        }
        if self.closes {
            self.bad = Some("an answer came after the last one".to_owned());
        }
        self.closes = answer.closes;
        Ok(())
    }
}

/// A request that the server takes its time for.
fn slow(connection: &mut Connection) -> Result<Told, Error> {
    let mut told = Told::default();
    connection.send(&get("/scheduled-tasks/health"))?;
    told.hear(connection)?;
    Ok(told)
}

/// A body of which half is sent, and the rest later.
fn half_a_body(connection: &mut Connection) -> Result<Told, Error> {
    let mut told = Told::default();
    let (first, second) = login();
    connection.send(&first)?;
    sleep(PAUSE);
    connection.send(&second)?;
    told.hear(connection)?;
    Ok(told)
}

/// Four requests and a half at once, and the other half a little later.
fn pipeline(connection: &mut Connection) -> Result<Told, Error> {
    let mut told = Told::default();
    let one = get("/health/live");
    let (begun, rest) = one.split_at(one.len() / 2);
    connection.send(&format!("{}{begun}", one.repeat(4)))?;
    sleep(BREATH);
    connection.send(rest)?;
    for _ in 0..5 {
        told.hear(connection)?;
    }
    Ok(told)
}

/// A request on a connection that nobody used for a while.
fn idle(connection: &mut Connection) -> Result<Told, Error> {
    let mut told = Told::default();
    sleep(PAUSE);
    connection.send(&get("/health/live"))?;
    told.hear(connection)?;
    Ok(told)
}

/// Clients of one kind at work.
struct Crowd {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Seen>>,
}

impl Crowd {
    fn of(deed: Deed, port: u16) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let start = |index: u32| {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || {
                sleep(PAUSE / CLIENTS * index);
                client(deed, port, &stop)
            })
        };
        let clients = (0..CLIENTS).map(start).collect();
        Self { stop, clients }
    }

    fn end(self) -> Seen {
        self.stop.store(true, Ordering::SeqCst);
        let mut all = Seen::default();
        for client in self.clients {
            let seen = client.join().unwrap();
            all.answered += seen.answered;
            all.last_ones += seen.last_ones;
            all.failures.extend(seen.failures);
        }
        all
    }
}

fn client(deed: Deed, port: u16, stop: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    let mut open = None;
    while !stop.load(Ordering::SeqCst) {
        match once(deed, port, &mut open) {
            Ok(told) => {
                seen.answered += told.answered;
                seen.last_ones += u64::from(told.closes);
                seen.failures.extend(told.bad);
            }
            Err(error) => seen.failures.push(error.to_string()),
        }
    }
    seen
}

fn once(deed: Deed, port: u16, open: &mut Option<Connection>) -> Result<Told, Error> {
    let mut connection = match open.take() {
        Some(connection) => connection,
        None => Connection::open(port)?,
    };
    let told = deed(&mut connection)?;
    if told.closes {
        connection.ends_politely()?;
    } else {
        *open = Some(connection);
    }
    Ok(told)
}

#[test]
fn what_is_under_way_outlives_every_switch_and_no_connection_is_reset() {
    let machine = Machine::new();
    // Every release of this story is slow on purpose, and well.
    machine.configure("crm-server-faults", &[("drain_seconds = 2", "drain_seconds = 8")]);
    machine.write_secrets(&format!("CRM_FAULT=slow_ms={}\n", SLOW.as_millis()), 0o600);
    let deploy = ["deploy", "local", "--skip", "perf", "--reason", "slow on purpose"];
    machine.crmctl(&deploy).exits(0);
    let first = machine.serving();
    let kinds: [(&str, Deed); 4] =
        [("slow", slow), ("half a body", half_a_body), ("pipeline", pipeline), ("idle", idle)];
    let crowds = kinds.map(|(name, deed)| (name, Crowd::of(deed, machine.port)));
    for number in 1..=2 {
        machine.commit(&format!("change {number}"));
        machine.crmctl(&deploy).exits(0);
        assert_ne!(machine.serving(), first);
        machine.crmctl(&["rollback", "local"]).exits(0);
        assert_eq!(machine.serving(), first);
    }
    // The last switch has to be over for everybody.
    sleep(PAUSE * 2);
    for (name, crowd) in crowds {
        let seen = crowd.end();
        assert!(seen.failures.is_empty(), "{name}: {} failed: {:#?}", seen.failures.len(), seen.failures);
        // Four switches, and each met several.
        assert!(seen.last_ones >= 4, "{name}: no release said good-bye to anybody: {seen:?}");
        assert!(seen.answered > seen.last_ones, "{name}: {seen:?}");
    }
}
