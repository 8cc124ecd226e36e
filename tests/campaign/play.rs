//! Playing a case: the strike, the command that goes on, and the deploys after it.

use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::case::{Case, DEPLOY, Journey, Outcome, Way, When};
use super::chain::{self, Run};
use super::judge::{self, Before, Breaches};
use super::stage::{Stage, until};
use super::strike::{self, Kind, Point, Watch};
use crate::harness::client::Load;
use crate::harness::sockets::Sockets;

/// Requests per second that go on meanwhile.
const RATE: u32 = 50;

/// What must follow.
struct Expected {
    codes: Vec<i32>,
    serving: Vec<Option<String>>,
}

/// Lets a journey go its way, and gives its exit code.
pub(crate) fn undisturbed(stage: &Stage, journey: Journey) -> i32 {
    let journal = stage.journal();
    let mut watch = Watch::begin(&journal);
    let mut run = stage.start(journey.arguments());
    turn(journey, &mut watch, &mut run);
    strike::ended(&mut run).unwrap()
}

/// Asks a run that is to be struck on its way back to go back.
fn turn(journey: Journey, watch: &mut Watch<'_>, run: &mut Child) {
    if journey != Journey::Unwinding {
        return;
    }
    let step = Some("deploy.shift".into());
    let switch = Point { kind: "INTENT".into(), step, nth: 0, lasts: Duration::ZERO };
    if watch.reaches(run, &switch) && run.try_wait().unwrap().is_none() {
        strike::send(run, Signal::INT);
    }
}

/// Plays a case and judges it. The stage is at rest afterwards, with the newest release serving.
pub(crate) fn play(stage: &mut Stage, case: &Case) -> Outcome {
    let mut play = Play { case, breaches: Breaches::default(), recovery: Duration::ZERO, struck: false };
    if case.journey != Journey::Rollback {
        stage.change();
    }
    let before = Before::look(stage);
    let sockets = before.serving.is_some().then(|| Sockets::open(&stage.machine, super::sockets()));
    let load = before.serving.is_some().then(|| Load::start(stage.machine.port, RATE));
    let mut run = stage.start(case.journey.arguments());
    play.strike(stage, &before, &mut run);
    play.end_well(stage, &before);
    if let Some(sockets) = sockets {
        play.breaches.0.extend(sockets.stop());
    }
    if let Some(load) = load {
        let seen = load.stop();
        // Whatever was there before may be gone back to; nothing else but what the checkout makes.
        let mut may_serve = before.releases.clone();
        may_serve.extend(stage.answers());
        may_serve.extend(stage.records().ok().and_then(|r| chain::runs(&r).pop()).map(|run| run.target));
        judge::clients(stage, &seen, &may_serve, &mut play.breaches);
    }
    let disturbed = stage.load_was_invalid(before.records);
    Outcome { breaches: play.breaches.0, recovery: play.recovery, struck: play.struck, disturbed }
}

struct Play<'c> {
    case: &'c Case,
    breaches: Breaches,
    recovery: Duration,
    struck: bool,
}

