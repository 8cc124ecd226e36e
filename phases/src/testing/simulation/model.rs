//! The books against which a simulation is judged: who may hold the lease, what each target has accepted, what
//! was acknowledged, what must serve at each ending. Knows nothing of how the loop works.
//!
//! Length: one place for all promises, so that they can be read together.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::engine::effects::EffectContext;
use crate::engine::event::Ending;
use crate::engine::journal::{Kind, Record};
use crate::engine::platform::Role;
use crate::engine::step::Undo;
use crate::testing::machine::Machine;
use crate::testing::simulation::flight::{Target, What};
use crate::testing::simulation::journal::Journal;
use crate::testing::simulation::lease::LASTS;
use crate::testing::simulation::model::run::Run;
use crate::testing::simulation::rare::{Rare, Rares};
use crate::testing::simulation::timeline::Pid;

mod run;

/// A promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// No target accepts token k after it accepted k + 1.
    TokensOnlyRise,
    /// No target accepts anything of a run once a newer one has looked at the world.
    NothingOldAfterALook,
    /// Nobody gets the lease while another's has not run out.
    OneLease,
    /// No step starts when the lease may have run out.
    StartsUnderLease,
    /// No effect without its intent in the journal.
    IntentFirst,
    /// Nothing is done that the pinned plan does not say.
    OnlyWhatIsPlanned,
    /// At most one release has the address, and never none once one had it.
    OneServes,
    /// The ending says what serves.
    EndingIsTrue,
    /// A release is blocked exactly when a check of it failed, or it did not come up, in the run that brings it in.
    BlockedByItsChecks,
    /// A release becomes good only while it serves.
    GoodServes,
    /// A run that is over leaves no candidate of its own and no second process of a release.
    NothingLeftRunning,
    /// A run that is over leaves the release to go back to.
    WayBackIsThere,
    /// A run ends stuck only when taking back was hindered.
    StuckHasACause,
    /// What was acknowledged is in the journal.
    NoRecordLost,
    /// The journal is a chain and every run in it can be replayed.
    JournalReplays,
    /// Every run is brought to an ending.
    EveryRunEnds,
    /// Afterwards a deploy goes through, a second one has nothing to do, and the lease is free.
    NextDeployIsClean,
}

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// Which.
    pub promise: Promise,
    /// How.
    pub what: String,
}

/// The books.
#[derive(Debug)]
pub(crate) struct Model {
    accepted: BTreeMap<Target, u64>,
    /// Highest token whose holder has looked at the world.
    looked: u64,
    /// Whose lease it is, and until when.
    lease: Option<(u64, Pid, Duration)>,
    /// Until when each process has surely had the lease.
    sure: BTreeMap<Pid, Duration>,
    runs: BTreeMap<String, Run>,
    /// How runs ended, as the journal has it.
    endings: BTreeMap<String, Ending>,
    struck: BTreeSet<String>,
    acknowledged: Vec<(u64, String)>,
    serves: bool,
    breach: Option<Breach>,
}

impl Model {
    pub(crate) const fn new(serves: bool) -> Self {
        Self {
            accepted: BTreeMap::new(),
            looked: 0,
            lease: None,
            sure: BTreeMap::new(),
            runs: BTreeMap::new(),
            endings: BTreeMap::new(),
            struck: BTreeSet::new(),
            acknowledged: Vec::new(),
            serves,
            breach: None,
        }
    }

    /// The first promise that was broken.
    pub(crate) fn breach(&self) -> Option<&Breach> {
        self.breach.as_ref()
    }

    pub(crate) fn fail(&mut self, promise: Promise, what: impl Into<String>) {
        if self.breach.is_none() {
            self.breach = Some(Breach { promise, what: what.into() });
        }
    }

    fn must(&mut self, holds: bool, promise: Promise, what: impl FnOnce() -> String) {
        if !holds {
            self.fail(promise, what());
        }
    }

    pub(crate) fn highest(&self, target: Target) -> u64 {
        self.accepted.get(&target).copied().unwrap_or(0)
    }

    /// Something went wrong in a run on purpose.
    pub(crate) fn struck(&mut self, run: &str) {
        self.struck.insert(run.to_owned());
    }

