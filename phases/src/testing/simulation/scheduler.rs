//! The executor: one thread, futures polled in the order in which the seed lets things become due. Kills, stops
//! and interrupts processes at any point where they wait.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::engine::event::Ending;
use crate::engine::journal::Kind;
use crate::engine::ledger::LedgerError;
use crate::testing::simulation::climate::Rate;
use crate::testing::simulation::lease::LASTS;
use crate::testing::simulation::model::Promise;
use crate::testing::simulation::operator::{Command, Errand, Exit};
use crate::testing::simulation::rare::Rare;
use crate::testing::simulation::stage::Stage;
use crate::testing::simulation::timeline::{Due, Pid};

/// More than any story needs.
const MANY: usize = 200_000;

type Running = Pin<Box<dyn Future<Output = Exit> + Send>>;

/// What one operator has typed, is doing and will type.
#[derive(Default)]
pub(crate) struct Operator {
    pub errands: VecDeque<Errand>,
    pub rate: Option<Rate>,
    pub ahead: Duration,
    running: Option<(Pid, Running)>,
    last: Option<Exit>,
}

/// Both operators and their stage.
pub(crate) struct Scheduler {
    pub stage: Arc<Stage>,
    pub operators: [Operator; 2],
}

impl Scheduler {
    pub(crate) fn new(stage: Arc<Stage>) -> Self {
        Self { stage, operators: <[Operator; 2]>::default() }
    }

    /// Lets both work until nobody has anything left to do.
    pub(crate) fn work(&mut self) {
        for operator in 0..self.operators.len() {
            let mut state = self.stage.state();
            let at = state.now() + state.random.between(Duration::ZERO, Duration::from_secs(20));
            state.put(at, Due::Begin(operator));
        }
        self.until(|scheduler| {
            scheduler.operators.iter().all(|op| op.running.is_none() && op.errands.is_empty())
        });
    }

    /// Lets one operator do one thing; `None` when it was killed.
    pub(crate) fn perform(&mut self, operator: usize, errand: Errand) -> Option<Exit> {
        self.operators[operator].errands = [errand].into();
        self.operators[operator].last = None;
        self.stage.state().wake_operator(operator);
        self.until(|scheduler| {
            let operator = &scheduler.operators[operator];
            operator.running.is_none() && operator.errands.is_empty()
        });
        self.operators[operator].last.take()
    }

    fn until(&mut self, over: impl Fn(&Self) -> bool) {
        for _ in 0..MANY {
            if over(self) || self.stage.state().model.breach().is_some() {
                return;
            }
            let due = self.stage.state().timeline.advance();
            match due {
                Some(Due::Land(flight)) => self.stage.land(flight),
                Some(Due::Begin(operator)) => self.begin(operator),
                Some(Due::Wake(pid)) => self.go_on(pid),
                None => break,
            }
        }
        if !over(self) {
            self.stage.state().model.fail(Promise::EveryRunEnds, "an operator waits for ever");
        }
    }

    fn begin(&mut self, number: usize) {
        let operator = &mut self.operators[number];
        if operator.running.is_some() {
            return;
        }
        let Some(errand) = operator.errands.pop_front() else { return };
        let stage = Arc::clone(&self.stage);
        let pid = {
            let mut state = stage.state();
            let pid = state.process(number, operator.rate.unwrap_or(Rate::True), operator.ahead);
            state.tell(|| format!("operator {number} starts process {pid}: {errand:?}"));
            state.wake(pid);
            pid
        };
        operator.running = Some((pid, Box::pin(Command { stage, pid, operator: number, errand }.run())));
    }

    /// A process goes on, unless something happens to it.
    fn go_on(&mut self, pid: Pid) {
        let number = self.stage.state().processes[pid].operator;
        if self.operators[number].running.as_ref().is_none_or(|(running, _)| *running != pid) {
            return;
        }
        match self.happens(pid) {
            Happens::Nothing => {}
            Happens::Death => return self.kill(number, pid),
            Happens::Stop => return,
        }
        let Some((_, running)) = self.operators[number].running.as_mut() else { return };
        if let Poll::Ready(exit) = running.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            self.ended(number, pid, exit);
        }
    }

    /// Whether something happens to a process before it goes on.
    fn happens(&self, pid: Pid) -> Happens {
        let mut state = self.stage.state();
        if state.processes[pid].doomed {
            return Happens::Death;
        }
        let (now, climate) = (state.now(), state.climate);
        let stopped_until = state.processes[pid].stopped_until;
        if now < stopped_until {
            state.put(stopped_until, Due::Wake(pid));
            return Happens::Stop;
        }
        if state.random.chance(climate.crash) {
            return Happens::Death;
        }
        let sleeps = state.random.chance(climate.suspend);
        if sleeps || state.random.chance(climate.pause) {
            let pause = state.random.between(Duration::from_secs(1), Duration::from_secs(70));
            state.tell(|| format!("process {pid} is stopped for {pause:?} (asleep: {sleeps})"));
            if pause > LASTS {
                state.rares.count(if sleeps { Rare::AsleepPastLease } else { Rare::StoppedPastLease });
            }
            if sleeps {
                state.processes[pid].unseen += pause;
                state.model.slept(pid);
            }
            state.processes[pid].stopped_until = now + pause;
            state.put(now + pause, Due::Wake(pid));
            return Happens::Stop;
        }
        if state.random.chance(climate.interrupt) && !state.processes[pid].asked {
            state.interrupt(pid);
        }
        Happens::Nothing
    }

    fn kill(&mut self, number: usize, pid: Pid) {
        self.operators[number].running = None;
        let mut state = self.stage.state();
        state.tell(|| format!("process {pid} is killed"));
        state.rares.count(Rare::Killed);
        if state.journal.records.last().is_some_and(|record| record.kind == Kind::UndoIntent) {
            state.rares.count(Rare::KilledOnTheWayBack);
        }
        state.processes[pid].alive = false;
        state.journal.writer_died(pid);
        state.next_errand(number);
    }

    fn ended(&mut self, number: usize, pid: Pid, exit: Exit) {
        self.operators[number].running = None;
        let mut state = self.stage.state();
        state.tell(|| format!("process {pid} ends: {exit:?}"));
        if let Exit::NoLease(LedgerError::Held(_)) = &exit {
            state.rares.count(Rare::Held);
        }
        if let Exit::Ran(report) = &exit {
            state.model.told(&report.run, report.ending);
            match (report.ending, report.exit_code) {
                (Ending::Interrupted, 12) => state.rares.count(Rare::EndedLeaseLost),
                (Ending::Interrupted, _) if report.next.as_deref().is_some_and(|n| n.contains("resume")) => {
                    state.rares.count(Rare::EndedResumable);
                }
                _ => {}
            }
        }
        state.processes[pid].alive = false;
        state.next_errand(number);
        self.operators[number].last = Some(exit);
    }
}

/// What happens to a process.
enum Happens {
    Nothing,
    Stop,
    Death,
}