impl Play<'_> {
    fn strike(&mut self, stage: &Stage, before: &Before, run: &mut Child) {
        let journal = stage.journal();
        let mut watch = Watch::begin(&journal);
        turn(self.case.journey, &mut watch, run);
        match &self.case.when {
            When::After(point, later) => {
                watch.reaches(run, point);
                std::thread::sleep(*later);
            }
            When::Moment(moment) => std::thread::sleep(*moment),
        }
        self.struck = run.try_wait().unwrap().is_none();
        match self.case.kind {
            _ if !self.struck => self.left_alone(run),
            Kind::Kill => self.kill(stage, before, run),
            Kind::Term => self.asked_to_stop(stage, run, &[Signal::TERM]),
            Kind::Int => self.asked_to_stop(stage, run, &[Signal::INT]),
            Kind::Twice => self.asked_to_stop(stage, run, &[Signal::INT, Signal::INT]),
            Kind::Hangup => {
                strike::send(run, Signal::HUP);
                self.left_alone(run);
            }
            Kind::Pause => self.pause(stage, run),
            Kind::Overtaken => return self.overtake(stage, before, run),
        }
        self.go_on(stage, before);
    }

    /// It comes to its own end.
    fn left_alone(&mut self, run: &mut Child) {
        let wanted = self.case.journey.code();
        if let Some(code) = self.breaches.take(strike::ended(run)) {
            self.breaches.check(code == wanted, || format!("the run exits {code} instead of {wanted}"));
        }
    }

    fn kill(&mut self, stage: &Stage, before: &Before, run: &mut Child) {
        strike::send(run, Signal::KILL);
        self.breaches.take(strike::ended(run));
        let Some(records) = self.breaches.take(stage.records()) else { return };
        judge::nothing_without_intent(stage, &records, before, &mut self.breaches);
        let hinders = chain::open(&records).is_some_and(|run| run.touched);
        if let Some(status) = self.breaches.take(stage.document("status")) {
            let next = status["next"].as_str().unwrap_or_default();
            self.breaches.check(!hinders || next == "crmctl resume local", || {
                format!("a run is unfinished, and status names `{next}` as next command")
            });
        }
    }

    /// INT and TERM end a run with 50, or come too late and it ends as it would have: a rollback whose traffic has
    /// moved stays there, and says (31) when it was not proved any more.
    fn asked_to_stop(&mut self, stage: &Stage, run: &mut Child, signals: &[Signal]) {
        let sent = chrono::Utc::now().timestamp_millis();
        for (index, signal) in signals.iter().enumerate() {
            if index > 0 {
                std::thread::sleep(Duration::from_millis(15));
            }
            if run.try_wait().unwrap().is_none() {
                strike::send(run, *signal);
            }
        }
        if let Some(code) = self.breaches.take(strike::ended(run)) {
            let records = stage.records().unwrap_or_default();
            // A signal before the run listens ends it as it ends any program, before anything was begun.
            let early = signals.iter().any(|signal| code == -signal.as_raw());
            let moved = records
                .iter()
                .rev()
                .take_while(|record| record.kind() != "PLAN")
                .any(|record| (record.kind(), record.step()) == ("DONE", Some("rollback.shift")));
            let unproved = (self.case.journey == Journey::Rollback && moved).then_some(31);
            let wanted: Vec<i32> = [50, self.case.journey.code()].into_iter().chain(unproved).collect();
            self.breaches.check(early || wanted.contains(&code), || {
                format!("the run exits {code} instead of one of {wanted:?}")
            });
            // Too late means that the last step was under way: it may begin and end, and no other one follows.
            let is_more =
                |record: &&chain::Record| matches!(record.kind(), "INTENT" | "DONE") && record.at_ms() > sent;
            let more = records.iter().filter(is_more).count();
            self.breaches.check(code == 50 || early || more <= 2, || {
                format!("the run was asked to stop and wrote {more} more records of steps")
            });
        }
    }

    fn pause(&mut self, stage: &Stage, run: &mut Child) {
        strike::send(run, Signal::STOP);
        self.is_held(stage);
        strike::send(run, Signal::CONT);
        self.left_alone(run);
    }

    /// While a process holds the lease nobody else goes on; gives run and token of the holder.
    fn is_held(&mut self, stage: &Stage) -> Option<(String, String)> {
        let status = self.breaches.take(stage.document("status"))?;
        let lease = &status["lease"];
        let (run, token) = (lease["run"].as_str()?.to_owned(), lease["token"].to_string());
        let other = stage.crmctl(&["resume", "local"]);
        self.breaches.check(other.code == 11, || {
            format!("a second operator is let in with exit {} beside `{run}`", other.code)
        });
        Some((run, token))
    }

    fn overtake(&mut self, stage: &Stage, before: &Before, run: &mut Child) {
        strike::send(run, Signal::STOP);
        // Asked before `unlock`, which is a run of its own in the journal.
        let over = stage.records().is_ok_and(|r| chain::open(&r).is_none());
        let held = self.is_held(stage);
        if let Some((id, token)) = &held {
            let unlock =
                ["unlock", "local", "--run", id, "--token", token, "--force", "--reason", "it hangs"];
            let unlocked = stage.crmctl(&unlock);
            self.breaches.check(unlocked.code == 0, || format!("unlock exits {}", unlocked.code));
        }
        self.go_on(stage, before);
        let records = stage.records().map(|records| records.len());
        let answers = stage.answers();
        strike::send(run, Signal::CONT);
        let lost = held.is_some() && !over;
        if let Some(code) = self.breaches.take(strike::ended(run)) {
            let wanted = if lost { 12 } else { self.case.journey.code() };
            self.breaches.check(code == wanted, || {
                format!("the overtaken run exits {code} instead of {wanted} (lease {held:?}, over: {over})")
            });
        }
        if lost {
            let after = stage.records().map(|records| records.len());
            self.breaches
                .check(after == records, || format!("the overtaken run wrote: {records:?}, {after:?}"));
            let now = stage.answers();
            self.breaches.check(now == answers, || format!("the overtaken run moved traffic to {now:?}"));
        }
    }

    /// `resume` or `rollback`, and what must come of it.
    fn go_on(&mut self, stage: &Stage, before: &Before) {
        let Some(records) = self.breaches.take(stage.records()) else { return };
        let expected = self.expected(stage, before, chain::open(&records));
        let begun = Instant::now();
        let said = stage.crmctl(&[self.case.way.name(), "local"]);
        self.recovery = begun.elapsed();
        let (way, answers) = (self.case.way.name(), stage.answers());
        self.breaches.check(expected.codes.contains(&said.code), || {
            format!("`{way}` exits {} instead of {:?}: {}{}", said.code, expected.codes, said.out, said.err)
        });
        self.breaches.check(expected.serving.contains(&answers), || {
            format!("after `{way}` {answers:?} serves instead of {:?}", expected.serving)
        });
        // A run that somebody else holds up lives on until it learns what has happened.
        if self.case.kind != Kind::Overtaken {
            judge::at_rest(stage, answers.as_deref(), &mut self.breaches);
        }
    }

    fn expected(&mut self, stage: &Stage, before: &Before, open: Option<Run>) -> Expected {
        let now = stage.answers();
        let one = |code, serving| Expected { codes: vec![code], serving: vec![serving] };
        match (self.case.way, open) {
            (Way::Resume, None) => one(10, now),
            (Way::Resume, Some(run)) if !run.turned => one(0, Some(run.target)),
            (_, Some(run)) if run.verb == "rollback" && run.touched => {
                // Asked to stop it goes back to where it was, unless traffic had moved.
                let serving = vec![Some(run.target), before.serving.clone()];
                let codes = if run.turned { vec![0, 50] } else { vec![0] };
                Expected { codes, serving: if run.turned { serving } else { serving[..1].to_vec() } }
            }
            (Way::Resume, Some(run)) => one(if run.interrupted { 50 } else { 20 }, run.previous),
            (Way::Rollback, Some(run)) if run.touched => one(0, run.previous),
            (Way::Rollback, _) => {
                let status = self.breaches.take(stage.document("status")).unwrap_or_default();
                match status["previous"]["id"].as_str() {
                    Some(previous) => one(0, Some(previous.to_owned())),
                    None => one(10, now),
                }
            }
        }
    }

    /// The next deploy goes through, and the one after it has nothing to do.
    fn end_well(&mut self, stage: &Stage, before: &Before) {
        let next = stage.soundly(&DEPLOY);
        self.breaches.check(next.code == 0, || {
            format!("the next deploy exits {}: {}{}", next.code, next.out, next.err)
        });
        let Some(records) = self.breaches.take(stage.records()) else { return };
        let again = stage.soundly(&DEPLOY);
        self.breaches.check(again.code == 0, || format!("the second deploy exits {}", again.code));
        let Some(all) = self.breaches.take(stage.records()) else { return };
        let worked = all[records.len()..].iter().any(|record| record.kind() == "INTENT");
        self.breaches.check(!worked, || "the second deploy still has something to do".to_owned());
        let target = chain::runs(&all).pop().map(|run| run.target);
        self.breaches.check(target != before.serving || self.case.journey == Journey::Rollback, || {
            "the new release does not serve".to_owned()
        });
        until(|| stage.answers() == target);
        judge::at_rest(stage, target.as_deref(), &mut self.breaches);
    }
}