    /// The server gave the lease to a process.
    pub(crate) fn granted(&mut self, token: u64, pid: Pid, now: Duration, holder_is_dead: bool) {
        if let Some((before, _, until)) = self.lease {
            self.must(holder_is_dead || now >= until, Promise::OneLease, || {
                format!("token {token} was given while token {before} had {:?} left", until - now)
            });
            self.must(token > before, Promise::OneLease, || format!("token {token} after {before}"));
        }
        self.lease = Some((token, pid, now + LASTS));
        self.sure.insert(pid, now + LASTS);
    }

    /// A holder asked the server to extend the lease; what it answered is its own business.
    pub(crate) fn renewed(&mut self, token: u64, pid: Pid, now: Duration) {
        match &mut self.lease {
            Some((current, _, until)) if *current == token && now < *until => {
                *until = now + LASTS;
                self.sure.insert(pid, now + LASTS);
            }
            _ => {}
        }
    }

    pub(crate) fn released(&mut self, token: u64) {
        if let Some((current, _, until)) = &mut self.lease
            && *current == token
        {
            *until = Duration::ZERO;
        }
    }

    /// A machine slept: its clocks cannot know how much of the lease is left.
    pub(crate) fn slept(&mut self, pid: Pid) {
        self.sure.insert(pid, Duration::MAX);
    }

    /// A process starts an effect or a check.
    pub(crate) fn sent(&mut self, pid: Pid, what: &What, context: &EffectContext<'_>, now: Duration) {
        // A fence changes nothing, and one that comes too late is refused like everything else.
        if *what == What::Fence {
            return;
        }
        let (run, step) = (context.run, context.step.0.as_str());
        let sure = self.sure.get(&pid).copied().unwrap_or_default();
        self.must(now < sure, Promise::StartsUnderLease, || {
            format!("`{step}` of `{run}` started {:?} after the lease had run out", now - sure)
        });
        if self.lease.is_none_or(|(token, _, _)| token != context.token) {
            // It cannot know yet that another has gone on with its run; its token is what stops it.
            return;
        }
        let Some(known) = self.runs.get(run) else {
            return self.fail(Promise::IntentFirst, format!("`{step}` of `{run}` before its plan"));
        };
        let (planned, last) = (known.plan.step(step), known.last.get(step).copied());
        let (same, intended) = match what {
            What::Fence => (true, true),
            What::Apply(action) => {
                let intended = action.is_observation() || last == Some(Kind::Intent);
                (planned.is_some_and(|planned| &planned.action == action), intended)
            }
            What::Undo(undo) => {
                (planned.is_some_and(|planned| &planned.undo == undo), last == Some(Kind::UndoIntent))
            }
        };
        self.must(same, Promise::OnlyWhatIsPlanned, || format!("`{step}` of `{run}` is not as planned"));
        self.must(intended, Promise::IntentFirst, || {
            format!("`{step}` of `{run}` started; the journal says {last:?} of it")
        });
    }

    /// A process looks at the world, to plan or to go on with what was planned.
    pub(crate) fn looked(&mut self, pid: Pid) {
        if let Some((token, _, _)) = self.lease.filter(|(_, holder, _)| *holder == pid) {
            self.looked = self.looked.max(token);
        }
    }

    /// A target has raised its fence.
    pub(crate) fn fenced(&mut self, target: Target, token: u64) {
        self.accepted.insert(target, token.max(self.highest(target)));
    }

    /// An effect reached its target.
    pub(crate) fn landed(
        &mut self,
        target: Target,
        token: u64,
        accepted: bool,
        what: &What,
        machine: &Machine,
    ) {
        let guarded = matches!(target, Target::Platform | Target::Database);
        if accepted && guarded {
            let highest = self.highest(target);
            self.must(token >= highest, Promise::TokensOnlyRise, || {
                format!("{target:?} accepted {what:?} of token {token} after token {highest}")
            });
            self.accepted.insert(target, token.max(highest));
            let looked = self.looked;
            self.must(token >= looked, Promise::NothingOldAfterALook, || {
                format!("{target:?} accepted {what:?} of token {token}; token {looked} had looked already")
            });
        }
        let to_nothing = matches!(what, What::Undo(Undo::RestoreTraffic { to: None, .. }));
        let serving = machine.instances.iter().filter(|(_, role)| *role == Role::Serving).count();
        self.must(serving <= 1, Promise::OneServes, || format!("{serving} serve after {what:?}"));
        self.must(serving == 1 || !self.serves || to_nothing, Promise::OneServes, || {
            format!("nothing serves after {what:?}")
        });
        self.serves = serving > 0;
    }

