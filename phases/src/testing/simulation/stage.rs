//! What all operators share: true time, the world, the ledger's server, effects under way, and the books that
//! the model keeps. Everything happens in one thread; the lock is there because doors are `Sync`.

use std::collections::BTreeMap;
use std::future::{Pending, pending};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use crate::environment::Environment;
use crate::testing::scene::Scene;
use crate::testing::simulation::bug::Bug;
use crate::testing::simulation::climate::{Climate, Rate};
use crate::testing::simulation::fate::{Door, Fate, Strike};
use crate::testing::simulation::flight::{Flight, Target};
use crate::testing::simulation::journal::Journal;
use crate::testing::simulation::lease::LeaseServer;
use crate::testing::simulation::model::Model;
use crate::testing::simulation::random::Random;
use crate::testing::simulation::rare::{Rare, Rares};
use crate::testing::simulation::timeline::{Due, Pid, Timeline};
use crate::testing::world::FakeWorld;

/// One process of an operator, alive or not.
#[derive(Debug)]
pub(crate) struct Process {
    pub operator: usize,
    pub rate: Rate,
    /// What its wall clock is ahead of true time.
    pub ahead: Duration,
    pub alive: bool,
    /// It is killed as soon as it would go on.
    pub doomed: bool,
    /// Ctrl-C.
    pub asked: bool,
    /// It does not run before.
    pub stopped_until: Duration,
    /// True time that its clocks have not seen.
    pub unseen: Duration,
}

/// What the lock guards.
#[derive(Debug)]
pub(crate) struct State {
    pub timeline: Timeline,
    pub random: Random,
    pub climate: Climate,
    pub strike: Option<Strike>,
    pub calls: usize,
    pub processes: Vec<Process>,
    pub lease: LeaseServer,
    pub journal: Journal,
    pub flights: Vec<Flight>,
    /// When a process's last effect reaches a target: the next one comes after it.
    pub lane: BTreeMap<(Pid, Target), Duration>,
    pub model: Model,
    pub rares: Rares,
    /// Nobody waits for anything: what the ledger's contract needs, which has no scheduler.
    pub instant: bool,
    /// What happened, told only when a breach is looked into.
    pub story: Option<Vec<String>>,
}

/// The whole simulated world.
#[derive(Debug)]
pub(crate) struct Stage {
    pub world: FakeWorld,
    pub environment: Environment,
    pub bug: Option<Bug>,
    state: Mutex<State>,
}

impl Stage {
    /// A stage on a scene that earlier runs have made.
    pub(crate) fn new(scene: &Scene, random: Random, bug: Option<Bug>, told: bool) -> Arc<Self> {
        let serves = scene.world.platform.machine().answers().is_some();
        let state = State {
            timeline: Timeline::default(),
            random,
            climate: Climate::default(),
            strike: None,
            calls: 0,
            processes: Vec::new(),
            lease: LeaseServer::default(),
            journal: Journal::of(&scene.ledger.journal(), &scene.records()),
            flights: Vec::new(),
            lane: BTreeMap::new(),
            model: Model::new(serves),
            rares: Rares::default(),
            instant: false,
            story: told.then(Vec::new),
        };
        let (world, environment) = (scene.world.clone(), scene.environment.clone());
        Arc::new(Self { world, environment, bug, state: Mutex::new(state) })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// Lets true time pass for a process.
    pub(crate) fn sleep(self: &Arc<Self>, pid: Pid, real: Duration) -> Sleep {
        let at = self.state().timeline.now() + real;
        self.sleep_until(pid, at)
    }

    pub(crate) fn sleep_until(self: &Arc<Self>, pid: Pid, at: Duration) -> Sleep {
        Sleep { stage: Arc::clone(self), pid, at, armed: false }
    }

    /// The process dies here; nothing of it goes on.
    pub(crate) fn doom<T>(&self, pid: Pid) -> Pending<T> {
        let mut state = self.state();
        state.processes[pid].doomed = true;
        state.wake(pid);
        pending()
    }
}

impl State {
    pub(crate) const fn now(&self) -> Duration {
        self.timeline.now()
    }

    /// Takes note of something that happened.
    pub(crate) fn tell(&mut self, what: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            story.push(format!("{:>9.3} {}", self.timeline.now().as_secs_f64(), what()));
        }
    }

    pub(crate) fn put(&mut self, at: Duration, due: Due) {
        let tie = self.random.next();
        self.timeline.put(at, tie, due);
    }

    /// Lets a process go on at once.
    pub(crate) fn wake(&mut self, pid: Pid) {
        self.put(self.timeline.now(), Due::Wake(pid));
    }

    /// A process comes to life.
    pub(crate) fn process(&mut self, operator: usize, rate: Rate, ahead: Duration) -> Pid {
        self.processes.push(Process {
            operator,
            rate,
            ahead,
            alive: true,
            doomed: false,
            asked: false,
            stopped_until: Duration::ZERO,
            unseen: Duration::ZERO,
        });
        self.processes.len() - 1
    }

    /// An operator types the next command at once.
    pub(crate) fn wake_operator(&mut self, operator: usize) {
        self.put(self.timeline.now(), Due::Begin(operator));
    }

    /// An operator types the next command: soon, or when a lease would have run out.
    pub(crate) fn next_errand(&mut self, operator: usize) {
        let longest = Duration::from_secs(self.random.pick(&[1, 10, 50]));
        let at = self.now() + self.random.between(Duration::ZERO, longest);
        self.put(at, Due::Begin(operator));
    }

    /// Ctrl-C.
    pub(crate) fn interrupt(&mut self, pid: Pid) {
        self.rares.count(Rare::Interrupted);
        self.tell(|| format!("process {pid} is asked to stop"));
        self.processes[pid].asked = true;
        self.wake(pid);
    }

    /// What becomes of the next call.
    pub(crate) fn fate(&mut self, door: Door) -> Fate {
        self.calls += 1;
        match self.strike {
            Some(strike) if strike.call == self.calls => {
                self.rares.count(Rare::Struck);
                strike.fate
            }
            Some(_) => Fate::Well,
            None => self.climate.fate(door, &mut self.random),
        }
    }

    /// Monotonic time as a process sees it.
    pub(crate) fn shown(&self, pid: Pid) -> Duration {
        let process = &self.processes[pid];
        process.rate.shown(self.now().saturating_sub(process.unseen))
    }

    /// Wall clock as a process sees it, from the same zero as true time.
    pub(crate) fn wall(&self, pid: Pid) -> Duration {
        let process = &self.processes[pid];
        process.ahead + process.rate.shown(self.now())
    }
}

/// Returns when true time has come so far. A moment that is here already is not waited for.
#[derive(Debug)]
pub(crate) struct Sleep {
    stage: Arc<Stage>,
    pid: Pid,
    at: Duration,
    armed: bool,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<()> {
        let stage = Arc::clone(&self.stage);
        let mut state = stage.state();
        if state.instant || state.now() >= self.at {
            return Poll::Ready(());
        }
        if !self.armed {
            self.armed = true;
            state.put(self.at, Due::Wake(self.pid));
        }
        Poll::Pending
    }
}