    /// A record is in the journal.
    pub(crate) fn written(&mut self, record: &Record, machine: &Machine, rares: &mut Rares) {
        let highest = self.highest(Target::Journal);
        self.must(record.token >= highest, Promise::TokensOnlyRise, || {
            format!("the journal accepted token {} after token {highest}", record.token)
        });
        self.accepted.insert(Target::Journal, record.token.max(highest));
        if record.kind == Kind::Plan {
            self.runs.insert(record.run.clone(), Run::begin(record, machine));
        }
        let Some(run) = self.runs.get_mut(&record.run) else { return };
        run.accept(record);
        match record.kind {
            Kind::Verdict if record.desired["state"] == "good" => {
                let target = run.plan.target.as_ref().map(|target| target.id.clone());
                self.must(machine.answers() == target.as_ref(), Promise::GoodServes, || {
                    format!("{target:?} is good and {:?} serves", machine.answers())
                });
            }
            Kind::End => self.ended(record, machine, rares),
            _ => {}
        }
    }

    fn ended(&mut self, record: &Record, machine: &Machine, rares: &mut Rares) {
        let ending: Ending =
            serde_json::from_value(record.evidence["ending"].clone()).expect("an end has an ending");
        let Some(run) = self.runs.remove(&record.run) else { return };
        let name = record.run.as_str();
        self.endings.insert(record.run.clone(), ending);
        let answers = machine.answers();
        if let Some(expected) = run.blocks(ending) {
            self.must(run.blocked == expected, Promise::BlockedByItsChecks, || {
                let not = if expected { " not" } else { "" };
                format!("`{name}` ended {ending:?} and its release is{not} blocked: {:?}", run.fault)
            });
        }
        if ending == Ending::Stuck {
            rares.count(Rare::EndedStuck);
            let cause = self.struck.contains(name);
            self.must(cause, Promise::StuckHasACause, || format!("`{name}`: {}", record.evidence));
            let sides = run.sides();
            self.must(sides.contains(&answers), Promise::EndingIsTrue, || {
                format!("`{name}` is stuck; {answers:?} serves, which is none of {sides:?}")
            });
            let told = record.evidence["failure"]["message"].as_str().is_some_and(|text| !text.is_empty());
            return self.must(told, Promise::EndingIsTrue, || format!("`{name}` is stuck and says no why"));
        }
        if let Some(expected) = run.expected(ending) {
            self.must(answers == expected, Promise::EndingIsTrue, || {
                format!("`{name}` ended {ending:?}; {answers:?} serves instead of {expected:?}")
            });
            match (ending, expected) {
                (Ending::RolledBack, _) if run.plan.verb == "deploy" && !run.taken_back => {
                    rares.count(Rare::EndedRolledBack);
                }
                (_, None) if run.plan.shifts() => rares.count(Rare::EndedWithNothing),
                _ => {}
            }
        }
        let left = run.left_running(machine);
        self.must(left.is_none(), Promise::NothingLeftRunning, || format!("`{name}` left {left:?}"));
        let (previous, shifts) = (run.plan.previous.as_ref(), run.plan.shifts());
        let gone = previous.filter(|id| shifts && !machine.present.contains(*id));
        self.must(gone.is_none(), Promise::WayBackIsThere, || format!("`{name}` ended without {gone:?}"));
    }

    /// A process says how its run ended. That it was interrupted may only mean that it does not know.
    pub(crate) fn told(&mut self, run: &str, ending: Ending) {
        let Some(written) = self.endings.get(run).copied().filter(|_| ending != Ending::Interrupted) else {
            return;
        };
        self.must(written == ending, Promise::EndingIsTrue, || {
            format!("`{run}` is said to have ended {ending:?}; the journal says {written:?}")
        });
    }

    /// A process has heard that its record is written.
    pub(crate) fn acknowledged(&mut self, seq: u64, hash: String) {
        self.acknowledged.push((seq, hash));
    }

    /// What can only be said of the whole journal.
    pub(crate) fn close(&mut self, journal: &Journal) {
        let missing = self.acknowledged.iter().find(|(seq, hash)| journal.line(*seq).as_ref() != Some(hash));
        if let Some((seq, _)) = missing {
            let what = format!("record {seq} was acknowledged and is not there");
            self.fail(Promise::NoRecordLost, what);
        }
    }
}
